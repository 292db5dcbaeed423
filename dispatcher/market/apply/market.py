"""Events of the market as a whole: its policy, its zones, who is kept apart, ratings."""

from __future__ import annotations

from dispatcher.market import lifecycle
from dispatcher.market.apply.records import replan
from dispatcher.market.queue import queued
from dispatcher.market.state import Due, MarketState
from dispatcher.market.travel import travel_model, trips_of
from dispatcher.times import SECOND, span
from geo.geojson import zones_from_geojson
from gig.v1 import events_pb2 as events_pb
from ratings.score import Score

Event = events_pb.Event


def market_opened(state: MarketState, event: Event) -> None:
    state.market_id = event.market_opened.market_id


def policy_set(state: MarketState, event: Event) -> None:
    state.policy = event.policy_set.policy
    state.travel = travel_model(state.policy, state.networks, trips_of(state.travel))
    _requeue(state)
    for job_id in state.queue:
        state.push_due(state.wait_limit(state.jobs[job_id]), Due.WAIT, job_id)
    for courier in state.couriers.values():
        if courier.plan:
            replan(state, courier)
    for job in state.jobs.values():
        if job.state == lifecycle.SCHEDULED:
            state.push_due(state.queue_moment(job), Due.QUEUE, job.job_id)


def zones_set(state: MarketState, event: Event) -> None:
    state.zones_geojson = event.zones_set.geojson
    state.zones = zones_from_geojson(state.zones_geojson)
    _requeue(state)
    for zone in [name for name in state.zone_queues if name not in state.zones.queue_names]:
        del state.zone_queues[zone]


def _requeue(state: MarketState) -> None:
    """The rows of all open jobs anew: they hold what policy and zones make of a job."""
    for job_id in state.queue:
        state.queue[job_id] = queued(state.jobs[job_id], state.policy, state.zones)


def pair_blocked(state: MarketState, event: Event) -> None:
    body = event.pair_blocked
    couriers = state.blocked.setdefault(body.client_id, set())
    (couriers.add if body.blocked else couriers.discard)(body.courier_id)
    if not couriers:
        del state.blocked[body.client_id]


def job_rated(state: MarketState, event: Event) -> None:
    rating = event.job_rated.rating
    state.rated.add(f"{rating.job_id}/{rating.rater}")
    policy = state.policy.ratings
    half_life = span(policy.half_life) / SECOND if policy.HasField("half_life") else None
    before = state.scores.get(rating.rated_id, Score())
    state.scores[rating.rated_id] = before.rated(rating.stars, state.time_us / SECOND, half_life)
