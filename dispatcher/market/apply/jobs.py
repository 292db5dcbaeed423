"""Events of jobs, from placing to their end."""

from __future__ import annotations

from dispatcher.market import learning, lifecycle
from dispatcher.market.apply.people import note_conduct
from dispatcher.market.apply.records import advance, changed, end_job, enqueue, exclude, hand_back, pay
from dispatcher.market.state import Due, MarketState
from dispatcher.messages import copied
from dispatcher.occurred import occurred_time, occurred_us
from dispatcher.pay import ledger
from dispatcher.pricing.amounts import saturated
from dispatcher.times import SECOND, micros, rounded_us
from gig.v1 import events_pb2 as events_pb
from gig.v1 import job_pb2 as job_pb
from gig.v1 import types_pb2 as types_pb

Event = events_pb.Event


def job_quoted(state: MarketState, event: Event) -> None:
    job = _enter_job(state, event, event.job_quoted.job)
    state.push_due(micros(job.quote_expire_time), Due.QUOTE, job.job_id)


def job_placed(state: MarketState, event: Event) -> None:
    job = _enter_job(state, event, event.job_placed.job)
    if job.state == lifecycle.SCHEDULED:
        state.push_due(state.queue_moment(job), Due.QUEUE, job.job_id)
    else:
        enqueue(state, job, event)


def _enter_job(state: MarketState, event: Event, record: job_pb.Job) -> job_pb.Job:
    job = copied(record)
    job.sequence = event.sequence
    state.jobs[job.job_id] = job
    return job


def job_queued(state: MarketState, event: Event) -> None:
    enqueue(state, changed(state, event.job_queued.job_id, event), event)


def job_expired(state: MarketState, event: Event) -> None:
    end_job(state, event, event.job_expired.job_id, lifecycle.EXPIRED, job_pb.ACTOR_RULE, event.job_expired.reason)


def job_cancelled(state: MarketState, event: Event) -> None:
    body = event.job_cancelled
    job = end_job(state, event, body.job_id, lifecycle.CANCELLED, body.by, body.reason, body)
    job.fault, job.fault_reason = body.fault, body.fault_reason
    courier_id = job.courier_id
    if courier_id and job.job_id in state.couriers[courier_id].job_ids:
        settle(state, job, courier_id, body.postings)
        hand_back(state, courier_id, job.job_id, event, body)


def job_released(state: MarketState, event: Event) -> None:
    body = event.job_released
    enqueue(state, changed(state, body.job_id, event), event)
    exclude(state, body.job_id, body.courier_id)
    hand_back(state, body.courier_id, body.job_id, event, body)
    if body.fault == job_pb.FAULT_COURIER:
        note_conduct(state, body.courier_id, released=1.0)


def job_failed(state: MarketState, event: Event) -> None:
    body = event.job_failed
    by = body.by or job_pb.ACTOR_COURIER
    job = end_job(state, event, body.job_id, lifecycle.FAILED, by, body.reason, body)
    job.fault, job.fault_reason = body.fault, body.fault_reason
    settle(state, job, body.courier_id, body.postings)
    hand_back(state, body.courier_id, body.job_id, event, body)


def courier_arrived(state: MarketState, event: Event) -> None:
    body = event.courier_arrived
    job = changed(state, body.job_id, event)
    job.state = lifecycle.AT_PICKUP
    job.arrive_time.CopyFrom(occurred_time(body, event.time))
    at_us = occurred_us(body, state.time_us)
    advance(state, job, job.spec.pickup.position, at_us, at_us)


def job_picked_up(state: MarketState, event: Event) -> None:
    job = changed(state, event.job_picked_up.job_id, event)
    job.state = lifecycle.PICKED_UP
    body = event.job_picked_up
    job.pickup_time.CopyFrom(occurred_time(body, event.time))
    for price, line in ((job.fare, body.fare_waiting), (job.pay, body.pay_waiting)):
        if line.minor_units:
            price.lines.append(line)
            price.total.minor_units = saturated(price.total.minor_units + line.minor_units)
    assert state.travel is not None, "a market is opened with its policy"
    service_us = rounded_us(state.travel.half_pickup_service_s * SECOND)
    at_us = occurred_us(body, state.time_us)
    advance(state, job, job.spec.pickup.position, at_us, at_us + service_us)
    if len(state.couriers[job.courier_id].job_ids) == 1:
        state.direct.add(job.job_id)


def job_completed(state: MarketState, event: Event) -> None:
    body = event.job_completed
    job = end_job(state, event, body.job_id, lifecycle.COMPLETED, job_pb.ACTOR_COURIER, "", body)
    if body.HasField("top_up"):
        job.pay.lines.append(body.top_up)
        job.pay.total.minor_units = saturated(job.pay.total.minor_units + body.top_up.minor_units)
    state.couriers[body.courier_id].jobs_completed += 1
    learning.learn(state, state.jobs[body.job_id], body.trip_use)
    settle(state, job, body.courier_id, body.postings)
    metres = job.pickup_distance_metres + job.trip_distance_metres
    clock = state.clocks[body.courier_id]
    clock.engaged_metres = saturated(clock.engaged_metres + metres)
    hand_back(state, body.courier_id, body.job_id, event, body, state.jobs[body.job_id].spec.dropoff.position)


def settle(state: MarketState, job: job_pb.Job, courier_id: str, postings: types_pb.Postings) -> None:
    """What the ended job came to, on its record and in the courier's earnings."""
    ledger.settle(job, postings)
    pay(state, courier_id, postings)
