"""Events change the state, and nothing else does. No event can be refused: what happened, happened."""

from __future__ import annotations

import heapq
from collections.abc import Callable

import numpy as np

from dispatcher.market import lifecycle
from dispatcher.market.queue import queued
from dispatcher.market.state import ClosedOffer, Due, MarketState
from dispatcher.market.travel import travel_model
from dispatcher.pay.ledger import courier_amount
from dispatcher.times import SECOND, micros, span
from geo.zones import ZoneSet
from gig.v1 import courier_service_pb2 as courier_pb
from gig.v1 import events_pb2 as events_pb
from gig.v1 import job_pb2 as job_pb
from gig.v1 import types_pb2 as types_pb
from ratings.score import Score

Event = events_pb.Event


def apply(state: MarketState, event: Event) -> None:
    """Fold one event; sequences must follow one another without a gap."""
    if event.sequence != state.sequence + 1:
        raise ValueError(f"event {event.sequence} cannot follow event {state.sequence}")
    state.sequence = event.sequence
    state.time_us = micros(event.time)
    if event.HasField("request"):
        state.requests[event.request.key] = (event.request, state.time_us)
    body = event.WhichOneof("body")
    _APPLY[body](state, event)
    _forget(state)
    while state.due and not state.is_current(state.due[0]):
        heapq.heappop(state.due)


def _forget(state: MarketState) -> None:
    """Drop what is older than the policy's memory: ended jobs, closed offers, request ids."""
    before = state.time_us - span(state.policy.jobs.memory)
    while state.ended and state.ended[0][0] < before:
        job_id = state.ended.popleft()[1]
        state.jobs.pop(job_id, None)
        state.rated -= {f"{job_id}/{job_pb.ACTOR_CLIENT}", f"{job_id}/{job_pb.ACTOR_COURIER}"}
    while state.requests and (oldest := next(iter(state.requests.items())))[1][1] < before:
        del state.requests[oldest[0]]
    while state.closed_offers and (first := next(iter(state.closed_offers.items())))[1].time_us < before:
        del state.closed_offers[first[0]]


def _market_opened(state: MarketState, event: Event) -> None:
    state.market_id = event.market_opened.market_id


def _policy_set(state: MarketState, event: Event) -> None:
    state.policy = event.policy_set.policy
    state.travel = travel_model(state.policy)
    for job_id in state.queue:
        job = state.jobs[job_id]
        state.queue[job_id] = queued(job, state.policy)
        state.push_due(state.wait_limit(job), Due.WAIT, job_id)
    for job in state.jobs.values():
        if job.state == lifecycle.SCHEDULED:
            state.push_due(state.queue_moment(job), Due.QUEUE, job.job_id)


def _zones_set(state: MarketState, event: Event) -> None:
    state.zones_geojson = event.zones_set.geojson
    state.zones = ZoneSet.from_geojson(state.zones_geojson)


# --- jobs


def _job_quoted(state: MarketState, event: Event) -> None:
    job = _enter_job(state, event, event.job_quoted.job)
    state.push_due(micros(job.quote_expire_time), Due.QUOTE, job.job_id)


def _job_placed(state: MarketState, event: Event) -> None:
    job = _enter_job(state, event, event.job_placed.job)
    if job.state == lifecycle.SCHEDULED:
        state.push_due(state.queue_moment(job), Due.QUEUE, job.job_id)
    else:
        _enqueue(state, job, event)


def _enter_job(state: MarketState, event: Event, record: job_pb.Job) -> job_pb.Job:
    job = job_pb.Job()
    job.CopyFrom(record)
    job.sequence = event.sequence
    state.jobs[job.job_id] = job
    return job


def _enqueue(state: MarketState, job: job_pb.Job, event: Event) -> None:
    """Into the queue for the first time, or again after a courier gave the job up."""
    job.queue_time.CopyFrom(event.time)
    _back_in_queue(state, job)


def _back_in_queue(state: MarketState, job: job_pb.Job) -> None:
    job.state = lifecycle.QUEUED
    job.courier_id = job.offer_id = ""
    for passed in ("assign_time", "arrive_time"):
        job.ClearField(passed)
    state.queue[job.job_id] = queued(job, state.policy)
    state.push_due(state.wait_limit(job), Due.WAIT, job.job_id)


