"""Events of the market as a whole: its policy, its zones, its surge, who is kept apart."""

from __future__ import annotations

from dispatcher.market import lifecycle
from dispatcher.market.apply.quarantine import release
from dispatcher.market.apply.records import push_period, replan
from dispatcher.market.queue import all_queued, rezoned
from dispatcher.market.state import Due, MarketState
from dispatcher.market.travel import travel_model
from dispatcher.pricing.surge import SurgeField, field_of
from dispatcher.times import micros, span
from geo.geojson import zones_of_log
from gig.v1 import events_pb2 as events_pb
from gig.v1 import oversight_service_pb2 as oversight_pb
from gig.v1 import types_pb2 as types_pb

Event = events_pb.Event


def market_opened(state: MarketState, event: Event) -> None:
    state.market_id = event.market_opened.market_id
    state.secret = event.market_opened.secret


def market_resumed(state: MarketState, event: Event) -> None:
    state.secret = event.market_resumed.secret or state.secret
    away_us = span(event.market_resumed.away)
    state.outages.append((state.time_us - away_us, state.time_us))
    kept_since = state.time_us - span(state.policy.ratings.window) - span(state.policy.jobs.max_wait)
    while state.outages[0][1] < kept_since:
        state.outages.popleft()


def policy_set(state: MarketState, event: Event) -> None:
    before = state.policy.surge
    state.follow(event.policy_set.policy)
    release(state, types_pb.SUBJECT_KIND_POLICY)
    if state.announced is not None and micros(state.announced.effective_time) <= state.time_us:
        state.announced = None
    if not state.policy.HasField("surge") or state.policy.surge.resolution != before.resolution:
        state.surge = SurgeField()
        state.recent_demand.clear()
    state.travel = travel_model(state.policy, state.networks, state.travel)
    _requeue(state)
    for job_id in state.queue:
        state.push_due(state.wait_limit(state.jobs[job_id]), Due.WAIT, job_id)
    for courier_id, courier in state.couriers.items():
        if courier.plan:
            replan(state, courier)
        push_period(state, courier_id)
    for job in state.jobs.values():
        if job.state == lifecycle.SCHEDULED:
            state.push_due(state.queue_moment(job), Due.QUEUE, job.job_id)


def zones_set(state: MarketState, event: Event) -> None:
    state.zones_geojson = event.zones_set.geojson
    state.zones = zones_of_log(state.zones_geojson)
    release(state, types_pb.SUBJECT_KIND_ZONES)
    rows = rezoned(list(state.queue.values()), state.zones)
    state.queue.update(zip(list(state.queue), rows, strict=True))
    for zone in [name for name in state.zone_queues if name not in state.zones.queue_numbers]:
        for courier_id in state.zone_queues.pop(zone):
            state.queue_zone_of.pop(courier_id, None)


def _requeue(state: MarketState) -> None:
    """Make the rows of all open jobs again: they hold what the policy makes of a job."""
    rows = all_queued([state.jobs[job_id] for job_id in state.queue], state.policy, state.zones)
    state.queue.update(zip(list(state.queue), rows, strict=True))


def pair_blocked(state: MarketState, event: Event) -> None:
    body = event.pair_blocked
    couriers = state.blocked.setdefault(body.client_id, set())
    (couriers.add if body.blocked else couriers.discard)(body.courier_id)
    if not couriers:
        del state.blocked[body.client_id]


def policy_announced(state: MarketState, event: Event) -> None:
    body = event.policy_announced
    state.announced = oversight_pb.AnnouncedPolicy(
        policy=body.policy,
        announce_time=event.time,
        effective_time=body.effective_time,
        operator_id=body.operator_id,
    )
    state.push_due(micros(body.effective_time), Due.POLICY, "announced")


def surge_updated(state: MarketState, event: Event) -> None:
    state.surge = field_of(event.surge_updated, state.time_us, event.sequence)
