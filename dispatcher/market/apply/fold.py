"""Events change the state, and nothing else does. No event can be refused: what happened, happened."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from typing import Any, TypeVar

from dispatcher.complete import complete
from dispatcher.event_kinds import BODIES
from dispatcher.market.apply import couriers, jobs, market, offers, people, quarantine
from dispatcher.market.state import KeptRequest, MarketState
from dispatcher.times import check_event_time, micros, span
from gig.v1 import events_pb2 as events_pb

Event = events_pb.Event
Kept = TypeVar("Kept")


def apply(state: MarketState, event: Event) -> None:
    """Fold one event; sequences must follow one another without a gap. Raises ValueError for a time out of range."""
    if event.sequence != state.sequence + 1:
        raise ValueError(f"event {event.sequence} cannot follow event {state.sequence}")
    check_event_time(event.time)
    state.sequence = event.sequence
    state.time_us = micros(event.time)
    body = event.WhichOneof("body")
    if event.HasField("request"):
        request = event.request
        state.requests[request.call_key or request.key] = KeptRequest(request, state.time_us, event.sequence, body)
    _APPLY[body](state, event)
    _forget(state)


def _forget(state: MarketState) -> None:
    """Drop what is older than the policy's memory: ended jobs, ratings given, closed offers, request ids; and demand
    that is older than surge's window. Nothing is looked at before the oldest of all may be dropped."""
    if state.time_us <= state.forget_us:
        return
    memory_us, window_us = state.memory_us, span(state.policy.surge.demand_window)
    before = state.time_us - memory_us
    while state.ended and state.ended[0][0] < before:
        state.jobs.pop(state.ended.popleft()[1], None)
    # Whatever comes from now on is younger than all that is kept.
    state.forget_us = min(
        state.time_us + min(memory_us, window_us),
        (state.ended[0][0] if state.ended else state.time_us) + memory_us,
        _drop(state.rated, lambda given: given[1], before, state.time_us) + memory_us,
        _drop(state.requests, lambda asked: asked.time_us, before, state.time_us) + memory_us,
        _drop(state.erasures, lambda erasure: erasure[1], before, state.time_us) + memory_us,
        _drop(state.closed_offers, lambda offer: offer.time_us, before, state.time_us) + memory_us,
        _drop(state.recent_demand, lambda joined: joined[0], state.time_us - window_us, state.time_us) + window_us,
    )


def _drop(kept: OrderedDict[Any, Kept], time_of: Callable[[Kept], int], before_us: int, now_us: int) -> int:
    """Drop from the front, which is the oldest, what is from before; returns the time of the oldest left, or now."""
    while kept:
        name, oldest = next(iter(kept.items()))
        if time_of(oldest) >= before_us:
            return time_of(oldest)
        del kept[name]
    return now_us


_APPLY: dict[str, Callable[[MarketState, Event], None]] = complete(
    {
        "market_opened": market.market_opened,
        "market_resumed": market.market_resumed,
        "event_skipped": quarantine.event_skipped,
        "subject_quarantined": quarantine.subject_quarantined,
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
        "contact_lost": couriers.contact_lost,
        "contact_regained": couriers.contact_regained,
        "progress_flagged": people.progress_flagged,
        "courier_online": couriers.courier_online,
        "courier_closing": couriers.courier_closing,
        "courier_offline": couriers.courier_offline,
        "courier_destination_set": couriers.courier_destination_set,
        "courier_clock_estimated": couriers.courier_clock_estimated,
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
        "erasure_completed": people.erasure_completed,
        "data_accessed": people.data_accessed,
    },
    BODIES,
    "functions that apply events to the market's state",
)