def _job_queued(state: MarketState, event: Event) -> None:
    _enqueue(state, _changed(state, event.job_queued.job_id, event), event)


def _job_expired(state: MarketState, event: Event) -> None:
    _end(state, event, event.job_expired.job_id, lifecycle.EXPIRED, job_pb.ACTOR_RULE, event.job_expired.reason)


def _job_cancelled(state: MarketState, event: Event) -> None:
    body = event.job_cancelled
    courier_id = state.jobs[body.job_id].courier_id
    job = _end(state, event, body.job_id, lifecycle.CANCELLED, body.by, body.reason)
    if courier_id and state.couriers[courier_id].job_id == job.job_id:
        _pay(state, courier_id, body.postings)
        _free(state, courier_id, event)


def _job_released(state: MarketState, event: Event) -> None:
    body = event.job_released
    _enqueue(state, _changed(state, body.job_id, event), event)
    _exclude(state, body.job_id, body.courier_id)
    _free(state, body.courier_id, event)


def _job_failed(state: MarketState, event: Event) -> None:
    body = event.job_failed
    _end(state, event, body.job_id, lifecycle.FAILED, job_pb.ACTOR_COURIER, body.reason)
    _pay(state, body.courier_id, body.postings)
    _free(state, body.courier_id, event)


def _courier_arrived(state: MarketState, event: Event) -> None:
    job = _changed(state, event.courier_arrived.job_id, event)
    job.state = lifecycle.AT_PICKUP
    job.arrive_time.CopyFrom(event.time)
    _set_courier(state, job.courier_id, courier_pb.COURIER_STATE_AT_PICKUP)


def _job_picked_up(state: MarketState, event: Event) -> None:
    job = _changed(state, event.job_picked_up.job_id, event)
    job.state = lifecycle.PICKED_UP
    job.pickup_time.CopyFrom(event.time)
    _set_courier(state, job.courier_id, courier_pb.COURIER_STATE_WITH_JOB)


def _job_completed(state: MarketState, event: Event) -> None:
    body = event.job_completed
    _end(state, event, body.job_id, lifecycle.COMPLETED, job_pb.ACTOR_COURIER, "")
    state.couriers[body.courier_id].jobs_completed += 1
    _pay(state, body.courier_id, body.postings)
    _free(state, body.courier_id, event)


def _changed(state: MarketState, job_id: str, event: Event) -> job_pb.Job:
    job = state.jobs[job_id]
    job.sequence = event.sequence
    return job


def _end(
    state: MarketState, event: Event, job_id: str, end: job_pb.JobState, by: job_pb.Actor, reason: str
) -> job_pb.Job:
    job = _changed(state, job_id, event)
    job.state = end
    job.ended_by, job.end_reason = by, reason
    job.end_time.CopyFrom(event.time)
    state.queue.pop(job_id, None)
    state.exclusions.pop(job_id, None)
    state.ended.append((state.time_us, job_id))
    return job


# --- couriers


def _courier_online(state: MarketState, event: Event) -> None:
    body = event.courier_online
    before = state.couriers.get(body.courier_id)
    courier = courier_pb.Courier(
        courier_id=body.courier_id,
        state=courier_pb.COURIER_STATE_FREE,
        profile=body.profile,
        online_time=event.time,
        free_time=event.time,
        jobs_completed=before.jobs_completed if before is not None else 0,
    )
    if body.HasField("shift_end"):
        courier.shift_end.CopyFrom(body.shift_end)
    state.couriers[body.courier_id] = courier
    state.numbers[body.courier_id] = body.courier_number
    state.columns.enter(body.courier_number, courier)
    state.columns.latitude_e7[body.courier_number] = body.latitude_e7
    state.columns.longitude_e7[body.courier_number] = body.longitude_e7


def _courier_closing(state: MarketState, event: Event) -> None:
    courier = state.couriers[event.courier_closing.courier_id]
    courier.closing = True


def _courier_offline(state: MarketState, event: Event) -> None:
    body = event.courier_offline
    _pay(state, body.courier_id, body.postings)
    courier = state.couriers[body.courier_id]
    courier.closing = False
    courier.ClearField("free_time")
    _set_courier(state, body.courier_id, courier_pb.COURIER_STATE_OFFLINE)


def _set_courier(state: MarketState, courier_id: str, to: courier_pb.CourierState) -> None:
    courier = state.couriers[courier_id]
    courier.state = to
    state.columns.refresh(state.numbers[courier_id], courier)


