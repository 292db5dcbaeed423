"""Queue zones, first in, first out: who joins, who leaves, and who goes to the end by the policy."""

from __future__ import annotations

from collections import Counter

from dispatcher import commands
from dispatcher.market.decide.drafts import Drafts
from dispatcher.market.state import MarketState
from dispatcher.market.zone_queue import QueuePlace
from gig.v1 import courier_service_pb2 as courier_pb
from gig.v1 import events_pb2 as events_pb
from gig.v1 import policy_pb2 as policy_pb


def observe(state: MarketState, command: commands.ObserveQueues, now_us: int, drafts: Drafts) -> str:  # noqa: ARG001
    """A free courier present in a queue zone joins at its end; one who is not present any more leaves."""
    names, member_of = state.zones.queue_names, state.queue_zone_of
    lines = _Lines(state, drafts)
    for number, zone in zip(command.numbers.tolist(), command.zones.tolist(), strict=True):
        courier_id = state.columns.ids[number]
        present, member = names[zone] if zone >= 0 else "", member_of.get(courier_id, "")
        if member and member == present:
            reason = _reason_to_go_to_the_end(state.policy.queues, state.zone_queues[member][courier_id])
            if reason:
                lines.leave(courier_id, member, reason)
                lines.join(courier_id, member)
            continue
        if member:
            lines.leave(courier_id, member, "left the zone")
        if present and state.couriers[courier_id].state == courier_pb.COURIER_STATE_FREE:
            lines.join(courier_id, present)
    return ""


def _reason_to_go_to_the_end(policy: policy_pb.QueuePolicy, place: QueuePlace) -> str:
    """Return why the policy sends the courier at a place to the end of the queue, or an empty text."""
    if policy.no_shows and place.no_shows >= policy.no_shows:
        return "no-show"
    return "declined" if policy.declines and place.declines >= policy.declines else ""


def leave_zone_queues(state: MarketState, courier_id: str, reason: str, drafts: Drafts) -> None:
    zone = state.queue_zone_of.get(courier_id)
    if zone is not None:
        _Lines(state, drafts).leave(courier_id, zone, reason)


class _Lines:
    """The queues of all zones within one command. The ranks of couriers who leave are as before it."""

    def __init__(self, state: MarketState, drafts: Drafts) -> None:
        self._state, self._drafts = state, drafts
        # By zone: how many more stand in line after what has been decided so far.
        self._grown: Counter[str] = Counter()

    def join(self, courier_id: str, zone: str) -> None:
        """At the end: behind those who stay and those who join in the same moment."""
        rank = len(self._state.zone_queues.get(zone, ())) + self._grown[zone]
        self._grown[zone] += 1
        self._drafts.add(queue_joined=events_pb.QueueJoined(courier_id=courier_id, zone=zone, rank=rank))

    def leave(self, courier_id: str, zone: str, reason: str) -> None:
        self._grown[zone] -= 1
        rank = self._state.zone_queues[zone].rank(courier_id)
        self._drafts.add(queue_left=events_pb.QueueLeft(courier_id=courier_id, zone=zone, rank=rank, reason=reason))
