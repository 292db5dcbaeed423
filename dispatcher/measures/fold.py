"""The projection: folds one event after the other; O(1) an event, memory bounded by live jobs and couriers."""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import dataclass, field
from typing import Any

from dispatcher.market import lifecycle
from dispatcher.measures.histogram import Histogram
from dispatcher.measures.review_work import ReviewWork
from dispatcher.times import SECOND, micros, span
from gig.v1 import courier_service_pb2 as courier_pb
from gig.v1 import events_pb2 as events_pb
from gig.v1 import offer_pb2 as offer_pb
from gig.v1 import policy_pb2 as policy_pb
from gig.v1 import transparency_service_pb2 as transparency_pb
from gig.v1 import types_pb2 as types_pb

Event = events_pb.Event

# Phases of a courier's time, after New York TLC: P1 free, P2 to the pickup (P2w: waiting there), P3 with the job.
FREE, TO_PICKUP, AT_PICKUP, WITH_JOB = "P1", "P2", "P2w", "P3"
PHASES = (FREE, TO_PICKUP, AT_PICKUP, WITH_JOB)
STATE_OF_PHASE = {FREE: "free", TO_PICKUP: "to_pickup", AT_PICKUP: "at_pickup", WITH_JOB: "with_job"}


@dataclass(slots=True)
class LiveJob:
    kind: int
    state: str
    placed_us: int = 0
    metres: int = 0
    pickup_metres: int = 0
    # Who has accepted it.
    courier_id: str = ""


@dataclass(slots=True)
class LiveCourier:
    phase: str
    since_us: int
    # Jobs in hand, each with the phase that it alone would mean.
    jobs: dict[str, str] = field(default_factory=dict)


