"""A client's commands: quote, place, cancel."""

from __future__ import annotations

from math import ceil

from dispatcher import commands
from dispatcher.errors import InvalidField, NotYours, WrongState
from dispatcher.market import lifecycle
from dispatcher.market.decide.barred import check_barred
from dispatcher.market.decide.drafts import Drafts
from dispatcher.market.decide.shift import end_shift, ends_shift
from dispatcher.market.decide.surge import surge_at
from dispatcher.market.lifecycle import Step, next_state
from dispatcher.market.limits import check_at_most, dropoff_horizon_us, longest_trip_us
from dispatcher.market.queue import promised_us
from dispatcher.market.state import MarketState
from dispatcher.pay import cancellation, ledger
from dispatcher.pricing.amounts import MOST
from dispatcher.pricing.job_price import price_job
from dispatcher.times import SECOND, micros, span, timestamp
from gig.v1 import courier_service_pb2 as courier_pb
from gig.v1 import events_pb2 as events_pb
from gig.v1 import job_pb2 as job_pb

# The longest trip that is priced: metres, and seconds. The money of pricing and pay is bounded by it.
LONGEST_TRIP = 10**9
# A pickup time so long ago still means now.
PAST_PICKUP_US = 60 * SECOND


def quote(state: MarketState, command: commands.QuoteJob, now_us: int, drafts: Drafts) -> str:
    event = drafts.add()
    job = event.job_quoted.job
    _price(state, job, command, now_us)
    _name_decisions(job, event, drafts)
    job.state = lifecycle.QUOTED
    job.quote_expire_time.CopyFrom(timestamp(now_us + span(state.policy.jobs.quote_validity)))
    return job.job_id


def place(state: MarketState, command: commands.PlaceJob, now_us: int, drafts: Drafts) -> str:
    # Filled in place: a copy of a whole job is the dearest part of this call.
    event = drafts.add()
    job = event.job_placed.job
    _price(state, job, command, now_us)
    _name_decisions(job, event, drafts)
    _place(state, job, now_us)
    return job.job_id


def _name_decisions(job: job_pb.Job, event: events_pb.Event, drafts: Drafts) -> None:
    job.price_decision_id = drafts.new_id("price", event)
    if job.HasField("surge"):
        job.surge_decision_id = drafts.new_id("surge", event)


def take_quote(state: MarketState, command: commands.TakeQuote, now_us: int, drafts: Drafts) -> str:
    check_barred(state.account(command.client_id))
    quoted = _own_job(state, command.quote_id, command.client_id)
    next_state(quoted, Step.PLACE)
    if now_us >= micros(quoted.quote_expire_time):
        raise WrongState("QUOTE_EXPIRED", "the quote has expired; ask for a new one", quote_id=quoted.job_id)
    job = drafts.add().job_placed.job
    job.CopyFrom(quoted)
    _place(state, job, now_us)
    return job.job_id


def _place(state: MarketState, job: job_pb.Job, now_us: int) -> None:
    job.place_time.CopyFrom(timestamp(now_us))
    promised = promised_us(job, state.policy)
    if promised is not None:
        job.promise_time.CopyFrom(timestamp(promised))
    later = job.spec.HasField("pickup_after") and (
        micros(job.spec.pickup_after) - span(state.policy.matching.lead_time) > now_us
    )
    job.state = lifecycle.SCHEDULED if later else lifecycle.QUEUED


def cancel(state: MarketState, command: commands.CancelJob, now_us: int, drafts: Drafts) -> str:
    job = _own_job(state, command.job_id, command.client_id)
    next_state(job, Step.CANCEL)
    if job.state == lifecycle.OFFERED:
        drafts.add(
            offer_answered=events_pb.OfferAnswered(
                offer_id=job.offer_id,
                job_ids=[offered.job_id for offered in state.offers[job.offer_id].jobs],
                courier_id=job.courier_id,
                outcome=courier_pb.OFFER_OUTCOME_WITHDRAWN,
                reason="the client cancelled",
            )
        )
    found = cancellation.client_cancels(job, _expected_at_pickup(state, job), state.policy.jobs, now_us)
    row = cancellation.consequence(state.policy.cancellations, job, job_pb.ACTOR_CLIENT, found.fault)
    held = job.state in lifecycle.HELD
    cancelled = drafts.add(
        job_cancelled=events_pb.JobCancelled(
            job_id=job.job_id,
            by=job_pb.ACTOR_CLIENT,
            reason=command.reason,
            postings=ledger.cancellation(job, row) if held else None,
            fault=found.fault,
            fault_reason=found.reason,
            courier_id=job.courier_id if held else "",
            policy_version=state.policy.version,
        )
    )
    cancelled.job_cancelled.decision_id = drafts.new_id("cancellation", cancelled)
    if job.state in lifecycle.HELD and ends_shift(state.courier(job.courier_id)):
        end_shift(
            state, job.courier_id, "closed after the job", drafts.events[-1].job_cancelled.postings, now_us, drafts
        )
    return job.job_id


