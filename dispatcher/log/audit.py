"""What people did by office, from the log: operators and reviewers, what they set, decided and looked at."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from dispatcher.deciders import deciders
from gig.v1 import events_pb2 as events_pb
from gig.v1 import policy_pb2 as policy_pb
from gig.v1 import transparency_service_pb2 as transparency_pb
from gig.v1 import types_pb2 as types_pb

OPERATOR, REVIEWER = "operator", "reviewer"


@dataclass(frozen=True, slots=True)
class Act:
    """``about``: a person, a review, or a setting, for people to read.

    ``people``: their ids, where ``about`` names several.
    """

    person_id: str
    role: str
    did: str
    about: str
    people: tuple[str, ...] = ()


def acts_of(event: events_pb.Event) -> Iterator[Act]:
    """Of an event; none of what rules, solvers, clients and couriers did."""
    body = getattr(event, event.WhichOneof("body"))
    match body:
        case events_pb.DataAccessed():
            yield Act(body.reader_id, body.role, f"looked by {body.method}", body.subject_id or "everybody")
        case events_pb.PolicyAnnounced():
            yield Act(body.operator_id, OPERATOR, "announced a policy", body.policy.name)
        case events_pb.PolicySet() if event.HasField("request"):
            yield Act(body.operator_id, OPERATOR, "set a policy", body.policy.name)
        case events_pb.ZonesSet() if event.HasField("request"):
            yield Act(body.operator_id, OPERATOR, "set the zones", f"{len(body.geojson)} bytes of GeoJSON")
        case events_pb.SubjectQuarantined():
            kind = types_pb.SubjectKind.Name(body.kind).removeprefix("SUBJECT_KIND_").lower()
            yield Act(body.operator_id, OPERATOR, f"quarantined: {body.reason}", f"{kind} {body.subject_id}".strip())
        case events_pb.PairBlocked():
            did = "kept apart" if body.blocked else "let meet again"
            people = body.client_id, body.courier_id
            yield Act(body.operator_id, OPERATOR, f"{did}: {body.reason}", ", ".join(people), people)
        case events_pb.ReviewOpened() if body.review.kind == transparency_pb.REVIEW_KIND_STANDING:
            opener = deciders(body.review)[:1]
            if opener:  # else a rule asked
                yield Act(opener[0], OPERATOR, "asked for a review", body.review.subject_id)
        case events_pb.ReviewClaimed():
            yield Act(body.reviewer_id, REVIEWER, "claimed a review", body.review_id)
        case events_pb.ReviewOpinionGiven():
            outcome = transparency_pb.ReviewOutcome.Name(body.opinion.outcome).removeprefix("REVIEW_OUTCOME_").lower()
            yield Act(body.opinion.reviewer_id, REVIEWER, f"gave an opinion: {outcome}", body.review_id)
        case events_pb.StandingChanged() if body.change.decided_by:
            level = policy_pb.StandingLevel.Name(body.change.after).removeprefix("STANDING_LEVEL_").lower()
            role = OPERATOR if body.change.after == policy_pb.STANDING_LEVEL_UNDER_REVIEW else REVIEWER
            for person_id in deciders(body.change):
                yield Act(person_id, role, f"set a standing: {level}", body.change.person_id)
