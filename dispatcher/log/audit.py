"""What people did by office, from the log: operators and reviewers, what they set, decided and looked at."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from dispatcher.complete import complete
from dispatcher.deciders import deciders
from dispatcher.event_kinds import Use, bodies_for
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
    body = event.WhichOneof("body")
    find = _ACTS.get(body)
    if find is not None:
        yield from find(event, getattr(event, body))


def _accessed(_event: events_pb.Event, body: events_pb.DataAccessed) -> Iterator[Act]:
    yield Act(body.reader_id, body.role, f"looked by {body.method}", body.subject_id or "everybody")


def _announced(_event: events_pb.Event, body: events_pb.PolicyAnnounced) -> Iterator[Act]:
    yield Act(body.operator_id, OPERATOR, "announced a policy", body.policy.name)


def _policy_set(event: events_pb.Event, body: events_pb.PolicySet) -> Iterator[Act]:
    if event.HasField("request"):
        yield Act(body.operator_id, OPERATOR, "set a policy", body.policy.name)


def _zones_set(event: events_pb.Event, body: events_pb.ZonesSet) -> Iterator[Act]:
    if event.HasField("request"):
        yield Act(body.operator_id, OPERATOR, "set the zones", f"{len(body.geojson)} bytes of GeoJSON")


def _quarantined(_event: events_pb.Event, body: events_pb.SubjectQuarantined) -> Iterator[Act]:
    kind = types_pb.SubjectKind.Name(body.kind).removeprefix("SUBJECT_KIND_").lower()
    yield Act(body.operator_id, OPERATOR, f"quarantined: {body.reason}", f"{kind} {body.subject_id}".strip())


def _blocked(_event: events_pb.Event, body: events_pb.PairBlocked) -> Iterator[Act]:
    did = "kept apart" if body.blocked else "let meet again"
    people = body.client_id, body.courier_id
    yield Act(body.operator_id, OPERATOR, f"{did}: {body.reason}", ", ".join(people), people)


def _review_opened(_event: events_pb.Event, body: events_pb.ReviewOpened) -> Iterator[Act]:
    """An act where an operator asked for the review; none where a rule or a person contested a decision."""
    if body.review.kind == transparency_pb.REVIEW_KIND_STANDING:
        for opener in deciders(body.review)[:1]:
            yield Act(opener, OPERATOR, "asked for a review", body.review.subject_id)


def _review_claimed(_event: events_pb.Event, body: events_pb.ReviewClaimed) -> Iterator[Act]:
    yield Act(body.reviewer_id, REVIEWER, "claimed a review", body.review_id)


def _opinion_given(_event: events_pb.Event, body: events_pb.ReviewOpinionGiven) -> Iterator[Act]:
    outcome = transparency_pb.ReviewOutcome.Name(body.opinion.outcome).removeprefix("REVIEW_OUTCOME_").lower()
    yield Act(body.opinion.reviewer_id, REVIEWER, f"gave an opinion: {outcome}", body.review_id)


def _standing_changed(_event: events_pb.Event, body: events_pb.StandingChanged) -> Iterator[Act]:
    if body.change.decided_by:
        level = policy_pb.StandingLevel.Name(body.change.after).removeprefix("STANDING_LEVEL_").lower()
        role = OPERATOR if body.change.after == policy_pb.STANDING_LEVEL_UNDER_REVIEW else REVIEWER
        for person_id in deciders(body.change):
            yield Act(person_id, role, f"set a standing: {level}", body.change.person_id)


_ACTS: dict[str, Callable[[events_pb.Event, Any], Iterator[Act]]] = complete(
    {
        "data_accessed": _accessed,
        "policy_announced": _announced,
        "policy_set": _policy_set,
        "zones_set": _zones_set,
        "subject_quarantined": _quarantined,
        "pair_blocked": _blocked,
        "review_opened": _review_opened,
        "review_claimed": _review_claimed,
        "review_opinion_given": _opinion_given,
        "standing_changed": _standing_changed,
    },
    bodies_for(Use.AUDIT),
    "acts of operators and reviewers by the event that notes them",
)