@dataclass(slots=True)
class Measures:
    """What the log adds up to. Counters run from the log's first event.

    ``jobs_ended`` by terminal state; ``offers`` by outcome; ``courier_seconds`` by phase; ``pay_minor`` by line;
    ``decisions`` by "kind/decider"; ``courier_metres`` by "loaded" or "empty"; waits are from placing, in seconds.
    """

    sequence: int = 0
    time_us: int = 0
    currency: str = ""
    policy_version: int = 0
    jobs_placed: Counter[str] = field(default_factory=Counter)
    jobs_ended: Counter[str] = field(default_factory=Counter)
    offers: Counter[str] = field(default_factory=Counter)
    courier_seconds: Counter[str] = field(default_factory=Counter)
    courier_metres: Counter[str] = field(default_factory=Counter)
    pay_minor: Counter[str] = field(default_factory=Counter)
    decisions: Counter[str] = field(default_factory=Counter)
    rounds: Counter[str] = field(default_factory=Counter)
    ratings_excluded: Counter[str] = field(default_factory=Counter)
    reviews: ReviewWork = field(default_factory=ReviewWork)
    fares_minor: int = 0
    tax_minor: int = 0
    wait_for_accept: Histogram = field(default_factory=Histogram)
    wait_for_pickup: Histogram = field(default_factory=Histogram)
    time_to_answer: Histogram = field(default_factory=Histogram)
    last_round: dict[str, int] = field(default_factory=dict)
    # Of the last round's unmatched jobs: couriers that each gate removed, in sum.
    unmatched_gates: Counter[str] = field(default_factory=Counter)
    jobs: dict[str, LiveJob] = field(default_factory=dict)
    couriers: dict[str, LiveCourier] = field(default_factory=dict)
    open_offers: dict[str, int] = field(default_factory=dict)

    def fold(self, event: Event) -> None:
        self.sequence = event.sequence
        self.time_us = micros(event.time)
        name = event.WhichOneof("body")
        handler = _FOLD.get(name)
        if handler is not None:
            handler(self, getattr(event, name))

    def jobs_by_state(self) -> Counter[str]:
        """Live states now, terminal states since the log began."""
        return Counter(job.state for job in self.jobs.values()) + self.jobs_ended

    def couriers_by_state(self) -> Counter[str]:
        return Counter(STATE_OF_PHASE[courier.phase] for courier in self.couriers.values())

    def courier_seconds_until(self, now_us: int) -> Counter[str]:
        """Time by phase, the running phases included."""
        seconds = Counter(self.courier_seconds)
        for courier in self.couriers.values():
            seconds[courier.phase] += max(now_us - courier.since_us, 0) / SECOND  # type: ignore[assignment]
        return seconds

    def automation_rates(self) -> dict[str, float]:
        """For each kind of decision the share that no human took part in: (by rule + by solver) / all of the kind.

        After Casilli's question of how much of an automated service is (En attendant les robots, 2019).
        """
        kinds = sorted({name.partition("/")[0] for name in self.decisions})
        found = {}
        for kind in kinds:
            machine = self.decisions[f"{kind}/rule"] + self.decisions[f"{kind}/solver"]
            found[kind] = machine / (machine + self.decisions[f"{kind}/human"])
        return found

    def to_json(self) -> str:
        plain = {name: _plain(getattr(self, name)) for name in self.__slots__}
        return json.dumps(plain, separators=(",", ":"))

    @classmethod
    def from_json(cls, text: str) -> Measures:
        measures = cls()
        for name, value in json.loads(text).items():
            setattr(measures, name, _like(getattr(measures, name), name, value))
        return measures

    # --- handlers, one for each kind of event that counts

    def _policy_set(self, body: events_pb.PolicySet) -> None:
        self.currency, self.policy_version = body.policy.currency_code, body.policy.version

    def _job_quoted(self, body: events_pb.JobQuoted) -> None:
        self.decisions["price/rule"] += 1
        self.jobs[body.job.job_id] = LiveJob(body.job.spec.kind, "quoted")

    def _job_placed(self, body: events_pb.JobPlaced) -> None:
        job = body.job
        kind = types_pb.JobKind.Name(job.spec.kind).removeprefix("JOB_KIND_").lower()
        self.jobs_placed[kind] += 1
        if job.job_id not in self.jobs:
            self.decisions["price/rule"] += 1
        self.jobs[job.job_id] = LiveJob(
            job.spec.kind, lifecycle.state_name(job.state), self.time_us, job.trip_distance_metres
        )

    def _job_queued(self, body: events_pb.JobQueued) -> None:
        self.jobs[body.job_id].state = "queued"

    def _job_expired(self, body: events_pb.JobExpired) -> None:
        quoted = self.jobs[body.job_id].state == "quoted"
        self._end(body.job_id, "quote_expired" if quoted else "expired")

    def _job_cancelled(self, body: events_pb.JobCancelled) -> None:
        self._post(body.postings)
        job = self.jobs[body.job_id]
        self._phase(job.courier_id, body.job_id, FREE)
        self._end(body.job_id, "quote_cancelled" if job.state == "quoted" else "cancelled")

    def _job_released(self, body: events_pb.JobReleased) -> None:
        job = self.jobs[body.job_id]
        job.state, job.courier_id = "queued", ""
        self._phase(body.courier_id, body.job_id, FREE)

    def _job_failed(self, body: events_pb.JobFailed) -> None:
        self._post(body.postings)
        self._phase(body.courier_id, body.job_id, FREE)
        self._end(body.job_id, "failed")

    def _courier_arrived(self, body: events_pb.CourierArrived) -> None:
        self.jobs[body.job_id].state = "at_pickup"
        self._phase(body.courier_id, body.job_id, AT_PICKUP)

    def _job_picked_up(self, body: events_pb.JobPickedUp) -> None:
        job = self.jobs[body.job_id]
        job.state = "picked_up"
        self.wait_for_pickup.add((self.time_us - job.placed_us) / SECOND)
        self.courier_metres["empty"] += job.pickup_metres
        self._phase(body.courier_id, body.job_id, WITH_JOB)

    def _job_completed(self, body: events_pb.JobCompleted) -> None:
        self._post(body.postings)
        self.courier_metres["loaded"] += self.jobs[body.job_id].metres
        self._phase(body.courier_id, body.job_id, FREE)
        self._end(body.job_id, "completed")

    def _courier_online(self, body: events_pb.CourierOnline) -> None:
        self.couriers[body.courier_id] = LiveCourier(FREE, self.time_us)

    def _courier_offline(self, body: events_pb.CourierOffline) -> None:
        self._post(body.postings)
        self._count(self.couriers[body.courier_id])
        del self.couriers[body.courier_id]

    def _round_settled(self, body: events_pb.RoundSettled) -> None:
        offers = sum(1 for number in body.assigned_numbers if number) - body.overtaken - body.bundled
        self.last_round = {
            "sequence": self.sequence,
            "time_us": self.time_us,
            "jobs": body.jobs,
            "couriers": body.couriers,
            "offers": offers,
            "held": body.held,
            "bundled": body.bundled,
        }
        self.unmatched_gates = Counter()
        for count in body.unmatched_gates:
            self.unmatched_gates[_gate_name(count.gate)] += count.removed
        self.rounds["fallback" if body.status == events_pb.ROUND_STATUS_FALLBACK else "solved"] += 1
        self.rounds["overtaken"] += body.overtaken
        self.rounds["held"] += body.held
        self.rounds["bundled"] += body.bundled

    def _offer_made(self, body: events_pb.OfferMade) -> None:
        self.decisions["offer/solver"] += 1
        self.open_offers[body.offer.offer_id] = self.time_us
        for offered in body.offer.jobs:
            job = self.jobs[offered.job_id]
            job.state, job.pickup_metres = "offered", 0
        # The way to the pickup is driven once, for all jobs that go together.
        self.jobs[body.offer.jobs[0].job_id].pickup_metres = body.offer.pickup_distance_metres

    def _offer_answered(self, body: events_pb.OfferAnswered) -> None:
        outcome = courier_pb.OfferOutcome.Name(body.outcome).removeprefix("OFFER_OUTCOME_").lower()
        self.offers[outcome] += 1
        made_us = self.open_offers.pop(body.offer_id)
        if outcome in ("accepted", "declined"):
            self.time_to_answer.add((self.time_us - made_us) / SECOND)
        for job_id in body.job_ids:
            job = self.jobs[job_id]
            if outcome == "accepted":
                job.state, job.courier_id = "assigned", body.courier_id
                self.wait_for_accept.add((self.time_us - job.placed_us) / SECOND)
                self._phase(body.courier_id, job_id, TO_PICKUP)
            else:
                job.state = "queued"

    def _job_rated(self, body: events_pb.JobRated) -> None:
        counts = body.rating.cause == policy_pb.EXCLUSION_CAUSE_UNSPECIFIED
        self.decisions["score/rule" if counts else "exclusion/rule"] += 1
        if not counts:
            cause = policy_pb.ExclusionCause.Name(body.rating.cause).removeprefix("EXCLUSION_CAUSE_").lower()
            self.ratings_excluded[cause] += 1

    def _rating_revised(self, body: events_pb.RatingRevised) -> None:
        counts = body.rating.cause == policy_pb.EXCLUSION_CAUSE_UNSPECIFIED
        self.decisions["score/human" if counts else "exclusion/human"] += 1

    def _surge_updated(self, body: events_pb.SurgeUpdated) -> None:  # noqa: ARG002 - that it was, is what counts
        self.decisions["surge/rule"] += 1

    def _tip_added(self, body: events_pb.TipAdded) -> None:
        self._post(body.postings)

    def _period_settled(self, body: events_pb.PeriodSettled) -> None:
        self._post(body.postings)

    def _standing_changed(self, body: events_pb.StandingChanged) -> None:
        self.decisions["standing/human" if body.change.decided_by else "standing/rule"] += 1

    def _review_opened(self, body: events_pb.ReviewOpened) -> None:  # noqa: ARG002 - that it was, is what counts
        self.reviews.opened += 1

    def _review_opinion_given(self, body: events_pb.ReviewOpinionGiven) -> None:
        self._post(body.postings)
        self.reviews.opinions += 1
        self.reviews.seconds += span(body.opinion.time_spent) / SECOND

    def _review_decided(self, body: events_pb.ReviewDecided) -> None:
        self._post(body.postings)
        review, work = body.review, self.reviews
        work.decided += 1
        work.overturned += review.outcome == transparency_pb.REVIEW_OUTCOME_OVERTURNED
        if review.kind == transparency_pb.REVIEW_KIND_CONTEST:
            self.decisions["contest/human"] += 1
        elif review.kind == transparency_pb.REVIEW_KIND_RATING:
            # Overturned, the rating is revised, which counts for itself.
            self.decisions["exclusion/human"] += review.outcome == transparency_pb.REVIEW_OUTCOME_UPHELD
        if len(review.opinions) > 1:
            work.second_opinions += 1
            first, second = ((opinion.outcome, opinion.level) for opinion in review.opinions[:2])
            work.pairs[f"{first}/{second}"] += 1

    def _phase(self, courier_id: str, job_id: str, phase: str) -> None:
        """A job in a courier's hands has come to ``phase`` (FREE: it is theirs no more)."""
        courier = self.couriers.get(courier_id)
        if courier is None:
            return
        self._count(courier)
        courier.jobs.pop(job_id, None)
        if phase != FREE:
            courier.jobs[job_id] = phase
        # With several jobs in hand the furthest counts: with a job aboard it is P3, whatever else is to be fetched.
        courier.phase = max(courier.jobs.values(), key=PHASES.index, default=FREE)

    def _count(self, courier: LiveCourier) -> None:
        self.courier_seconds[courier.phase] += (self.time_us - courier.since_us) / SECOND  # type: ignore[assignment]
        courier.since_us = self.time_us

    def _end(self, job_id: str, state: str) -> None:
        self.jobs_ended[state] += 1
        del self.jobs[job_id]

    def _post(self, postings: types_pb.Postings) -> None:
        for leg in postings.legs:
            if leg.account == types_pb.ACCOUNT_CLIENT and leg.line != types_pb.PRICE_LINE_KIND_TIP:
                self.fares_minor -= leg.minor_units
            elif leg.account == types_pb.ACCOUNT_REVIEWER:
                self.reviews.pay_minor += leg.minor_units
            elif leg.account == types_pb.ACCOUNT_TAX:
                self.tax_minor += leg.minor_units
            elif leg.account == types_pb.ACCOUNT_COURIER:
                line = types_pb.PriceLineKind.Name(leg.line).removeprefix("PRICE_LINE_KIND_").lower()
                self.pay_minor[line] += leg.minor_units