def _expected_at_pickup(state: MarketState, job: job_pb.Job) -> int | None:
    """When the courier's plan has the job picked up, or None where nobody holds it."""
    courier = state.couriers.get(job.courier_id)
    stops = courier.plan if courier is not None else ()
    found = (stop for stop in stops if stop.job_id == job.job_id and stop.kind == job_pb.STOP_KIND_PICKUP)
    stop = next(found, None)
    return None if stop is None else micros(stop.expected_time)


def _own_job(state: MarketState, job_id: str, client_id: str) -> job_pb.Job:
    job = state.job(job_id)
    if job.client_id != client_id:
        raise NotYours("NOT_YOUR_JOB", f"job {job_id!r} belongs to another client", job_id=job_id)
    return job


def _price(state: MarketState, job: job_pb.Job, command: commands.QuoteJob | commands.PlaceJob, now_us: int) -> None:
    """Fill in trip, fare and pay, checked against zones, tariffs and the schedule's horizon."""
    spec = command.spec
    _check_zones(state, spec)
    _check_schedule(state, spec, now_us)
    check_barred(state.account(command.client_id))
    policy = state.policy
    fare, pay = state.fares.get(spec.kind), state.pays.get(spec.kind)
    if fare is None or pay is None:
        raise InvalidField("spec.kind", "this market does not take jobs of this kind", "KIND_NOT_SERVED")
    leaves_us = max(now_us, micros(spec.pickup_after)) if spec.HasField("pickup_after") else now_us
    metres, seconds = trip(state, spec, leaves_us)
    job.job_id, job.client_id = command.job_id, command.client_id
    job.spec.CopyFrom(spec)
    start = spec.pickup.position
    surge = surge_at(state, start.latitude, start.longitude, now_us)
    price_job(job, fare, pay, policy, metres, seconds, surge)
    if max(job.fare.total.minor_units, job.pay.total.minor_units) > MOST:
        raise InvalidField("spec.dropoff.position", f"the trip would cost more than {MOST} minor units", "TOO_DEAR")
    job.trip_distance_metres = metres
    job.trip_duration.seconds = seconds
    job.policy_version = policy.version


def trip(state: MarketState, spec: job_pb.JobSpec, leaves_us: int) -> tuple[int, int]:
    """Return metres, to the nearest integer, and seconds from pickup to drop-off for a trip that begins at a time.

    Seconds are rounded up, so that a promise of exactly this duration can be kept. Rounding to microseconds first keeps
    a whole number that is off in its last bits.

    Raises InvalidField where the travel model knows no way, or only one beyond LONGEST_TRIP or the policy's limit.
    """
    assert state.travel is not None, "a market is opened with its policy"
    start, end = spec.pickup.position, spec.dropoff.position
    metres, seconds = state.travel.leg(start.latitude, start.longitude, end.latitude, end.longitude, leaves_us / SECOND)
    if not (0 <= metres <= LONGEST_TRIP and 0 <= seconds <= LONGEST_TRIP):
        raise InvalidField("spec.dropoff.position", "no way leads there from the pickup", "NO_WAY")
    longest_s = longest_trip_us(state.policy) // SECOND
    if not seconds <= longest_s:
        text = (
            f"lies {metres / 1000:.0f} km and {seconds / 3600:.1f} h of travel from the pickup; this market takes "
            f"trips of at most {longest_s} s of travel (jobs.longest_trip of its policy)"
        )
        raise InvalidField("spec.dropoff.position", text, "TRIP_TOO_LONG")
    return round(metres), ceil(round(seconds, 6))


def _check_zones(state: MarketState, spec: job_pb.JobSpec) -> None:
    for end in ("pickup", "dropoff"):
        position = getattr(spec, end).position
        refusal = state.zones.refusal(position.latitude, position.longitude, end)
        if refusal:
            raise InvalidField(f"spec.{end}.position", refusal, "ZONE")


def _check_schedule(state: MarketState, spec: job_pb.JobSpec, now_us: int) -> None:
    """Raise InvalidField where a time lies in the past, or further ahead than the policy allows."""
    wanted_us = now_us
    if spec.HasField("pickup_after"):
        wanted_us = micros(spec.pickup_after)
        if wanted_us < now_us - PAST_PICKUP_US:
            raise InvalidField("spec.pickup_after", "lies in the past", "PAST_SCHEDULE")
        horizon_us = now_us + span(state.policy.jobs.schedule_horizon)
        check_at_most("spec.pickup_after", wanted_us, horizon_us, "BEYOND_HORIZON")
    if not spec.HasField("dropoff_before"):
        return
    latest_us = micros(spec.dropoff_before)
    if latest_us <= now_us:
        raise InvalidField("spec.dropoff_before", "lies in the past", "PAST_PROMISE")
    if spec.HasField("pickup_after") and latest_us <= wanted_us:
        raise InvalidField("spec.dropoff_before", "lies before pickup_after", "PAST_PROMISE")
    horizon_us = max(wanted_us, now_us) + dropoff_horizon_us(state.policy)
    check_at_most("spec.dropoff_before", latest_us, horizon_us, "BEYOND_HORIZON")
