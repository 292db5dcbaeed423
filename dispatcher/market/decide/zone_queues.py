"""Queue zones, first in, first out: who joins, who leaves, and who goes to the end for not answering."""

from __future__ import annotations

from dispatcher import commands
from dispatcher.market.decide.drafts import Drafts
from dispatcher.market.state import MarketState
from gig.v1 import courier_service_pb2 as courier_pb
from gig.v1 import events_pb2 as events_pb


def observe(state: MarketState, command: commands.ObserveQueues, now_us: int, drafts: Drafts) -> str:  # noqa: ARG001
    """A free courier present in a queue zone joins at its end; one who is not present any more leaves."""
    names, limit = state.zones.queue_names, state.policy.queues.no_shows
    member_of = {courier_id: zone for zone, queue in state.zone_queues.items() for courier_id in queue}
    for number, zone in zip(command.numbers.tolist(), command.zones.tolist(), strict=True):
        courier_id = state.columns.ids[number]
        present, member = names[zone] if zone >= 0 else "", member_of.get(courier_id, "")
        if member and member == present:
            if limit and state.zone_queues[member][courier_id].no_shows >= limit:
                _leave(state, courier_id, member, "no-show", drafts)
                _join(state, courier_id, member, drafts)
            continue
        if member:
            _leave(state, courier_id, member, "left the zone", drafts)
        if present and state.couriers[courier_id].state == courier_pb.COURIER_STATE_FREE:
            _join(state, courier_id, present, drafts)
    return ""


def leave_zone_queues(state: MarketState, courier_id: str, reason: str, drafts: Drafts) -> None:
    for zone, queue in state.zone_queues.items():
        if courier_id in queue:
            _leave(state, courier_id, zone, reason, drafts)


def _join(state: MarketState, courier_id: str, zone: str, drafts: Drafts) -> None:
    """At the end: behind those who stay and those who join in the same moment."""
    joining = sum(event.queue_joined.zone == zone for event in drafts.events if event.HasField("queue_joined"))
    leaving = sum(event.queue_left.zone == zone for event in drafts.events if event.HasField("queue_left"))
    rank = len(state.zone_queues.get(zone, ())) + joining - leaving
    drafts.add(queue_joined=events_pb.QueueJoined(courier_id=courier_id, zone=zone, rank=rank))


def _leave(state: MarketState, courier_id: str, zone: str, reason: str, drafts: Drafts) -> None:
    rank = list(state.zone_queues[zone]).index(courier_id)
    drafts.add(queue_left=events_pb.QueueLeft(courier_id=courier_id, zone=zone, rank=rank, reason=reason))
