"""Offers: what became of them, what they showed, how long people had and took, and how long the next one took to
come."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field

from dispatcher.measures.histogram import ANSWER_EDGES_S, Histogram
from dispatcher.measures.records import P1, CourierRecord
from dispatcher.times import SECOND
from gig.v1 import courier_service_pb2 as courier_pb
from gig.v1 import offer_pb2 as offer_pb

OUTCOMES = {
    number: name.removeprefix("OFFER_OUTCOME_").lower() for name, number in courier_pb.OfferOutcome.items() if number
}
ACCEPTED, DECLINED = courier_pb.OFFER_OUTCOME_ACCEPTED, courier_pb.OFFER_OUTCOME_DECLINED


def is_complete(offer: offer_pb.Offer) -> bool:
    """Whether the courier saw pay, distances, durations and the area of each destination before answering."""
    return (
        offer.HasField("pay")
        and offer.HasField("pickup_duration")
        and all(
            job.HasField("pay") and job.HasField("trip_duration") and bool(job.destination_area) for job in offer.jobs
        )
    )


@dataclass(slots=True)
class Offers:
    """``outcomes``: closed offers; ``complete``: made ones that showed everything. ``open``: id -> when it was made.

    ``next_after``: seconds of P1 until the next offer, after a decline and after a completed job; ``matched``: the same
    by place and hour, as [declines, their sum, completions, their sum].
    """

    made: int = 0
    complete: int = 0
    outcomes: Counter[str] = field(default_factory=Counter)
    open: dict[str, int] = field(default_factory=dict)
    given: Histogram = field(default_factory=lambda: Histogram(ANSWER_EDGES_S))
    used: Histogram = field(default_factory=lambda: Histogram(ANSWER_EDGES_S))
    next_after: dict[str, Histogram] = field(
        default_factory=lambda: {"declined": Histogram(), "completed": Histogram()}
    )
    matched: dict[str, list[float]] = field(default_factory=dict)

    def make(self, offer: offer_pb.Offer, courier: CourierRecord, now_us: int) -> None:
        self.made += 1
        self.complete += is_complete(offer)
        self.open[offer.offer_id] = now_us
        given = offer.time_to_answer
        self.given.add(given.seconds + given.nanos / 1e9)
        courier.offers_made += 1
        courier.open_offers += 1
        if courier.after and courier.phase == P1:
            self._note_wait(courier, (now_us - courier.after_us) / SECOND)
        courier.after = ""

    def _note_wait(self, courier: CourierRecord, seconds: float) -> None:
        self.next_after[courier.after].add(seconds)
        place = "{}/{}".format(*courier.after_place)
        group = self.matched.get(place)
        if group is None:
            group = self.matched[place] = [0, 0.0, 0, 0.0]
        first = 0 if courier.after == "declined" else 2
        group[first] += 1
        group[first + 1] += seconds

    def answer(self, body: courier_pb.OfferAnswer, courier: CourierRecord, now_us: int) -> None:
        outcome = OUTCOMES[body.outcome]
        self.outcomes[outcome] += 1
        courier.offers[outcome] = courier.offers.get(outcome, 0) + 1
        made_us = self.open.pop(body.offer_id)
        if courier.open_offers:
            courier.open_offers -= 1
        if body.outcome in (ACCEPTED, DECLINED):
            self.used.add((now_us - made_us) / SECOND, body.offer_id)

    def withdraw(self, offer_id: str, courier: CourierRecord | None) -> None:
        """The offer ends without an answer, outside the market's own rules."""
        if self.open.pop(offer_id, None) is None:
            return
        self.outcomes["withdrawn"] += 1
        if courier is not None:
            courier.offers["withdrawn"] = courier.offers.get("withdrawn", 0) + 1
            courier.open_offers = max(courier.open_offers - 1, 0)

    def penalty_s(self) -> float | None:
        """How many seconds longer the next offer took after a decline than after a completed job, at like places and
        hours: the mean of the differences between group means, weighed by declines. None where no group has both."""
        both = [group for group in self.matched.values() if group[0] and group[2]]
        weight = sum(group[0] for group in both)
        if not weight:
            return None
        return sum(group[0] * (group[1] / group[0] - group[3] / group[2]) for group in both) / weight
