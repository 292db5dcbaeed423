"""Events of couriers: shifts, destinations, and the queues of zones."""

from __future__ import annotations

from dispatcher.market.apply.quarantine import release
from dispatcher.market.apply.records import heard, pay, push_period, refresh
from dispatcher.market.clocks import Clock
from dispatcher.market.state import MarketState
from dispatcher.market.zone_queue import ZoneQueue
from dispatcher.occurred import occurred_us
from dispatcher.times import span
from gig.v1 import courier_service_pb2 as courier_pb
from gig.v1 import events_pb2 as events_pb
from gig.v1 import types_pb2 as types_pb

Event = events_pb.Event


def courier_online(state: MarketState, event: Event) -> None:
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
    if before is not None and before.HasField("clock_offset"):
        courier.clock_offset.CopyFrom(before.clock_offset)
    state.couriers[body.courier_id] = courier
    release(state, types_pb.SUBJECT_KIND_COURIER, body.courier_id)
    state.clocks.setdefault(body.courier_id, Clock()).begin_shift(state.time_us)
    state.numbers[body.courier_id] = body.courier_number
    state.columns.enter(body.courier_number, courier)
    state.columns.latitude_e7[body.courier_number] = body.latitude_e7
    state.columns.longitude_e7[body.courier_number] = body.longitude_e7
    state.columns.position_us[body.courier_number] = state.time_us


def courier_closing(state: MarketState, event: Event) -> None:
    courier = state.couriers[event.courier_closing.courier_id]
    courier.closing = True
    refresh(state, courier)


def courier_offline(state: MarketState, event: Event) -> None:
    body = event.courier_offline
    pay(state, body.courier_id, body.postings)
    courier = state.couriers[body.courier_id]
    courier.closing = False
    courier.ClearField("free_time")
    state.clocks[body.courier_id].advance(courier.state, occurred_us(body, state.time_us))
    courier.state = courier_pb.COURIER_STATE_OFFLINE
    refresh(state, courier)


def contact_lost(state: MarketState, event: Event) -> None:
    body = event.contact_lost
    state.couriers[body.courier_id].silent_since.CopyFrom(body.last_heard_time)
    state.silent[body.courier_id] = None


def contact_regained(state: MarketState, event: Event) -> None:
    heard(state, state.couriers[event.contact_regained.courier_id])


def period_settled(state: MarketState, event: Event) -> None:
    body = event.period_settled
    courier, clock = state.couriers[body.courier_id], state.clocks[body.courier_id]
    clock.advance(courier.state, state.time_us)
    # The top-up belongs to the period that it ends; the next one is open where work goes on.
    engaged = bool(courier.job_ids)
    clock.begin_period(state.time_us if engaged else 0)
    push_period(state, body.courier_id)


def courier_destination_set(state: MarketState, event: Event) -> None:
    body = event.courier_destination_set
    courier = state.couriers[body.courier_id]
    courier.ClearField("destination")
    if body.HasField("destination"):
        courier.destination.CopyFrom(body.destination)
    state.columns.set_home(state.numbers[body.courier_id], courier)
    refresh(state, courier)


def courier_clock_estimated(state: MarketState, event: Event) -> None:
    body = event.courier_clock_estimated
    state.couriers[body.courier_id].clock_offset.CopyFrom(body.offset)


def nudge_sent(state: MarketState, event: Event) -> None:
    nudge = event.nudge_sent.nudge
    state.nudges[nudge.courier_id] = nudge
    state.last_nudges.pop(nudge.courier_id, None)
    state.last_nudges[nudge.courier_id] = state.time_us
    before = state.time_us - span(state.policy.nudges.rest)
    while (first := next(iter(state.last_nudges.items())))[1] < before:
        del state.last_nudges[first[0]]


def nudge_closed(state: MarketState, event: Event) -> None:
    state.nudges.pop(event.nudge_closed.courier_id, None)


def queue_joined(state: MarketState, event: Event) -> None:
    body = event.queue_joined
    state.zone_queues.setdefault(body.zone, ZoneQueue()).join(body.courier_id, state.time_us)
    state.queue_zone_of[body.courier_id] = body.zone


def queue_left(state: MarketState, event: Event) -> None:
    body = event.queue_left
    state.zone_queues[body.zone].leave(body.courier_id, state.time_us)
    state.queue_zone_of.pop(body.courier_id, None)
