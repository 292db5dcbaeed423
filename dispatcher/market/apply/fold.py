"""Events change the state, and nothing else does. No event can be refused: what happened, happened."""

from __future__ import annotations

import heapq
from collections.abc import Callable

from dispatcher.market.apply import couriers, jobs, market, offers, people
from dispatcher.market.state import MarketState
from dispatcher.times import micros, span
from gig.v1 import events_pb2 as events_pb

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
    """Drop what is older than the policy's memory: ended jobs, ratings given, closed offers, request ids."""
    before = state.time_us - state.memory_us
    while state.ended and state.ended[0][0] < before:
        state.jobs.pop(state.ended.popleft()[1], None)
    while state.rated and (given := next(iter(state.rated.items())))[1][1] < before:
        del state.rated[given[0]]
    if state.recent_demand:
        before = state.time_us - span(state.policy.surge.demand_window)
        while state.recent_demand and (joined := next(iter(state.recent_demand.items())))[1][0] < before:
            del state.recent_demand[joined[0]]
    while state.requests and (oldest := next(iter(state.requests.items())))[1][1] < before:
        del state.requests[oldest[0]]
    while state.closed_offers and (first := next(iter(state.closed_offers.items())))[1].time_us < before:
        del state.closed_offers[first[0]]


_APPLY: dict[str, Callable[[MarketState, Event], None]] = {
    "market_opened": market.market_opened,
    "market_resumed": market.market_resumed,
    "policy_set": market.policy_set,
    "zones_set": market.zones_set,
    "job_quoted": jobs.job_quoted,
    "job_placed": jobs.job_placed,
    "job_queued": jobs.job_queued,
    "job_expired": jobs.job_expired,
    "job_cancelled": jobs.job_cancelled,
    "job_released": jobs.job_released,
    "job_failed": jobs.job_failed,
    "courier_arrived": jobs.courier_arrived,
    "job_picked_up": jobs.job_picked_up,
    "job_completed": jobs.job_completed,
    "courier_online": couriers.courier_online,
    "courier_closing": couriers.courier_closing,
    "courier_offline": couriers.courier_offline,
    "courier_destination_set": couriers.courier_destination_set,
    "queue_joined": couriers.queue_joined,
    "queue_left": couriers.queue_left,
    "pair_blocked": market.pair_blocked,
    "round_settled": offers.round_settled,
    "offer_made": offers.offer_made,
    "offer_answered": offers.offer_answered,
    "surge_updated": market.surge_updated,
    "nudge_sent": couriers.nudge_sent,
    "nudge_closed": couriers.nudge_closed,
    "policy_announced": market.policy_announced,
    "job_rated": people.job_rated,
    "rating_revised": people.rating_revised,
    "tip_added": people.tip_added,
    "period_settled": couriers.period_settled,
    "standing_changed": people.standing_changed,
    "review_opened": people.review_opened,
    "review_statement_added": people.review_statement_added,
    "review_claimed": people.review_claimed,
    "review_opinion_given": people.review_opinion_given,
    "review_decided": people.review_decided,
    "person_erased": people.person_erased,
}
