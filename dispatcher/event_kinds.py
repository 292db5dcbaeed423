"""What each kind of event is about and which parts of the system must handle it, one row for each kind.

Start here to add an event: a kind without a row, and a use without its handler, fail at import.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import Flag
from functools import cache
from operator import attrgetter
from typing import Any

from dispatcher.complete import IncompleteTable, complete
from gig.v1 import events_pb2 as events_pb
from gig.v1 import types_pb2 as types_pb

_FIELDS = events_pb.Event.DESCRIPTOR.oneofs_by_name["body"].fields
# The kinds of events in the contract: the names of the bodies that an event may have.
BODIES: tuple[str, ...] = tuple(field.name for field in _FIELDS)
# The author of an event that does not name the person who made the call, and of most events that follow from no call.
UNNAMED = ""
# The author is not a field: dispatcher/redaction.py derives it.
DERIVED = "(derived)"

_CLIENT = types_pb.SUBJECT_KIND_CLIENT
_COURIER = types_pb.SUBJECT_KIND_COURIER
_JOB = types_pb.SUBJECT_KIND_JOB
_MARKET = types_pb.SUBJECT_KIND_MARKET
_NUDGE = types_pb.SUBJECT_KIND_NUDGE
_OFFER = types_pb.SUBJECT_KIND_OFFER
_PAY_PERIOD = types_pb.SUBJECT_KIND_PAY_PERIOD
_POLICY = types_pb.SUBJECT_KIND_POLICY
_QUEUE_PLACE = types_pb.SUBJECT_KIND_QUEUE_PLACE
_RATING = types_pb.SUBJECT_KIND_RATING
_REVIEW = types_pb.SUBJECT_KIND_REVIEW
_ROUND = types_pb.SUBJECT_KIND_ROUND
_STANDING = types_pb.SUBJECT_KIND_STANDING
_SURGE = types_pb.SUBJECT_KIND_SURGE
_ZONES = types_pb.SUBJECT_KIND_ZONES


class Use(Flag):
    """A part of the system that must handle a kind of event, by a table of its own."""

    NONE = 0
    # dispatcher/measures/fold.py counts it.
    MEASURES = 1
    # dispatcher/decisions explains the decision that it holds.
    DECISIONS = 2
    # dispatcher/log/projections.py writes rows beside those for its jobs, pay, activity and decisions.
    TABLES = 4
    # dispatcher/event_subjects.py finds the couriers whose activity it may change.
    ACTIVITY = 8
    # dispatcher/log/audit.py reports it as an act of an operator or reviewer.
    AUDIT = 16
    # dispatcher/log/retention.py rewrites its positions, which are not Position messages.
    POSITIONS = 32
    # services/host/applied.py finds the courier whose plan it changes, and whose stream gets plan and jobs.
    PLAN = 64
    # services/host/courier_messages.py makes the message of its own that a courier's stream gets.
    STREAM = 128


@dataclass(frozen=True, slots=True)
class EventKind:
    """What a kind of event is about. Paths lead from the body to a field, such as ``job.job_id``.

    ``subject``: what to quarantine where an event cannot be applied, the smallest subject that contains its effect.
    ``subject_id``: path of its id; empty where the event's sequence identifies it. ``author``: path of the id of the
    person who makes the call, UNNAMED or DERIVED. ``jobs``: path of the ids of its jobs, with ``[]`` behind a repeated
    field; empty where it is about no job. ``about_person``: the subject of the call's request is a person.
    """

    subject: types_pb.SubjectKind
    subject_id: str
    author: str
    uses: Use
    jobs: str = ""
    about_person: bool = False


def bodies_for(use: Use) -> dict[str, EventKind]:
    """Return the kinds of events that a part of the system must handle."""
    return {body: kind for body, kind in EVENT_KINDS.items() if use in kind.uses}


def bodies_with(field: str) -> frozenset[str]:
    """Return the kinds of events whose body has a field of this name."""
    return frozenset(body.name for body in _FIELDS if field in body.message_type.fields_by_name)


@cache
def reader(path: str) -> Callable[[Any], list[str]]:
    """Return a function that reads the values at a path of ``EventKind`` from a body."""
    head, repeated, tail = path.partition("[]")
    read = attrgetter(head)
    if not repeated:
        return lambda body: [read(body)]
    if not tail:
        return lambda body: list(read(body))
    part = attrgetter(tail.removeprefix("."))
    return lambda body: [part(one) for one in read(body)]


# The progress of a job in a courier's hands.
_PROGRESS = Use.ACTIVITY | Use.PLAN
EVENT_KINDS: dict[str, EventKind] = complete(
    {
        "market_opened": EventKind(_MARKET, "", UNNAMED, Use.MEASURES),
        "market_resumed": EventKind(_MARKET, "", UNNAMED, Use.NONE),
        "event_skipped": EventKind(_MARKET, "", UNNAMED, Use.POSITIONS),
        "subject_quarantined": EventKind(
            _MARKET, "", "operator_id", Use.MEASURES | Use.ACTIVITY | Use.AUDIT, jobs="jobs[].job_id"
        ),
        "policy_set": EventKind(_POLICY, "policy.name", "operator_id", Use.MEASURES | Use.AUDIT),
        "policy_announced": EventKind(_POLICY, "policy.name", "operator_id", Use.AUDIT),
        "zones_set": EventKind(_ZONES, "", "operator_id", Use.MEASURES | Use.AUDIT),
        "pair_blocked": EventKind(_CLIENT, "client_id", "operator_id", Use.AUDIT, about_person=True),
        "job_quoted": EventKind(_JOB, "job.job_id", "job.client_id", Use.MEASURES | Use.DECISIONS, jobs="job.job_id"),
        "job_placed": EventKind(_JOB, "job.job_id", "job.client_id", Use.MEASURES | Use.DECISIONS, jobs="job.job_id"),
        "job_queued": EventKind(_JOB, "job_id", UNNAMED, Use.MEASURES, jobs="job_id"),
        "job_expired": EventKind(_JOB, "job_id", UNNAMED, Use.MEASURES, jobs="job_id"),
        "job_cancelled": EventKind(_JOB, "job_id", DERIVED, Use.MEASURES | Use.DECISIONS | _PROGRESS, jobs="job_id"),
        "job_released": EventKind(_JOB, "job_id", "courier_id", Use.MEASURES | _PROGRESS, jobs="job_id"),
        "job_failed": EventKind(
            _JOB,
            "job_id",
            "courier_id",
            Use.MEASURES | Use.DECISIONS | _PROGRESS | Use.STREAM,
            jobs="job_id",
        ),
        "courier_arrived": EventKind(_JOB, "job_id", "courier_id", Use.MEASURES | _PROGRESS, jobs="job_id"),
        "job_picked_up": EventKind(_JOB, "job_id", "courier_id", Use.MEASURES | _PROGRESS, jobs="job_id"),
        "job_completed": EventKind(_JOB, "job_id", "courier_id", Use.MEASURES | _PROGRESS, jobs="job_id"),
        "contact_lost": EventKind(_COURIER, "courier_id", UNNAMED, Use.NONE),
        "contact_regained": EventKind(_COURIER, "courier_id", UNNAMED, Use.NONE),
        "progress_flagged": EventKind(_JOB, "flag.job_id", UNNAMED, Use.MEASURES | Use.DECISIONS | Use.STREAM),
        "courier_online": EventKind(
            _COURIER, "courier_id", "courier_id", Use.MEASURES | Use.ACTIVITY | Use.POSITIONS, about_person=True
        ),
        "courier_closing": EventKind(_COURIER, "courier_id", "courier_id", Use.NONE, about_person=True),
        "courier_offline": EventKind(
            _COURIER, "courier_id", "courier_id", Use.MEASURES | Use.ACTIVITY | Use.STREAM, about_person=True
        ),
        "courier_destination_set": EventKind(_COURIER, "courier_id", "courier_id", Use.NONE, about_person=True),
        "courier_clock_estimated": EventKind(_COURIER, "courier_id", "courier_id", Use.NONE, about_person=True),
        "queue_joined": EventKind(_QUEUE_PLACE, "courier_id", "courier_id", Use.MEASURES, about_person=True),
        "queue_left": EventKind(_QUEUE_PLACE, "courier_id", "courier_id", Use.MEASURES, about_person=True),
        "nudge_sent": EventKind(_NUDGE, "nudge.courier_id", UNNAMED, Use.MEASURES | Use.STREAM),
        "nudge_closed": EventKind(_NUDGE, "courier_id", "courier_id", Use.MEASURES, about_person=True),
        "round_settled": EventKind(_ROUND, "", UNNAMED, Use.MEASURES | Use.POSITIONS),
        "surge_updated": EventKind(_SURGE, "", UNNAMED, Use.MEASURES),
        "offer_made": EventKind(
            _OFFER, "offer.offer_id", UNNAMED, Use.MEASURES | Use.DECISIONS | Use.STREAM, jobs="offer.jobs[].job_id"
        ),
        "offer_answered": EventKind(
            _OFFER, "offer_id", "courier_id", Use.MEASURES | _PROGRESS | Use.STREAM, jobs="job_ids[]"
        ),
        "period_settled": EventKind(_PAY_PERIOD, "courier_id", "courier_id", Use.MEASURES, about_person=True),
        "job_rated": EventKind(
            _RATING, "rating.job_id", "rating.rater_id", Use.MEASURES | Use.TABLES | Use.DECISIONS, jobs="rating.job_id"
        ),
        "rating_revised": EventKind(
            _RATING, "rating.job_id", UNNAMED, Use.MEASURES | Use.TABLES | Use.DECISIONS | Use.STREAM
        ),
        "tip_added": EventKind(_RATING, "job.job_id", "job.client_id", Use.MEASURES, jobs="job.job_id"),
        "review_opened": EventKind(_REVIEW, "review.review_id", DERIVED, Use.MEASURES | Use.TABLES | Use.AUDIT),
        "review_statement_added": EventKind(_REVIEW, "review_id", "person_id", Use.NONE),
        "review_claimed": EventKind(_REVIEW, "review_id", "reviewer_id", Use.MEASURES | Use.AUDIT),
        "review_opinion_given": EventKind(
            _REVIEW, "review_id", "opinion.reviewer_id", Use.MEASURES | Use.TABLES | Use.AUDIT
        ),
        "review_decided": EventKind(
            _REVIEW, "review.review_id", UNNAMED, Use.MEASURES | Use.TABLES | Use.DECISIONS | Use.STREAM
        ),
        "standing_changed": EventKind(
            _STANDING, "change.person_id", "change.decided_by", Use.MEASURES | Use.DECISIONS | Use.AUDIT | Use.STREAM
        ),
        "person_erased": EventKind(_MARKET, "", UNNAMED, Use.NONE),
        "erasure_completed": EventKind(_MARKET, "", UNNAMED, Use.NONE),
        "data_accessed": EventKind(_MARKET, "", "reader_id", Use.TABLES | Use.AUDIT),
    },
    BODIES,
    "kinds of events (dispatcher/event_kinds.py)",
)


def _check_paths() -> None:
    """Raise IncompleteTable where a row names a field that its body does not have."""
    for field in _FIELDS:
        kind = EVENT_KINDS[field.name]
        for path in {kind.subject_id, kind.author, kind.jobs} - {UNNAMED, DERIVED}:
            message = field.message_type
            for name in path.split("."):
                part = None if message is None else message.fields_by_name.get(name.removesuffix("[]"))
                if part is None or part.is_repeated != name.endswith("[]"):
                    raise IncompleteTable(f"The row of {field.name} names {path!r}: its body has no such field.")
                message = part.message_type


_check_paths()
