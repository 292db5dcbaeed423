"""The messages that an event causes on the streams of couriers."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from dispatcher.complete import complete
from dispatcher.decisions import sentences
from dispatcher.decisions.privacy import offer_for_courier
from dispatcher.event_kinds import Use, bodies_for
from dispatcher.market.plausibility import FLAG_FOLLOWS, flag_sentence
from dispatcher.pay.ledger import courier_amount
from gig.v1 import courier_service_pb2 as courier_pb
from gig.v1 import events_pb2 as events_pb
from services.host.applied import Applied

# An event causes at most this many messages, numbered sequence * SPREAD + 0, 1, ...
SPREAD = 8

Message = courier_pb.ConnectResponse
# The id of the courier, and the message without its number; None where the event of this kind causes none.
Addressed = tuple[str, Message] | None


def messages(applied: Applied) -> Iterator[tuple[str, Message]]:
    """Yield the messages that an event causes, each with the id of its courier."""
    number = applied.event.sequence * SPREAD
    make = _MESSAGES.get(applied.kind)
    made = None if make is None else make(getattr(applied.event, applied.kind))
    if made is not None:
        courier_id, message = made
        message.number = number
        yield courier_id, message
    courier = applied.courier
    if courier is not None:
        for place, job in enumerate(applied.jobs, start=1):
            yield courier.courier_id, Message(number=number + place, job=job)
        yield courier.courier_id, Message(number=number + SPREAD - 1, courier=courier)


def _offer(body: events_pb.OfferMade) -> Addressed:
    return body.offer.courier_id, Message(offer=offer_for_courier(body.offer))


def _offer_closed(body: events_pb.OfferAnswered) -> Addressed:
    closed = courier_pb.OfferClosed(offer_id=body.offer_id, outcome=body.outcome, reason=body.reason)
    return body.courier_id, Message(offer_closed=closed)


def _job_failed(body: events_pb.JobFailed) -> Addressed:
    """A notice where the market ended the job for lost contact, which is a decision about the courier."""
    if not body.decision_id:
        return None
    amount = courier_amount(body.postings, body.courier_id)
    text = f"{sentences.lost_contact(body, amount)} To contest it, call ContestDecision."
    return body.courier_id, Message(notice=courier_pb.Notice(text=text, decision_id=body.decision_id))


def _standing_changed(body: events_pb.StandingChanged) -> Addressed:
    text = f"{sentences.standing(body.change)} To contest it, call ContestDecision."
    notice = courier_pb.Notice(text=text, decision_id=body.decision_id, contest_by_time=body.contest_by_time)
    return body.change.person_id, Message(notice=notice)


def _rating_revised(body: events_pb.RatingRevised) -> Addressed:
    text = f"A human has looked at the rating of job {body.rating.job_id}: {body.reason}"
    return body.rating.rated_id, Message(notice=courier_pb.Notice(text=text, decision_id=body.rating.decision_id))


def _progress_flagged(body: events_pb.ProgressFlagged) -> Addressed:
    text = f"{flag_sentence(body.flag)} {FLAG_FOLLOWS} To add what you have to say, call ContestDecision."
    return body.flag.courier_id, Message(notice=courier_pb.Notice(text=text, decision_id=body.decision_id))


def _review_decided(body: events_pb.ReviewDecided) -> Addressed:
    review = body.review
    notice = courier_pb.Notice(text=sentences.answer(review), decision_id=review.decision_id)
    return review.subject_id, Message(notice=notice)


def _nudge(body: events_pb.NudgeSent) -> Addressed:
    notice = courier_pb.Notice(text=sentences.nudge(body.nudge), nudge=body.nudge)
    return body.nudge.courier_id, Message(notice=notice)


def _offline(body: events_pb.CourierOffline) -> Addressed:
    return body.courier_id, Message(notice=courier_pb.Notice(text="You are offline now."))


_MESSAGES: dict[str, Callable[[Any], Addressed]] = complete(
    {
        "offer_made": _offer,
        "offer_answered": _offer_closed,
        "job_failed": _job_failed,
        "standing_changed": _standing_changed,
        "rating_revised": _rating_revised,
        "progress_flagged": _progress_flagged,
        "review_decided": _review_decided,
        "nudge_sent": _nudge,
        "courier_offline": _offline,
    },
    bodies_for(Use.STREAM),
    "messages that events cause on a courier's stream",
)
