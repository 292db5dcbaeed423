"""Take a person out of records: their id becomes a pseudonym, their words are removed, and no other person changes.

Amounts, times, positions and sequences stay, so that the ledger balances and every decision can still be recomputed.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, TypeVar

from google.protobuf.message import Message

from dispatcher.complete import complete
from dispatcher.event_kinds import DERIVED, EVENT_KINDS, UNNAMED, reader
from dispatcher.messages import parts
from gig.v1 import courier_service_pb2 as courier_pb
from gig.v1 import events_pb2 as events_pb
from gig.v1 import job_pb2 as job_pb
from gig.v1 import offer_pb2 as offer_pb
from gig.v1 import rating_service_pb2 as rating_pb
from gig.v1 import snapshot_pb2 as snapshot_pb
from gig.v1 import transparency_service_pb2 as transparency_pb
from gig.v1 import types_pb2 as types_pb

# Fields of the contract that name people; no other field changes.
NAMES_PEOPLE = frozenset(
    {
        "client_id",
        "courier_id",
        "rater_id",
        "rated_id",
        "person_id",
        "reader_id",
        "reviewer_id",
        "operator_id",
        "holder_id",
        "subject_id",
        "decided_by",
        "decided_by_ids",
        "party_ids",
        "claimed_by",
        # Of a request on an old log: actor:request_id.
        "key",
    }
)
# Ids hold neither spaces nor commas: a field of several names is split here and nowhere else.
SEPARATOR = ", "
# The operator of a market's first policy and zones, which is no person, and the last sequence of these events.
OPENING, LAST_OF_OPENING = "opening", 3

# Subjects of a quarantine that are identified by a person's id.
KINDS_OF_PEOPLE = frozenset(
    {
        types_pb.SUBJECT_KIND_COURIER,
        types_pb.SUBJECT_KIND_CLIENT,
        types_pb.SUBJECT_KIND_STANDING,
        types_pb.SUBJECT_KIND_QUEUE_PLACE,
        types_pb.SUBJECT_KIND_PAY_PERIOD,
        types_pb.SUBJECT_KIND_NUDGE,
    }
)

Record = TypeVar("Record", bound=Message)


@dataclass(frozen=True, slots=True)
class Erased:
    """``job_ids``: the jobs that the person asked for as a client. ``others``: people whose ids begin with this
    person's id and a colon; an old request key of theirs begins like one of this person's."""

    person_id: str
    pseudonym: str
    job_ids: frozenset[str]
    others: frozenset[str] = frozenset()

    def renamed(self, person_id: str) -> str:
        return self.pseudonym if person_id == self.person_id else person_id


def redacted(record: Record, erased: Erased) -> Record:
    """Change the record in place, and return it: no field of it names the person."""
    if isinstance(record, events_pb.Event):
        _redact_request(record, erased)
        if _is_opening(record):
            return record
    _forget_words(record, erased)
    if isinstance(record, snapshot_pb.RecentRequest):
        _redact_kept_request(record, erased)
    for part in parts(record):
        if not isinstance(part, events_pb.Request):
            redacted(part, erased)
    for field, value in record.ListFields():
        if field.name not in NAMES_PEOPLE or _is_thing(record, field.name):
            continue
        if field.is_repeated:
            value[:] = sorted(map(erased.renamed, value)) if field.name == "party_ids" else map(erased.renamed, value)
        else:
            setattr(record, field.name, SEPARATOR.join(map(erased.renamed, value.split(SEPARATOR))))
    return record


def people_in(record: Message) -> Iterator[str]:
    """Yield the ids of the people whom a record names, in any depth, with repetitions."""
    for part in parts(record):
        if not isinstance(part, events_pb.Request):
            yield from people_in(part)
    for field, value in record.ListFields():
        if field.name in NAMES_PEOPLE and not _is_thing(record, field.name):
            yield from value if field.is_repeated else value.split(SEPARATOR)


def _is_thing(record: Message, field: str) -> bool:
    """Return whether the field is the subject of a quarantine, and the subject is no person."""
    return (
        field == "subject_id"
        and isinstance(record, events_pb.EventSkipped | events_pb.SubjectQuarantined)
        and record.kind not in KINDS_OF_PEOPLE
    )


def _is_opening(event: events_pb.Event) -> bool:
    body = event.WhichOneof("body")
    return (
        event.sequence <= LAST_OF_OPENING
        and body in ("policy_set", "zones_set")
        and not event.HasField("request")
        and getattr(event, body).operator_id == OPENING
    )


# --- requests: who made them, and what they were about, follows from their event


def _redact_request(event: events_pb.Event, erased: Erased) -> None:
    if not event.HasField("request"):
        return
    request = event.request
    if request.key.startswith(f"{erased.person_id}:") and _actor(event, request.key, erased) == erased.person_id:
        request.key = erased.pseudonym + request.key[len(erased.person_id) :]
    if request.subject_id == erased.person_id and _subject_is_person(event):
        request.subject_id = erased.pseudonym


def _redact_kept_request(kept: snapshot_pb.RecentRequest, erased: Erased) -> None:
    """Redact a request without its event. An old key stays where its caller is not certain."""
    actor, _, request_id = kept.request.key.rpartition(":")
    if actor == erased.person_id:
        kept.request.key = f"{erased.pseudonym}:{request_id}"
    if kept.kind in _ABOUT_PEOPLE or not kept.kind:
        kept.request.subject_id = erased.renamed(kept.request.subject_id)


def _actor(event: events_pb.Event, key: str, erased: Erased) -> str:
    """Return who made the call of an old request key. Where the event names nobody, the longest known id counts."""
    body = event.WhichOneof("body")
    author = EVENT_KINDS[body].author
    if author == DERIVED:
        return _AUTHORS[body](getattr(event, body), erased)
    if author != UNNAMED:
        return reader(author)(getattr(event, body))[0]
    known = (name for name in (erased.person_id, *erased.others) if key.startswith(f"{name}:"))
    return max(known, key=len)


def _canceller(body: events_pb.JobCancelled, erased: Erased) -> str:
    if body.by != job_pb.ACTOR_CLIENT:
        return str(body.courier_id)
    return erased.person_id if body.job_id in erased.job_ids else ""


def _opener(body: events_pb.ReviewOpened, _erased: Erased) -> str:
    review = body.review
    if review.kind == transparency_pb.REVIEW_KIND_STANDING:
        return str(review.decided_by.split(SEPARATOR)[0])
    return str(review.subject_id)


_AUTHORS: dict[str, Callable[[Any, Erased], str]] = complete(
    {"job_cancelled": _canceller, "review_opened": _opener},
    (body for body, kind in EVENT_KINDS.items() if kind.author == DERIVED),
    "functions that derive who made the call of an event",
)
_ABOUT_PEOPLE = frozenset(body for body, kind in EVENT_KINDS.items() if kind.about_person)
_ANSWERS = (courier_pb.OFFER_OUTCOME_ACCEPTED, courier_pb.OFFER_OUTCOME_DECLINED)


def _subject_is_person(event: events_pb.Event) -> bool:
    """The end of a shift withdraws offers and releases jobs; an answer and a release are about an offer and a job."""
    body = event.WhichOneof("body")
    if body == "offer_answered":
        return event.offer_answered.outcome not in _ANSWERS
    if body == "job_released":
        return bool(event.request.subject_id != event.job_released.job_id)
    return body in _ABOUT_PEOPLE


# --- words


def _forget_words(record: Message, erased: Erased) -> None:
    """Remove what the person wrote: names of places, comments, reasons, statements."""
    who = erased.person_id
    match record:
        case job_pb.Job() if record.client_id == who:
            _clear(record.spec.pickup, "label")
            _clear(record.spec.dropoff, "label")
            _clear(record, "end_reason")
        case offer_pb.OfferedJob() if record.job_id in erased.job_ids:
            _clear(record.pickup, "label")
        case events_pb.JobCancelled() if record.job_id in erased.job_ids or record.courier_id == who:
            _clear(record, "reason")
        case rating_pb.Rating() if record.rater_id == who:
            _clear(record, "comment")
        case events_pb.ReviewStatementAdded() if record.person_id == who:
            _clear(record, "statement")
        case transparency_pb.Review() if record.subject_id == who:
            _clear(record, "statement")
        case (
            events_pb.OfferAnswered()
            | events_pb.JobReleased()
            | events_pb.JobFailed()
            | events_pb.CourierOffline()
            | events_pb.CourierClosing()
        ) if record.courier_id == who:
            _clear(record, "reason")


def _clear(record: Any, field: str) -> None:
    if getattr(record, field):
        record.ClearField(field)
