"""The projection: folds one event after the other; O(1) an event, memory bounded by live jobs and the couriers of the
last five weeks."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Annotated, Any

from pydantic import ConfigDict, PlainSerializer, PlainValidator, TypeAdapter

from dispatcher.complete import complete
from dispatcher.event_kinds import Use, bodies_for
from dispatcher.market import lifecycle
from dispatcher.measures.areas import Areas, Atlas
from dispatcher.measures.conduct import DAY_US, Accounts, Exits, Nudges
from dispatcher.measures.decisions import (
    Decisions,
    offer_has_reason,
    price_has_reason,
    rating_has_reason,
    standing_has_reason,
    surge_has_reason,
)
from dispatcher.measures.harvest import Harvest
from dispatcher.measures.histogram import Histogram
from dispatcher.measures.money_flows import KINDS, MoneyFlows
from dispatcher.measures.offers import ACCEPTED, DECLINED, Offers
from dispatcher.measures.opinions import BY_RATINGS, Opinions
from dispatcher.measures.records import P1, P2, P2W, P3, STATES, CourierRecord, LiveJob
from dispatcher.measures.review_work import ReviewWork
from dispatcher.measures.terms import Terms, terms_of
from dispatcher.measures.weeks import Weeks
from dispatcher.measures.whereabouts import BUSY, FREE, FREE_AT, Whereabouts
from dispatcher.measures.work_time import HOUR_US, LONG_DAYS_H, WorkTime, advance, leave, move_to, step
from dispatcher.occurred import occurred_us
from dispatcher.pay.floor import FIRST_MONDAY_US
from dispatcher.times import SECOND, check_event_time, span
from gig.v1 import events_pb2 as events_pb
from gig.v1 import job_pb2 as job_pb
from gig.v1 import offer_pb2 as offer_pb
from gig.v1 import transparency_service_pb2 as transparency_pb
from gig.v1 import types_pb2 as types_pb

Event = events_pb.Event

# Grows whenever a change here makes kept measures mean something else: they are then folded anew from the log.
FORM = 1
WEEK_US = 7 * DAY_US
# Who was not online for so long is forgotten: 28 days in which they might have come back, and a week to say so.
FORGOTTEN_AFTER_US = 35 * DAY_US


def _nothing(_: Atlas) -> None:
    """It follows from the zones."""


def _new_atlas(_: object) -> Atlas:
    return Atlas()


@dataclass(slots=True)
class Measures:
    """What the log adds up to. Counters run from the log's first event; waits are from placing, in seconds.

    ``couriers``: everyone online in the last five weeks; ``online``: id -> since when.
    """

    # Numbers that are none, which an old log may hold, are kept as they are.
    __pydantic_config__ = ConfigDict(ser_json_inf_nan="constants")
    form: int = FORM
    sequence: int = 0
    first_us: int = 0
    time_us: int = 0
    terms: Terms = field(default_factory=Terms)
    jobs: dict[str, LiveJob] = field(default_factory=dict)
    couriers: dict[str, CourierRecord] = field(default_factory=dict)
    online: dict[str, int] = field(default_factory=dict)
    jobs_placed: Counter[str] = field(default_factory=Counter)
    jobs_ended: Counter[str] = field(default_factory=Counter)
    # Completed trips by what the learned travel model did with them.
    trip_uses: Counter[str] = field(default_factory=Counter)
    # Reports of progress that were flagged, by the check that they failed.
    flags: Counter[str] = field(default_factory=Counter)
    rounds: Counter[str] = field(default_factory=Counter)
    wait_for_accept: Histogram = field(default_factory=Histogram)
    wait_for_pickup: Histogram = field(default_factory=Histogram)
    last_round: dict[str, int] = field(default_factory=dict)
    # Of the last round's unmatched jobs: couriers that each gate removed, in sum.
    unmatched_gates: dict[str, int] = field(default_factory=dict)
    time: WorkTime = field(default_factory=WorkTime)
    money: MoneyFlows = field(default_factory=MoneyFlows)
    offers: Offers = field(default_factory=Offers)
    opinions: Opinions = field(default_factory=Opinions)
    areas: Areas = field(default_factory=Areas)
    decisions: Decisions = field(default_factory=Decisions)
    reviews: ReviewWork = field(default_factory=ReviewWork)
    harvest: Harvest = field(default_factory=Harvest)
    nudges: Nudges = field(default_factory=Nudges)
    accounts: Accounts = field(default_factory=Accounts)
    exits: Exits = field(default_factory=Exits)
    weeks: Weeks = field(default_factory=Weeks)
    # When the week ends, or somebody who is followed is to be looked at: whichever comes first.
    alarm_us: int = 0
    # Policies that came into force after the first.
    policy_changes: int = 0
    whereabouts: Whereabouts = field(default_factory=Whereabouts)
    atlas: Annotated[Atlas, PlainValidator(_new_atlas), PlainSerializer(_nothing)] = field(default_factory=Atlas)

    def fold(self, event: Event) -> None:
        """Count one event. Raises ValueError for a time out of range."""
        time = event.time
        check_event_time(time)
        self.sequence = event.sequence
        self.time_us = now = time.seconds * SECOND + time.nanos // 1000
        if now >= self.alarm_us:
            self._ring(now)
        name = event.WhichOneof("body")
        handler = _FOLD.get(name)
        if handler is not None:
            handler(self, getattr(event, name))

    # --- readings

    @property
    def currency(self) -> str:
        return self.terms.currency

    @property
    def policy_version(self) -> int:
        return self.terms.version

    def jobs_by_state(self) -> Counter[str]:
        """Live states now, terminal states since the log began."""
        return Counter(job.state for job in self.jobs.values()) + self.jobs_ended

    def couriers_by_state(self) -> Counter[str]:
        return Counter(STATES[self.couriers[courier_id].phase] for courier_id in self.online)

    def bring_to(self, now_us: int) -> None:
        """Count running phases up to a moment: not before the last event, nor after the next one, which would then be
        too late for its time."""
        if now_us >= self.alarm_us:
            self._ring(now_us)
        self._advance_all(now_us)
        self.time_us = now_us

    # --- kept and restored

    def to_json(self) -> str:
        return _ADAPTER.dump_json(self).decode()

    @classmethod
    def from_json(cls, text: str) -> Measures:
        """Raises ValueError where the text is of another version of the measures."""
        if not text.startswith(f'{{"form":{FORM},'):
            raise ValueError("measures of another form than these")
        measures = _ADAPTER.validate_json(text)
        measures.decisions.relink()
        measures.atlas = Atlas(measures.areas.zones_geojson)
        return measures

    def rename(self, person_id: str, pseudonym: str) -> None:
        """Whoever was erased is called by the pseudonym from now on."""
        for named in (self.couriers, self.online, self.accounts.levels, self.accounts.lockouts):
            if person_id in named:
                in_order = {pseudonym if name == person_id else name: kept for name, kept in named.items()}
                named.clear()
                named.update(in_order)  # type: ignore[arg-type]
        for job in self.jobs.values():
            if job.courier_id == person_id:
                job.courier_id = pseudonym
        for names in (
            *(area.couriers for area in self.areas.areas.values()),
            *self.reviews.claims.values(),
            self.reviews.reviewers,
        ):
            names[:] = [pseudonym if name == person_id else name for name in names]
        for watched in (self.nudges.watched, self.exits.watched):
            for place, (until, name, what, number) in enumerate(watched):
                if name == person_id:
                    watched[place] = (until, pseudonym, what, number)

    # --- handlers, one for each kind of event that counts

    def _market_opened(self, body: events_pb.MarketOpened) -> None:  # noqa: ARG002 - that it was, is what counts
        self.first_us = self.time_us

    def _subject_quarantined(self, body: events_pb.SubjectQuarantined) -> None:
        """Its jobs end or wait again, its offers are withdrawn; a courier who is quarantined is offline."""
        for offer_id, courier_id in {one.offer_id: one.courier_id for one in body.jobs if one.offer_id}.items():
            self.offers.withdraw(offer_id, self.couriers.get(courier_id))
        for one in body.jobs:
            job = self.jobs.get(one.job_id)
            if job is None:
                continue
            self._leave(job, one.job_id, 0, self.time_us)
            job.courier_id, job.to_pickup_us, job.at_pickup_us = "", 0, 0
            if not one.ended:
                job.state = "queued"
            elif job.state == "quoted":
                self._end(one.job_id, "quote_cancelled")
            else:
                self.areas.of(job.area).cancelled += 1
                self._end(one.job_id, "cancelled")
        if body.kind == types_pb.SUBJECT_KIND_COURIER and body.subject_id in self.online:
            self._courier_offline(events_pb.CourierOffline(courier_id=body.subject_id))

    def _policy_set(self, body: events_pb.PolicySet) -> None:
        if self.terms.version:
            self.policy_changes += 1
            self.bring_to(self.time_us)
            for courier in self.couriers.values():
                courier.before = courier.since(courier.version)
                courier.version = courier.totals()
        self.terms = terms_of(body.policy)
        self.whereabouts.planar = self.terms.planar
        self.decisions.begin_policy(self.terms.version)

    def _zones_set(self, body: events_pb.ZonesSet) -> None:
        self.areas.set_zones(body.geojson)
        self.atlas = Atlas(self.areas.zones_geojson)

    def _job_quoted(self, body: events_pb.JobQuoted) -> None:
        job = body.job
        self.decisions.note("price", "rule", price_has_reason(job))
        self.jobs[job.job_id] = LiveJob(job.spec.kind, "quoted")

    def _job_placed(self, body: events_pb.JobPlaced) -> None:
        job = body.job
        spec, job_id, fare, pay = job.spec, job.job_id, job.fare, job.pay
        kind = spec.kind
        self.jobs_placed[KINDS[kind]] += 1
        if job_id not in self.jobs:
            self.decisions.note("price", "rule", price_has_reason(job))
        pickup, dropoff = spec.pickup.position, spec.dropoff.position
        latitude, longitude = pickup.latitude, pickup.longitude
        area = self.atlas.area(latitude, longitude, self.terms.planar)
        total = pay.total.minor_units
        live = LiveJob(
            kind,
            STATE_NAMES[job.state],
            self.time_us,
            area,
            job.trip_distance_metres,
            pickup=(latitude, longitude),
            dropoff=(dropoff.latitude, dropoff.longitude),
            base_pay=total,
        )
        if job.HasField("surge"):
            surge = job.surge
            live.base_pay = surge.base_pay_minor_units
            live.charged = fare.total.minor_units - surge.base_fare_minor_units
            live.paid = total - live.base_pay
        self.jobs[job_id] = live
        self.areas.of(area).placed += 1

    def _job_queued(self, body: events_pb.JobQueued) -> None:
        self.jobs[body.job_id].state = "queued"

    def _job_expired(self, body: events_pb.JobExpired) -> None:
        quoted = self.jobs[body.job_id].state == "quoted"
        self._end(body.job_id, "quote_expired" if quoted else "expired")

    def _job_cancelled(self, body: events_pb.JobCancelled) -> None:
        job = self.jobs[body.job_id]
        if job.state == "quoted":
            self._end(body.job_id, "quote_cancelled")
            return
        self.areas.of(job.area).cancelled += 1
        _, pay = self._settle(job, body.postings)
        self._leave(job, body.job_id, pay, occurred_us(body, self.time_us))
        self._end(body.job_id, "cancelled")

    def _job_released(self, body: events_pb.JobReleased) -> None:
        job = self.jobs[body.job_id]
        self._leave(job, body.job_id, 0, occurred_us(body, self.time_us))
        job.state, job.courier_id = "queued", ""
        job.to_pickup_us = job.at_pickup_us = 0

    def _job_failed(self, body: events_pb.JobFailed) -> None:
        job = self.jobs[body.job_id]
        _, pay = self._settle(job, body.postings)
        self._leave(job, body.job_id, pay, occurred_us(body, self.time_us))
        self._end(body.job_id, "failed")

    def _courier_arrived(self, body: events_pb.CourierArrived) -> None:
        self.jobs[body.job_id].state = "at_pickup"
        self._move(body.courier_id, body.job_id, P2W, occurred_us(body, self.time_us))

    def _job_picked_up(self, body: events_pb.JobPickedUp) -> None:
        job = self.jobs[body.job_id]
        job.state = "picked_up"
        job.picked_up_us = at_us = occurred_us(body, self.time_us)
        waited_s = (at_us - job.placed_us) / SECOND
        self.wait_for_pickup.add(waited_s, job.offer_id)
        courier = self._move(body.courier_id, body.job_id, P3, at_us)
        self.time.metres[P2] += job.pickup_metres
        courier.metres += job.pickup_metres
        free_us = job.free_waiting_us
        unpaid = job.at_pickup_us if free_us is None else min(job.at_pickup_us, free_us)
        courier.waiting_us += unpaid
        area = self.areas.of(job.area)
        area.waits += 1
        area.wait_s += waited_s
        area.note_courier(body.courier_id)

    def _job_completed(self, body: events_pb.JobCompleted) -> None:
        job_id, courier_id, at_us = body.job_id, body.courier_id, occurred_us(body, self.time_us)
        job = self.jobs[job_id]
        net, pay = self._settle(job, body.postings)
        self.money.completed(job, net, pay, at_us)
        self.areas.settled(job, job_id, pay, at_us)
        self.time.metres[P3] += job.metres
        courier = self._move(courier_id, job_id, P1, at_us)
        courier.metres += job.metres
        courier.jobs_done += 1
        if body.trip_use:
            self.trip_uses[TRIP_USES[body.trip_use]] += 1
        if courier.phase == P1:
            self.whereabouts.note(courier.number, FREE_AT, *job.dropoff)
            self._await(courier, "completed", at_us, *job.dropoff)
        self._end(job_id, "completed")

    def _courier_online(self, body: events_pb.CourierOnline) -> None:
        now, courier_id, number = self.time_us, body.courier_id, body.courier_number
        courier = self.couriers.get(courier_id)
        if courier is None:
            courier = self.couriers[courier_id] = CourierRecord(number)
        courier.vehicle, courier.phase = body.profile.vehicle_type, P1
        courier.since_us = courier.free_us = courier.spell_us = courier.last_us = courier.moved_us = now
        courier.after, courier.open_offers, courier.queues = "", 0, 0
        self.online[courier_id] = now
        self.whereabouts.enter(number, body.latitude_e7, body.longitude_e7)

    def _courier_offline(self, body: events_pb.CourierOffline) -> None:
        courier_id = body.courier_id
        courier, at_us = self.couriers[courier_id], occurred_us(body, self.time_us)
        advance(courier, self.jobs, self.time_us)
        leave(courier, self.jobs, at_us, self.time)
        self._end_spell(courier, at_us)
        self.whereabouts.fold()
        courier.metres += self.whereabouts.collect(courier.number)
        courier.last_us = self.time_us
        courier.after = ""
        del self.online[courier_id]
        self._book(body.postings)

    def _end_spell(self, courier: CourierRecord, at_us: int) -> None:
        if courier.phase == P1 and at_us > courier.free_us:
            self.time.spells.add((at_us - courier.free_us) / SECOND)
        for long in LONG_DAYS_H:
            self.time.long_days[f"{long}h"] += at_us - courier.spell_us >= long * HOUR_US

    def _queue_joined(self, body: events_pb.QueueJoined) -> None:
        courier = self.couriers[body.courier_id]
        advance(courier, self.jobs, self.time_us)
        courier.queues = 1

    def _queue_left(self, body: events_pb.QueueLeft) -> None:
        courier = self.couriers.get(body.courier_id)
        if courier is not None:
            if body.courier_id in self.online:
                advance(courier, self.jobs, self.time_us)
            courier.queues = 0

    def _round_settled(self, body: events_pb.RoundSettled) -> None:
        overtaken, held, bundled = body.overtaken, body.held, body.bundled
        assigned = list(body.assigned_numbers)
        offers = len(assigned) - assigned.count(0) - overtaken - bundled
        self.last_round = {
            "sequence": self.sequence,
            "time_us": self.time_us,
            "jobs": body.jobs,
            "couriers": body.couriers,
            "offers": offers,
            "held": held,
            "bundled": bundled,
        }
        self.unmatched_gates = {GATES[count.gate]: count.removed for count in body.unmatched_gates}
        rounds = self.rounds
        rounds["fallback" if body.status == events_pb.ROUND_STATUS_FALLBACK else "solved"] += 1
        rounds["overtaken"] += overtaken
        rounds["held"] += held
        rounds["bundled"] += bundled
        rounds["truncated"] += len(body.truncated_job_ids)
        if body.moved_number_deltas:
            self.harvest.points(self.whereabouts.move(body), self.time_us)

    def _offer_made(self, body: events_pb.OfferMade) -> None:
        offer = body.offer
        courier = self.couriers[offer.courier_id]
        self.decisions.note("offer", "solver", offer_has_reason(offer))
        advance(courier, self.jobs, self.time_us)
        self.offers.make(offer, courier, self.time_us)
        first = None
        for offered in offer.jobs:
            job = self.jobs[offered.job_id]
            job.state, job.pickup_metres, job.offer_id = "offered", 0, offer.offer_id
            waiting = offered.waiting
            job.free_waiting_us = span(waiting.free) if waiting.per_minute else None
            first = first or job
        if first is not None:
            # The way to the pickup is driven once, for all jobs that go together.
            first.pickup_metres = offer.pickup_distance_metres

    def _offer_answered(self, body: events_pb.OfferAnswered) -> None:
        now, courier_id = self.time_us, body.courier_id
        courier = self.couriers[courier_id]
        if courier_id in self.online:
            advance(courier, self.jobs, now)
        self.offers.answer(body, courier, now)
        if body.outcome == ACCEPTED:
            self.whereabouts.note(courier.number, BUSY)
            for job_id in body.job_ids:
                job = self.jobs[job_id]
                job.state, job.courier_id = "assigned", courier_id
                self.wait_for_accept.add((now - job.placed_us) / SECOND, job.offer_id)
                move_to(courier, job_id, P2, now, self.time.spells)
            courier.moved_us = now
            return
        for job_id in body.job_ids:
            self.jobs[job_id].state = "queued"
        if body.outcome == DECLINED and courier.phase == P1:
            self._await(courier, "declined", now, *self.jobs[body.job_ids[0]].pickup)

    def _job_rated(self, body: events_pb.JobRated) -> None:
        rating = body.rating
        kind = "exclusion" if rating.cause else "score"
        self.decisions.note(kind, "rule", rating_has_reason(rating))
        self.opinions.rate(rating, self.couriers.get(rating.rated_id), self.terms, self.time_us)
        if rating.rater == job_pb.ACTOR_CLIENT:
            self.areas.rated(rating.job_id, rating.stars)

    def _rating_revised(self, body: events_pb.RatingRevised) -> None:
        rating = body.rating
        explained = bool(body.reason and body.decided_by and rating.decision_id)
        self.decisions.note("exclusion" if rating.cause else "score", "human", explained)
        self.opinions.revise(rating, self.couriers.get(rating.rated_id), self.terms, self.time_us)

    def _surge_updated(self, body: events_pb.SurgeUpdated) -> None:
        self.decisions.note("surge", "rule", surge_has_reason(body))

    def _nudge_sent(self, body: events_pb.NudgeSent) -> None:  # noqa: ARG002 - that it was, is what counts
        self.nudges.sent += 1

    def _nudge_closed(self, body: events_pb.NudgeClosed) -> None:
        self.nudges.close(body.outcome, body.courier_id, self.couriers[body.courier_id], self.time_us)
        self._set_alarm()

    def _tip_added(self, body: events_pb.TipAdded) -> None:
        self._book(body.postings)

    def _period_settled(self, body: events_pb.PeriodSettled) -> None:
        self._book(body.postings)

    def _standing_changed(self, body: events_pb.StandingChanged) -> None:
        change = body.change
        person_id = change.person_id
        self.decisions.note("standing", "human" if change.decided_by else "rule", standing_has_reason(change))
        courier = self.couriers.get(person_id)
        self.accounts.change(change, courier, self.reviews.opened_of(change.review_id), self.time_us)
        if courier is not None:
            self.exits.watch(person_id, "standing_decision", self.time_us)
            self._set_alarm()
        if change.cause in BY_RATINGS and not change.decided_by:
            self.opinions.with_consequence["courier" if courier is not None else "client"] += 1

    def _progress_flagged(self, body: events_pb.ProgressFlagged) -> None:
        self.decisions.note("flag", "rule", bool(body.flag.policy_version and body.flag.facts))
        for fact in body.flag.facts:
            self.flags[CHECKS[fact.check]] += 1

    def _review_opened(self, body: events_pb.ReviewOpened) -> None:
        self.reviews.begin(body.review, self.time_us)

    def _review_claimed(self, body: events_pb.ReviewClaimed) -> None:
        self.reviews.claim(body.review_id, body.reviewer_id)

    def _review_opinion_given(self, body: events_pb.ReviewOpinionGiven) -> None:
        paid = sum(leg.minor_units for leg in body.postings.legs if leg.account == types_pb.ACCOUNT_REVIEWER)
        self.reviews.opine(body.opinion, paid)

    def _review_decided(self, body: events_pb.ReviewDecided) -> None:
        self._book(body.postings)
        review = body.review
        self.reviews.end(review, self.time_us)
        if review.kind == transparency_pb.REVIEW_KIND_CONTEST:
            self.decisions.note("contest", "human", bool(review.answer))
        elif (
            review.kind == transparency_pb.REVIEW_KIND_RATING
            and review.outcome == transparency_pb.REVIEW_OUTCOME_UPHELD
        ):
            # Overturned, the rating is revised, which counts for itself.
            self.decisions.note("exclusion", "human", bool(review.answer))

    # --- what handlers share

    def _move(self, courier_id: str, job_id: str, phase: int, at_us: int) -> CourierRecord:
        """Bring a job of a courier's to ``phase`` as of ``at_us``; P1: the courier does not hold it any more."""
        courier = self.couriers[courier_id]
        advance(courier, self.jobs, self.time_us)
        step(courier, self.jobs, job_id, phase, at_us, self.time)
        return courier

    def _leave(self, job: LiveJob, job_id: str, pay: int, at_us: int) -> None:
        """A job ends early, or goes to somebody else. What its courier gave to it before the pickup is unpaid, unless
        it brings something."""
        if not job.courier_id:
            return
        courier = self._move(job.courier_id, job_id, P1, at_us)
        if courier.phase == P1:
            self.whereabouts.note(courier.number, FREE)
        if job.picked_up_us or pay > 0:
            return
        courier.cancelled_us += job.to_pickup_us
        courier.waiting_us += job.at_pickup_us

    def _await(self, courier: CourierRecord, after: str, at_us: int, latitude: float, longitude: float) -> None:
        """Note that the courier waits near a place for the next offer, from ``at_us`` on."""
        courier.after, courier.after_us = after, at_us
        courier.after_place = (self.atlas.cell(latitude, longitude, self.terms.planar), at_us // HOUR_US % 24)

    def _settle(self, job: LiveJob, postings: types_pb.Postings) -> tuple[int, int]:
        """Net fare and pay of a job that ends, booked."""
        return self.money.settle(KINDS[job.kind], postings.legs, self.couriers)

    def _book(self, postings: types_pb.Postings) -> None:
        self.money.settle("", postings.legs, self.couriers)

    def _end(self, job_id: str, state: str) -> None:
        self.jobs_ended[state] += 1
        del self.jobs[job_id]

    def _ring(self, now_us: int) -> None:
        """Do what is due by now, before what happens now."""
        self.nudges.look(self.couriers, now_us)
        self.exits.look(self.couriers, self.online, now_us)
        if now_us >= self.time.hour_end_us:
            self._turn_hour(now_us)
        if now_us >= self.weeks.end_us:
            self._turn_week(now_us)
        self._set_alarm()

    def _set_alarm(self) -> None:
        due = [watched[0][0] for watched in (self.nudges.watched, self.exits.watched) if watched]
        self.alarm_us = min([self.weeks.end_us, self.time.hour_end_us, *due])

    def _turn_hour(self, now_us: int) -> None:
        """Count the hours that are over, one by one: the one that was running, and others while somebody is online."""
        time = self.time
        running = bool(time.hour_end_us)
        while running and now_us >= time.hour_end_us:
            self._advance_all(time.hour_end_us)
            time.turn_hour(self.couriers.values())
            time.hour_end_us += HOUR_US
            running = bool(self.online)
        time.hour_end_us = (now_us // HOUR_US + 1) * HOUR_US

    def _advance_all(self, now_us: int) -> None:
        self.whereabouts.fold()
        for courier_id in self.online:
            courier = self.couriers[courier_id]
            advance(courier, self.jobs, now_us)
            courier.metres += self.whereabouts.collect(courier.number)

    def _turn_week(self, now_us: int) -> None:
        """The week from Monday, 00:00 UTC, is over: what it came to for each courier is noted, and who has been away
        for long is forgotten."""
        end_us = self.weeks.end_us
        if end_us:
            self._advance_all(end_us)
            self.weeks.close(self.couriers, self.terms, self.exits, end_us)
            for courier_id in [
                name
                for name, courier in self.couriers.items()
                if name not in self.online and courier.last_us < end_us - FORGOTTEN_AFTER_US
            ]:
                self.time.forgotten.add(self.couriers.pop(courier_id))
        start_us = (now_us - FIRST_MONDAY_US) // WEEK_US * WEEK_US + FIRST_MONDAY_US
        self.weeks.start_us, self.weeks.end_us = start_us, start_us + WEEK_US


GATES = {number: name.removeprefix("GATE_").lower() for name, number in offer_pb.Gate.items()}
CHECKS = {
    number: name.removeprefix("PLAUSIBILITY_CHECK_").lower()
    for name, number in transparency_pb.PlausibilityCheck.items()
}
TRIP_USES = {number: name.removeprefix("TRIP_USE_").lower() for name, number in events_pb.TripUse.items()}
STATE_NAMES = {state: lifecycle.state_name(state) for state in job_pb.JobState.values()}
_ADAPTER = TypeAdapter(Measures)
_FOLD: dict[str, Callable[[Measures, Any], None]] = complete(
    {
        "market_opened": Measures._market_opened,
        "subject_quarantined": Measures._subject_quarantined,
        "policy_set": Measures._policy_set,
        "zones_set": Measures._zones_set,
        "job_quoted": Measures._job_quoted,
        "job_placed": Measures._job_placed,
        "job_queued": Measures._job_queued,
        "job_expired": Measures._job_expired,
        "job_cancelled": Measures._job_cancelled,
        "job_released": Measures._job_released,
        "job_failed": Measures._job_failed,
        "courier_arrived": Measures._courier_arrived,
        "job_picked_up": Measures._job_picked_up,
        "job_completed": Measures._job_completed,
        "courier_online": Measures._courier_online,
        "courier_offline": Measures._courier_offline,
        "queue_joined": Measures._queue_joined,
        "queue_left": Measures._queue_left,
        "round_settled": Measures._round_settled,
        "offer_made": Measures._offer_made,
        "offer_answered": Measures._offer_answered,
        "job_rated": Measures._job_rated,
        "rating_revised": Measures._rating_revised,
        "surge_updated": Measures._surge_updated,
        "nudge_sent": Measures._nudge_sent,
        "nudge_closed": Measures._nudge_closed,
        "tip_added": Measures._tip_added,
        "period_settled": Measures._period_settled,
        "standing_changed": Measures._standing_changed,
        "progress_flagged": Measures._progress_flagged,
        "review_opened": Measures._review_opened,
        "review_claimed": Measures._review_claimed,
        "review_opinion_given": Measures._review_opinion_given,
        "review_decided": Measures._review_decided,
    },
    bodies_for(Use.MEASURES),
    "functions that count events in the measures",
)