_FOLD: dict[str, Any] = {
    name.removeprefix("_"): handler
    for name, handler in vars(Measures).items()
    if name.removeprefix("_") in {field_.name for field_ in Event.DESCRIPTOR.oneofs_by_name["body"].fields}
}


def _gate_name(gate: int) -> str:
    return str(offer_pb.Gate.Name(gate)).removeprefix("GATE_").lower()


def _plain(value: Any) -> Any:
    """JSON form of a field of Measures."""
    if isinstance(value, Histogram):
        return {"counts": value.counts, "total": value.total}
    if isinstance(value, dict):
        return {key: _plain(item) for key, item in value.items()}
    if isinstance(value, ReviewWork):
        return {name: getattr(value, name) for name in value.__slots__}
    if isinstance(value, LiveJob | LiveCourier):
        return [getattr(value, name) for name in value.__slots__]
    return value


def _like(sample: Any, name: str, value: Any) -> Any:
    """``value`` from JSON as the type that the field has."""
    if isinstance(sample, Histogram):
        return Histogram(counts=value["counts"], total=value["total"])
    if isinstance(sample, Counter):
        return Counter(value)
    if isinstance(sample, ReviewWork):
        return ReviewWork(**value | {"pairs": Counter(value["pairs"])})
    if name == "jobs":
        return {key: LiveJob(*item) for key, item in value.items()}
    if name == "couriers":
        return {key: LiveCourier(*item) for key, item in value.items()}
    return value
