"""Take a person out of records: their id becomes a pseudonym, their words are removed, and no other person changes.

Amounts, times, positions and sequences stay, so that the ledger balances and every decision can still be recomputed.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, TypeVar

from google.protobuf.descriptor import Descriptor
from google.protobuf.message import Message

from dispatcher.complete import complete, numbers_of
from dispatcher.event_kinds import DERIVED, EVENT_KINDS, UNNAMED, reader
from dispatcher.messages import fields_below, parts
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
# Fields of the contract that hold what people write. _WORDS says for each message of the log whose words they are.
HOLDS_WORDS = frozenset({"reason", "end_reason", "statement", "answer", "comment", "label"})
# Every other text on the log and in a snapshot: ids of things, names of settings, words of the market itself.
NAMES_NO_ONE = complete(
    frozenset(
        {
            *("job_id", "offer_id", "nudge_id", "review_id", "market_id", "chosen_for_job_id"),
            *("decision_id", "price_decision_id", "surge_decision_id", "not_offered_decision_id"),
            *("job_ids", "queued_job_ids", "direct_job_ids", "set_aside_job_ids", "truncated_job_ids"),
            *("fault_reason", "excluded_because", "rule", "kind", "role", "method", "pseudonym"),
            *("name", "description", "parameter", "source", "tag", "tags", "skills", "network", "currency_code"),
            *("zone", "cell", "destination_area", "geojson", "zones_geojson"),
        }
    ),
    {
        field.name
        for field in fields_below(events_pb.Event.DESCRIPTOR, snapshot_pb.MarketSnapshot.DESCRIPTOR)
        if field.type == field.TYPE_STRING
    },
    "text fields that name nobody, for the erasure of people",
    without=NAMES_PEOPLE | HOLDS_WORDS,
)
# Ids hold neither spaces nor commas: a field of several names is split here and nowhere else.
SEPARATOR = ", "
# The operator of a market's first policy and zones, which is no person, and the last sequence of these events.
OPENING, LAST_OF_OPENING = "opening", 3

# Subjects of a quarantine that are identified by a person's id.
KINDS_OF_PEOPLE = complete(
    frozenset(
        {
            types_pb.SUBJECT_KIND_COURIER,
            types_pb.SUBJECT_KIND_CLIENT,
            types_pb.SUBJECT_KIND_STANDING,
            types_pb.SUBJECT_KIND_QUEUE_PLACE,
            types_pb.SUBJECT_KIND_PAY_PERIOD,
            types_pb.SUBJECT_KIND_NUDGE,
        }
    ),
    numbers_of(types_pb.SubjectKind),
    "subjects of a quarantine that are people",
    without={
        types_pb.SUBJECT_KIND_JOB,
        types_pb.SUBJECT_KIND_OFFER,
        types_pb.SUBJECT_KIND_ROUND,
        types_pb.SUBJECT_KIND_RATING,
        types_pb.SUBJECT_KIND_REVIEW,
        types_pb.SUBJECT_KIND_POLICY,
        types_pb.SUBJECT_KIND_SURGE,
        types_pb.SUBJECT_KIND_ZONES,
        types_pb.SUBJECT_KIND_MARKET,
    },
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


@dataclass(frozen=True, slots=True)
class _Words:
    """What a person wrote in a message. ``paths``: of its fields; ``are_theirs``: whether the erased person did."""

    paths: tuple[str, ...]
    are_theirs: Callable[[Any, Erased], bool]


def _of_client(job: job_pb.Job, erased: Erased) -> bool:
    return bool(job.client_id == erased.person_id)


def _of_courier(body: Any, erased: Erased) -> bool:
    return bool(body.courier_id == erased.person_id)


def _of_job(offered: offer_pb.OfferedJob, erased: Erased) -> bool:
    return offered.job_id in erased.job_ids


def _of_either_side(body: events_pb.JobCancelled, erased: Erased) -> bool:
    return body.job_id in erased.job_ids or body.courier_id == erased.person_id


def _of_rater(rating: rating_pb.Rating, erased: Erased) -> bool:
    return bool(rating.rater_id == erased.person_id)


def _of_person(body: events_pb.ReviewStatementAdded, erased: Erased) -> bool:
    return bool(body.person_id == erased.person_id)


def _of_subject(review: transparency_pb.Review, erased: Erased) -> bool:
    return bool(review.subject_id == erased.person_id)


_WORDS: dict[type[Any], _Words] = {
    job_pb.Job: _Words(("spec.pickup.label", "spec.dropoff.label", "end_reason"), _of_client),
    offer_pb.OfferedJob: _Words(("pickup.label",), _of_job),
    events_pb.JobCancelled: _Words(("reason",), _of_either_side),
    events_pb.OfferAnswered: _Words(("reason",), _of_courier),
    events_pb.JobReleased: _Words(("reason",), _of_courier),
    events_pb.JobFailed: _Words(("reason",), _of_courier),
    events_pb.CourierOffline: _Words(("reason",), _of_courier),
    events_pb.CourierClosing: _Words(("reason",), _of_courier),
    rating_pb.Rating: _Words(("comment",), _of_rater),
    events_pb.ReviewStatementAdded: _Words(("statement",), _of_person),
    transparency_pb.Review: _Words(("statement",), _of_subject),
}


def _spot(message: Descriptor, path: str) -> str:
    """Return the field at the end of a path as Message.field, or as Message.field.label for the label of a place."""
    *way, last = path.split(".")
    spot = message.name
    for name in way:
        spot = f"{message.name}.{name}"
        message = message.fields_by_name[name].message_type
    return f"{spot if message is types_pb.Place.DESCRIPTOR else message.name}.{last}"


def _spots_of_words() -> Iterator[str]:
    """Yield every field of the log that holds what people write, as ``_spot`` names it."""
    for field in fields_below(events_pb.Event.DESCRIPTOR):
        message = field.containing_type
        if field.message_type is types_pb.Place.DESCRIPTOR:
            yield f"{message.name}.{field.name}.label"
        elif field.name in HOLDS_WORDS and field.type == field.TYPE_STRING and message is not types_pb.Place.DESCRIPTOR:
            yield f"{message.name}.{field.name}"


complete(
    {_spot(message.DESCRIPTOR, path) for message, words in _WORDS.items() for path in words.paths},
    _spots_of_words(),
    "words that the erasure of a person removes",
    without={
        # The market's own words.
        *("JobExpired.reason", "QueueLeft.reason"),
        # The reasons of operators and reviewers for what they decide about others stay with the decision.
        *("EmergencyCap.reason", "PairBlocked.reason", "RatingRevised.reason", "Review.answer"),
        *("ReviewOpinion.reason", "StandingChange.reason", "SubjectQuarantined.reason"),
    },
)


def _forget_words(record: Message, erased: Erased) -> None:
    """Remove what the person wrote: names of places, comments, reasons, statements."""
    words = _WORDS.get(type(record))
    if words is None or not words.are_theirs(record, erased):
        return
    for path in words.paths:
        holder: Any = record
        *way, last = path.split(".")
        for name in way:
            holder = getattr(holder, name)
        if getattr(holder, last):
            holder.ClearField(last)