def _free(state: MarketState, courier_id: str, event: Event) -> None:
    """The courier holds nothing any more."""
    courier = state.couriers[courier_id]
    courier.job_id = courier.offer_id = ""
    courier.free_time.CopyFrom(event.time)
    _set_courier(state, courier_id, courier_pb.COURIER_STATE_FREE)


def _pay(state: MarketState, courier_id: str, postings: types_pb.Postings) -> None:
    state.couriers[courier_id].shift_pay_minor_units += courier_amount(postings, courier_id)


# --- rounds and offers


def _round_settled(state: MarketState, event: Event) -> None:
    body = event.round_settled
    numbers = np.cumsum(np.array(body.moved_number_deltas, np.int64))
    state.columns.latitude_e7[numbers] += np.array(body.moved_latitude_e7_deltas, np.int64)
    state.columns.longitude_e7[numbers] += np.array(body.moved_longitude_e7_deltas, np.int64)


def _offer_made(state: MarketState, event: Event) -> None:
    offer = event.offer_made.offer
    state.offers[offer.offer_id] = offer
    state.push_due(micros(offer.expire_time), Due.OFFER, offer.offer_id)
    job = _changed(state, offer.job_id, event)
    job.state = lifecycle.OFFERED
    job.courier_id, job.offer_id = offer.courier_id, offer.offer_id
    job.offers_made += 1
    state.queue.pop(job.job_id)
    state.couriers[offer.courier_id].offer_id = offer.offer_id
    _set_courier(state, offer.courier_id, courier_pb.COURIER_STATE_OFFERED)


def _offer_answered(state: MarketState, event: Event) -> None:
    body = event.offer_answered
    offer = state.offers.pop(body.offer_id)
    state.closed_offers[body.offer_id] = ClosedOffer(body.courier_id, body.outcome, state.time_us)
    job = _changed(state, body.job_id, event)
    if body.outcome == courier_pb.OFFER_OUTCOME_ACCEPTED:
        job.state = lifecycle.ASSIGNED
        job.assign_time.CopyFrom(event.time)
        job.pay.CopyFrom(offer.pay)
        job.pickup_distance_metres = offer.pickup_distance_metres
        state.couriers[body.courier_id].job_id = body.job_id
        _set_courier(state, body.courier_id, courier_pb.COURIER_STATE_TO_PICKUP)
        return
    _back_in_queue(state, job)
    if body.outcome != courier_pb.OFFER_OUTCOME_WITHDRAWN:
        _exclude(state, body.job_id, body.courier_id)
    # A courier who declines goes on waiting: the wait is not counted anew.
    courier = state.couriers[body.courier_id]
    courier.offer_id = ""
    _set_courier(state, body.courier_id, courier_pb.COURIER_STATE_FREE)


def _exclude(state: MarketState, job_id: str, courier_id: str) -> None:
    until = state.time_us + span(state.policy.offers.reoffer_after)
    state.exclusions.setdefault(job_id, {})[courier_id] = until


# --- ratings


def _job_rated(state: MarketState, event: Event) -> None:
    rating = event.job_rated.rating
    state.rated.add(f"{rating.job_id}/{rating.rater}")
    policy = state.policy.ratings
    half_life = span(policy.half_life) / SECOND if policy.HasField("half_life") else None
    before = state.scores.get(rating.rated_id, Score())
    state.scores[rating.rated_id] = before.rated(rating.stars, state.time_us / SECOND, half_life)


_APPLY: dict[str, Callable[[MarketState, Event], None]] = {
    "market_opened": _market_opened,
    "policy_set": _policy_set,
    "zones_set": _zones_set,
    "job_quoted": _job_quoted,
    "job_placed": _job_placed,
    "job_queued": _job_queued,
    "job_expired": _job_expired,
    "job_cancelled": _job_cancelled,
    "job_released": _job_released,
    "job_failed": _job_failed,
    "courier_arrived": _courier_arrived,
    "job_picked_up": _job_picked_up,
    "job_completed": _job_completed,
    "courier_online": _courier_online,
    "courier_closing": _courier_closing,
    "courier_offline": _courier_offline,
    "round_settled": _round_settled,
    "offer_made": _offer_made,
    "offer_answered": _offer_answered,
    "job_rated": _job_rated,
}
