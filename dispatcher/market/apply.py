"""Events change the state, and nothing else does. No event can be refused: what happened, happened."""

from __future__ import annotations

import heapq
from collections.abc import Callable
from dataclasses import replace

import numpy as np

from dispatcher.market import lifecycle, plans
from dispatcher.market.queue import queued
from dispatcher.market.state import ClosedOffer, Due, MarketState, QueuePlace
from dispatcher.market.travel import travel_model, trips_of
from dispatcher.pay.ledger import courier_amount
from dispatcher.times import SECOND, micros, span
from geo.geojson import zones_from_geojson
from geo.learned_travel import LearnedTravel
from geo.units import from_e7
from gig.v1 import courier_service_pb2 as courier_pb
from gig.v1 import events_pb2 as events_pb
from gig.v1 import job_pb2 as job_pb
from gig.v1 import offer_pb2 as offer_pb
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
    state.travel = travel_model(state.policy, state.networks, trips_of(state.travel))
    _requeue(state)
    for job_id in state.queue:
        state.push_due(state.wait_limit(state.jobs[job_id]), Due.WAIT, job_id)
    for courier in state.couriers.values():
        if courier.plan:
            _replan(state, courier)
    for job in state.jobs.values():
        if job.state == lifecycle.SCHEDULED:
            state.push_due(state.queue_moment(job), Due.QUEUE, job.job_id)


def _zones_set(state: MarketState, event: Event) -> None:
    state.zones_geojson = event.zones_set.geojson
    state.zones = zones_from_geojson(state.zones_geojson)
    _requeue(state)
    for zone in [name for name in state.zone_queues if name not in state.zones.queue_names]:
        del state.zone_queues[zone]


def _requeue(state: MarketState) -> None:
    """The rows of all open jobs anew: they hold what policy and zones make of a job."""
    for job_id in state.queue:
        state.queue[job_id] = queued(state.jobs[job_id], state.policy, state.zones)


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
    state.queue[job.job_id] = queued(job, state.policy, state.zones)
    state.push_due(state.wait_limit(job), Due.WAIT, job.job_id)


def _job_queued(state: MarketState, event: Event) -> None:
    _enqueue(state, _changed(state, event.job_queued.job_id, event), event)


def _job_expired(state: MarketState, event: Event) -> None:
    _end(state, event, event.job_expired.job_id, lifecycle.EXPIRED, job_pb.ACTOR_RULE, event.job_expired.reason)


def _job_cancelled(state: MarketState, event: Event) -> None:
    body = event.job_cancelled
    courier_id = state.jobs[body.job_id].courier_id
    job = _end(state, event, body.job_id, lifecycle.CANCELLED, body.by, body.reason)
    if courier_id and job.job_id in state.couriers[courier_id].job_ids:
        _pay(state, courier_id, body.postings)
        _hand_back(state, courier_id, job.job_id, event)


def _job_released(state: MarketState, event: Event) -> None:
    body = event.job_released
    _enqueue(state, _changed(state, body.job_id, event), event)
    _exclude(state, body.job_id, body.courier_id)
    _hand_back(state, body.courier_id, body.job_id, event)


def _job_failed(state: MarketState, event: Event) -> None:
    body = event.job_failed
    _end(state, event, body.job_id, lifecycle.FAILED, job_pb.ACTOR_COURIER, body.reason)
    _pay(state, body.courier_id, body.postings)
    _hand_back(state, body.courier_id, body.job_id, event)


def _courier_arrived(state: MarketState, event: Event) -> None:
    job = _changed(state, event.courier_arrived.job_id, event)
    job.state = lifecycle.AT_PICKUP
    job.arrive_time.CopyFrom(event.time)
    _advance(state, job, job.spec.pickup.position, state.time_us)


def _job_picked_up(state: MarketState, event: Event) -> None:
    job = _changed(state, event.job_picked_up.job_id, event)
    job.state = lifecycle.PICKED_UP
    job.pickup_time.CopyFrom(event.time)
    assert state.travel is not None, "a market is opened with its policy"
    service_us = round(state.travel.half_pickup_service_s * SECOND)
    _advance(state, job, job.spec.pickup.position, state.time_us + service_us)
    if len(state.couriers[job.courier_id].job_ids) == 1:
        state.direct.add(job.job_id)


def _job_completed(state: MarketState, event: Event) -> None:
    body = event.job_completed
    _end(state, event, body.job_id, lifecycle.COMPLETED, job_pb.ACTOR_COURIER, "")
    state.couriers[body.courier_id].jobs_completed += 1
    _learn(state, state.jobs[body.job_id])
    _pay(state, body.courier_id, body.postings)
    _hand_back(state, body.courier_id, body.job_id, event, state.jobs[body.job_id].spec.dropoff.position)


