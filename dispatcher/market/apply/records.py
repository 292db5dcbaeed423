"""Changes of single records that several events share: a job's state and queue, a courier's plan and columns."""

from __future__ import annotations

from dispatcher.market import lifecycle, plans
from dispatcher.market.backoff import again
from dispatcher.market.clocks import PHASE_OF
from dispatcher.market.queue import queued
from dispatcher.market.state import Due, MarketState
from dispatcher.occurred import occurred_time, occurred_us
from dispatcher.pay.ledger import courier_amount
from dispatcher.pricing.amounts import saturated
from geo.cells import cell_at
from gig.v1 import courier_service_pb2 as courier_pb
from gig.v1 import events_pb2 as events_pb
from gig.v1 import job_pb2 as job_pb
from gig.v1 import types_pb2 as types_pb

Event = events_pb.Event
# Bodies of events that take a job from its courier.
Step = events_pb.JobCompleted | events_pb.JobFailed | events_pb.JobReleased | events_pb.JobCancelled


def changed(state: MarketState, job_id: str, event: Event) -> job_pb.Job:
    job = state.jobs[job_id]
    job.sequence = event.sequence
    return job


def enqueue(state: MarketState, job: job_pb.Job, event: Event) -> None:
    """Into the queue for the first time, or again after a courier gave the job up."""
    job.queue_time.CopyFrom(event.time)
    if state.policy.HasField("surge"):
        at, policy = job.spec.pickup.position, state.policy.surge
        state.recent_demand.pop(job.job_id, None)
        cell = cell_at(at.latitude, at.longitude, policy.resolution)
        state.recent_demand[job.job_id] = (state.time_us, cell)
    back_in_queue(state, job)


def back_in_queue(state: MarketState, job: job_pb.Job) -> None:
    job.state = lifecycle.QUEUED
    job.courier_id = job.offer_id = ""
    for passed in ("assign_time", "arrive_time"):
        job.ClearField(passed)
    state.queue[job.job_id] = queued(job, state.policy, state.zones)
    state.push_due(state.wait_limit(job), Due.WAIT, job.job_id)


def end_job(
    state: MarketState,
    event: Event,
    job_id: str,
    end: job_pb.JobState,
    by: job_pb.Actor,
    reason: str,
    body: Step | None = None,
) -> job_pb.Job:
    """``body``: of an event that a courier may have reported late."""
    job = changed(state, job_id, event)
    job.state = end
    job.ended_by, job.end_reason = by, reason
    job.end_time.CopyFrom(event.time if body is None else occurred_time(body, event.time))
    if job.end_time != event.time:
        job.end_report_time.CopyFrom(event.time)
    state.queue.pop(job_id, None)
    state.exclusions.pop(job_id, None)
    if end != lifecycle.COMPLETED:
        state.direct.discard(job_id)
    state.ended.append((state.time_us, job_id))
    return job


def refresh(state: MarketState, courier: courier_pb.Courier, at_us: int | None = None) -> None:
    """Let the courier's state and columns follow from the jobs in progress and the open offer.

    ``at_us``: when a job of the courier's took a step, which ends a stretch of work. Other changes end one only where
    the phase changes, so that a step that is reported late can still divide the time before it.
    """
    if courier.state != courier_pb.COURIER_STATE_OFFLINE:
        after = working_state(state, courier)
        if at_us is not None or PHASE_OF.get(after) != PHASE_OF.get(courier.state):
            state.clocks[courier.courier_id].advance(courier.state, state.time_us if at_us is None else at_us)
        courier.state = after
    if courier.HasField("silent_since") and courier.state != courier_pb.COURIER_STATE_WITH_JOB:
        heard(state, courier)
    state.columns.refresh(state.numbers[courier.courier_id], courier)


def heard(state: MarketState, courier: courier_pb.Courier) -> None:
    """The courier is not counted as silent any more."""
    courier.ClearField("silent_since")
    state.silent.pop(courier.courier_id, None)


def working_state(state: MarketState, courier: courier_pb.Courier) -> courier_pb.CourierState:
    stages = {state.jobs[job_id].state for job_id in courier.job_ids}
    if lifecycle.PICKED_UP in stages:
        return courier_pb.COURIER_STATE_WITH_JOB
    if lifecycle.AT_PICKUP in stages:
        return courier_pb.COURIER_STATE_AT_PICKUP
    if stages:
        return courier_pb.COURIER_STATE_TO_PICKUP
    return courier_pb.COURIER_STATE_OFFERED if courier.offer_id else courier_pb.COURIER_STATE_FREE


def advance(state: MarketState, job: job_pb.Job, position: types_pb.Position, at_us: int, leaves_us: int) -> None:
    """Move the courier on to ``position``, reached at ``at_us`` and left at ``leaves_us``."""
    courier = state.couriers[job.courier_id]
    plans.drop_what_is_done(state, courier)
    plans.expect_from(state, courier, position, leaves_us)
    replan(state, courier)
    refresh(state, courier, at_us)


def replan(state: MarketState, courier: courier_pb.Courier) -> None:
    """The columns follow the plan."""
    number = state.numbers[courier.courier_id]
    if not courier.plan:
        state.columns.set_plan(number, None, 0)
        return
    state.columns.set_plan(number, *plans.end_of(state, courier))


def hand_back(
    state: MarketState, courier_id: str, job_id: str, event: Event, body: Step, at: types_pb.Position | None = None
) -> None:
    """Take the job from the courier. ``body``: of the event; ``at``: where the job was delivered."""
    at_us = occurred_us(body, state.time_us)
    courier = state.couriers[courier_id]
    courier.job_ids.remove(job_id)
    plans.drop_what_is_done(state, courier)
    if at is not None:
        plans.expect_from(state, courier, at, at_us)
    if not courier.job_ids:
        courier.free_time.CopyFrom(occurred_time(body, event.time))
    replan(state, courier)
    refresh(state, courier, at_us)


def pay(state: MarketState, courier_id: str, postings: types_pb.Postings) -> None:
    courier = state.couriers[courier_id]
    amount = courier_amount(postings, courier_id)
    courier.shift_pay_minor_units = saturated(courier.shift_pay_minor_units + amount)
    open_period(state, courier_id)
    clock = state.clocks[courier_id]
    clock.earned = saturated(clock.earned + amount)
    state.columns.shift_pay[state.numbers[courier_id]] = courier.shift_pay_minor_units


def open_period(state: MarketState, courier_id: str) -> None:
    """A pay period begins with the first work in it."""
    clock = state.clocks[courier_id]
    if not clock.period_us and state.policy.floor.HasField("engaged"):
        clock.begin_period(state.time_us)
        push_period(state, courier_id)


def push_period(state: MarketState, courier_id: str) -> None:
    end_us = state.period_end(courier_id)
    if end_us is not None:
        state.push_due(end_us, Due.PERIOD, courier_id)


def exclude(state: MarketState, job_id: str, courier_id: str) -> None:
    """Do not offer the job to the courier again for a while, which grows with each time."""
    couriers = state.exclusions.setdefault(job_id, {})
    couriers[courier_id] = again(state.policy.offers, couriers.get(courier_id), state.time_us)
