"""Which decisions an event holds, and about whom."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from dispatcher.complete import complete
from dispatcher.event_kinds import Use, bodies_for
from gig.v1 import events_pb2 as events_pb
from gig.v1 import job_pb2 as job_pb
from gig.v1 import offer_pb2 as offer_pb
from gig.v1 import policy_pb2 as policy_pb
from gig.v1 import rating_service_pb2 as rating_pb
from gig.v1 import transparency_service_pb2 as pb
from gig.v1 import types_pb2 as types_pb

OFFER, PRICE, SURGE = pb.DECISION_KIND_OFFER, pb.DECISION_KIND_PRICE, pb.DECISION_KIND_SURGE
SCORE, STANDING = pb.DECISION_KIND_SCORE, pb.DECISION_KIND_STANDING
EXCLUSION, CONTEST = pb.DECISION_KIND_EXCLUSION, pb.DECISION_KIND_CONTEST
FLAG = pb.DECISION_KIND_FLAG


@dataclass(frozen=True, slots=True)
class DecisionKey:
    """A decision about one person. A price has the same id for the client and for each courier who was offered it.

    ``compared``: an offer, for somebody who was compared with its courier and not chosen.
    """

    person_id: str
    decision_id: str
    kind: pb.DecisionKind
    job_id: str = ""
    compared: bool = False


def decisions_of(event: events_pb.Event) -> list[DecisionKey]:
    """In the order in which they were made."""
    body = event.WhichOneof("body")
    find = _FIND.get(body)
    return [] if find is None else list(find(getattr(event, body), event.sequence))


def _quoted(body: events_pb.JobQuoted, _sequence: int) -> Iterator[DecisionKey]:
    yield from _priced(body.job.client_id, body.job)


def _placed(body: events_pb.JobPlaced, _sequence: int) -> Iterator[DecisionKey]:
    if not body.job.HasField("quote_expire_time"):  # else it keeps the price of its quote
        yield from _priced(body.job.client_id, body.job)


def _priced(person_id: str, job: job_pb.Job) -> Iterator[DecisionKey]:
    yield DecisionKey(person_id, _price_id(job), PRICE, job.job_id)
    if job.HasField("surge"):
        yield DecisionKey(person_id, _surge_id(job), SURGE, job.job_id)


def _price_id(priced: job_pb.Job | offer_pb.OfferedJob) -> str:
    """Return the id on the log; earlier versions derived it from the job's, as below."""
    return priced.price_decision_id or f"price:{priced.job_id}"


def _surge_id(priced: job_pb.Job | offer_pb.OfferedJob) -> str:
    return priced.surge_decision_id or f"surge:{priced.job_id}"


def _offered(body: events_pb.OfferMade, _sequence: int) -> Iterator[DecisionKey]:
    offer = body.offer
    yield DecisionKey(offer.courier_id, offer.offer_id, OFFER, offer.jobs[0].job_id)
    for offered in offer.jobs:
        yield DecisionKey(offer.courier_id, _price_id(offered), PRICE, offered.job_id)
        if any(line.kind == types_pb.PRICE_LINE_KIND_SURGE for line in offered.pay.lines):
            yield DecisionKey(offer.courier_id, _surge_id(offered), SURGE, offered.job_id)
    decision_id = offer.reason.not_offered_decision_id or f"not-offered:{offer.offer_id}"
    for other in offer.reason.alternatives:
        yield DecisionKey(other.courier_id, decision_id, OFFER, offer.jobs[0].job_id, compared=True)


def _cancelled(body: events_pb.JobCancelled, sequence: int) -> Iterator[DecisionKey]:
    """Who was at fault, and what followed for whom."""
    people = dict.fromkeys(leg.holder_id for leg in body.postings.legs if leg.holder_id)
    decision_id = body.decision_id or f"cancellation:{sequence}"
    for person_id in people:
        yield DecisionKey(person_id, decision_id, PRICE, body.job_id)


def _lost(body: events_pb.JobFailed, _sequence: int) -> Iterator[DecisionKey]:
    """The end of a job for lost contact: a decision about the courier, and about the client where a fare is charged."""
    if body.decision_id:
        holders = (leg.holder_id for leg in body.postings.legs if leg.holder_id)
        for person_id in dict.fromkeys((body.courier_id, *holders)):
            yield DecisionKey(person_id, body.decision_id, PRICE, body.job_id)


def _rated(body: events_pb.JobRated | events_pb.RatingRevised, _sequence: int) -> Iterator[DecisionKey]:
    rating: rating_pb.Rating = body.rating
    kind = SCORE if rating.cause == policy_pb.EXCLUSION_CAUSE_UNSPECIFIED else EXCLUSION
    yield DecisionKey(rating.rated_id, rating.decision_id, kind, rating.job_id)


def _standing(body: events_pb.StandingChanged, _sequence: int) -> Iterator[DecisionKey]:
    yield DecisionKey(body.change.person_id, body.decision_id, STANDING)


def _answered(body: events_pb.ReviewDecided, sequence: int) -> Iterator[DecisionKey]:
    if body.review.kind == pb.REVIEW_KIND_CONTEST:
        decision_id = body.decision_id or f"contest:{sequence}"
        yield DecisionKey(body.review.subject_id, decision_id, CONTEST, body.review.job_id)


def _flagged(body: events_pb.ProgressFlagged, _sequence: int) -> Iterator[DecisionKey]:
    yield DecisionKey(body.flag.courier_id, body.decision_id, FLAG, body.flag.job_id)


_FIND: dict[str, Callable[..., Iterator[DecisionKey]]] = complete(
    {
        "job_quoted": _quoted,
        "job_placed": _placed,
        "offer_made": _offered,
        "job_cancelled": _cancelled,
        "job_failed": _lost,
        "job_rated": _rated,
        "rating_revised": _rated,
        "standing_changed": _standing,
        "review_decided": _answered,
        "progress_flagged": _flagged,
    },
    bodies_for(Use.DECISIONS),
    "decisions that events hold",
)