def _learn(state: MarketState, job: job_pb.Job) -> None:
    """How long the trip took, for the travel model that learns: only of those that went straight from end to end."""
    travel = state.travel
    went_straight = job.job_id in state.direct
    state.direct.discard(job.job_id)
    if not went_straight or not isinstance(travel, LearnedTravel):
        return
    start, end = job.spec.pickup.position, job.spec.dropoff.position
    left_s = micros(job.pickup_time) / SECOND
    _, straight_s = travel.straight.leg(start.latitude, start.longitude, end.latitude, end.longitude, left_s)
    trips = travel.trips
    cells = trips.cell_at(start.latitude, start.longitude), trips.cell_at(end.latitude, end.longitude)
    taken_ms = (state.time_us - micros(job.pickup_time)) // 1000
    trips.add(*cells, int(left_s // 3600) % 24, 1, taken_ms, round(straight_s * 1000))


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
    if end != lifecycle.COMPLETED:
        state.direct.discard(job_id)
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
    if body.HasField("destination"):
        courier.destination.CopyFrom(body.destination)
    courier.may_reorder = body.may_reorder
    state.couriers[body.courier_id] = courier
    state.numbers[body.courier_id] = body.courier_number
    state.columns.enter(body.courier_number, courier)
    state.columns.latitude_e7[body.courier_number] = body.latitude_e7
    state.columns.longitude_e7[body.courier_number] = body.longitude_e7
    state.columns.position_us[body.courier_number] = state.time_us


def _courier_closing(state: MarketState, event: Event) -> None:
    courier = state.couriers[event.courier_closing.courier_id]
    courier.closing = True
    _refresh(state, courier)


def _courier_offline(state: MarketState, event: Event) -> None:
    body = event.courier_offline
    _pay(state, body.courier_id, body.postings)
    courier = state.couriers[body.courier_id]
    courier.closing = False
    courier.ClearField("free_time")
    courier.state = courier_pb.COURIER_STATE_OFFLINE
    _refresh(state, courier)


def _courier_destination_set(state: MarketState, event: Event) -> None:
    body = event.courier_destination_set
    courier = state.couriers[body.courier_id]
    courier.ClearField("destination")
    if body.HasField("destination"):
        courier.destination.CopyFrom(body.destination)
    _refresh(state, courier)


def _pair_blocked(state: MarketState, event: Event) -> None:
    body = event.pair_blocked
    couriers = state.blocked.setdefault(body.client_id, set())
    (couriers.add if body.blocked else couriers.discard)(body.courier_id)
    if not couriers:
        del state.blocked[body.client_id]


def _queue_joined(state: MarketState, event: Event) -> None:
    body = event.queue_joined
    queue = state.zone_queues.setdefault(body.zone, {})
    queue[body.courier_id] = QueuePlace(state.time_us, ranks=((state.time_us, len(queue)),))


def _queue_left(state: MarketState, event: Event) -> None:
    body = event.queue_left
    queue = state.zone_queues[body.zone]
    behind = list(queue).index(body.courier_id)
    queue.pop(body.courier_id)
    for rank, (courier_id, place) in enumerate(list(queue.items())[behind:], start=behind):
        queue[courier_id] = replace(place, ranks=(*place.ranks, (state.time_us, rank)))


def _refresh(state: MarketState, courier: courier_pb.Courier) -> None:
    """The courier's state and columns follow from what is in hand and what is offered."""
    if courier.state != courier_pb.COURIER_STATE_OFFLINE:
        courier.state = _working_state(state, courier)
    state.columns.refresh(state.numbers[courier.courier_id], courier)


def _working_state(state: MarketState, courier: courier_pb.Courier) -> courier_pb.CourierState:
    stages = {state.jobs[job_id].state for job_id in courier.job_ids}
    if lifecycle.PICKED_UP in stages:
        return courier_pb.COURIER_STATE_WITH_JOB
    if lifecycle.AT_PICKUP in stages:
        return courier_pb.COURIER_STATE_AT_PICKUP
    if stages:
        return courier_pb.COURIER_STATE_TO_PICKUP
    return courier_pb.COURIER_STATE_OFFERED if courier.offer_id else courier_pb.COURIER_STATE_FREE


def _advance(state: MarketState, job: job_pb.Job, position: types_pb.Position, leaves_us: int) -> None:
    """The courier has come as far as ``position``, and goes on from there."""
    courier = state.couriers[job.courier_id]
    plans.keep_what_is_to_do(state, courier, courier.plan)
    plans.expect_from(state, courier, position, leaves_us)
    _replan(state, courier)
    _refresh(state, courier)


def _replan(state: MarketState, courier: courier_pb.Courier) -> None:
    """The columns follow the plan."""
    number = state.numbers[courier.courier_id]
    if not courier.plan:
        state.columns.set_plan(number, plans.rows(state, courier), None, 0)
        return
    state.columns.set_plan(number, plans.rows(state, courier), *plans.end_of(state, courier))


def _hand_back(
    state: MarketState, courier_id: str, job_id: str, event: Event, at: types_pb.Position | None = None
) -> None:
    """The courier does not hold the job any more; ``at``: where it was delivered."""
    courier = state.couriers[courier_id]
    courier.job_ids.remove(job_id)
    plans.keep_what_is_to_do(state, courier, courier.plan)
    if at is not None:
        plans.expect_from(state, courier, at, state.time_us)
    if not courier.job_ids:
        courier.free_time.CopyFrom(event.time)
    _replan(state, courier)
    _refresh(state, courier)


def _pay(state: MarketState, courier_id: str, postings: types_pb.Postings) -> None:
    courier = state.couriers[courier_id]
    courier.shift_pay_minor_units += courier_amount(postings, courier_id)
    state.columns.shift_pay[state.numbers[courier_id]] = courier.shift_pay_minor_units


# --- rounds and offers


def _round_settled(state: MarketState, event: Event) -> None:
    body = event.round_settled
    numbers = np.cumsum(np.array(body.moved_number_deltas, np.int64))
    state.columns.latitude_e7[numbers] += np.array(body.moved_latitude_e7_deltas, np.int64)
    state.columns.longitude_e7[numbers] += np.array(body.moved_longitude_e7_deltas, np.int64)
    in_ms = np.array(body.moved_in_ms, np.int64) if body.moved_in_ms else 0
    state.columns.position_us[numbers] = micros(body.as_of) + in_ms * 1000


def _offer_made(state: MarketState, event: Event) -> None:
    offer = event.offer_made.offer
    state.offers[offer.offer_id] = offer
    state.push_due(micros(offer.expire_time), Due.OFFER, offer.offer_id)
    for offered in offer.jobs:
        job = _changed(state, offered.job_id, event)
        job.state = lifecycle.OFFERED
        job.courier_id, job.offer_id = offer.courier_id, offer.offer_id
        job.offers_made += 1
        state.queue.pop(job.job_id)
    courier = state.couriers[offer.courier_id]
    courier.offer_id = offer.offer_id
    _refresh(state, courier)


def _offer_answered(state: MarketState, event: Event) -> None:
    body = event.offer_answered
    offer = state.offers.pop(body.offer_id)
    state.closed_offers[body.offer_id] = ClosedOffer(body.courier_id, body.outcome, state.time_us, tuple(body.job_ids))
    courier = state.couriers[body.courier_id]
    courier.offer_id = ""
    _note_answer(state, body)
    if body.outcome == courier_pb.OFFER_OUTCOME_ACCEPTED:
        _accept(state, courier, offer, event)
    else:
        for offered in offer.jobs:
            _back_in_queue(state, _changed(state, offered.job_id, event))
            if body.outcome != courier_pb.OFFER_OUTCOME_WITHDRAWN:
                _exclude(state, offered.job_id, body.courier_id)
    # A courier who declines goes on waiting: the wait is not counted anew.
    _refresh(state, courier)


def _accept(state: MarketState, courier: courier_pb.Courier, offer: offer_pb.Offer, event: Event) -> None:
    state.direct.difference_update(courier.job_ids)
    for offered in offer.jobs:
        job = _changed(state, offered.job_id, event)
        job.state = lifecycle.ASSIGNED
        job.assign_time.CopyFrom(event.time)
        job.pay.CopyFrom(offered.pay)
        courier.job_ids.append(job.job_id)
    # The way to the first pickup is driven once, for all jobs that came together.
    state.jobs[offer.jobs[0].job_id].pickup_distance_metres = offer.pickup_distance_metres
    plans.keep_what_is_to_do(state, courier, offer.plan)
    number, columns = state.numbers[courier.courier_id], state.columns
    here = types_pb.Position(
        latitude=from_e7(int(columns.latitude_e7[number])), longitude=from_e7(int(columns.longitude_e7[number]))
    )
    plans.expect_from(state, courier, here, max(state.time_us, int(columns.position_us[number])))
    _replan(state, courier)


def _note_answer(state: MarketState, body: events_pb.OfferAnswered) -> None:
    """Silence counts against the place in a queue; an answer clears it."""
    for queue in state.zone_queues.values():
        place = queue.get(body.courier_id)
        if place is not None:
            silent = body.outcome == courier_pb.OFFER_OUTCOME_TIMED_OUT
            queue[body.courier_id] = replace(place, no_shows=place.no_shows + 1 if silent else 0)


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
    "courier_destination_set": _courier_destination_set,
    "queue_joined": _queue_joined,
    "queue_left": _queue_left,
    "pair_blocked": _pair_blocked,
    "round_settled": _round_settled,
    "offer_made": _offer_made,
    "offer_answered": _offer_answered,
    "job_rated": _job_rated,
}
