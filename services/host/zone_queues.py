"""Who waits in the queue zones, by the live positions: told to the market when it changes."""

from __future__ import annotations

import numpy as np

from dispatcher import commands
from dispatcher.times import span
from geo.presence import Presence
from geo.units import from_e7_array
from gig.v1 import events_pb2 as events_pb
from services.host.market_host import MarketHost
from services.host.quarantine import Item, Kind
from services.host.subjects import courier


class ZoneQueues:
    def __init__(self, host: MarketHost) -> None:
        self._host = host
        self._presence = Presence()
        self._generation = -1

    def needed(self) -> bool:
        """Return whether there is a queue zone, or a courier in the queue of a former one."""
        state = self._host.market.state
        return bool(state.zones.queue_names or state.zone_queues)

    def items(self) -> list[Item]:
        """Return the couriers and zones that an observation covers."""
        state = self._host.market.state
        couriers = [courier(state.columns.ids[number]) for number in state.columns.available_numbers().tolist()]
        return [*couriers, *(Item(Kind.ZONE, name) for name in state.zones.queue_names)]

    def is_gone(self, item: Item) -> bool:
        state = self._host.market.state
        if item.kind is Kind.ZONE:
            return item.name not in state.zones.queue_numbers
        return item.kind is Kind.COURIER and item.name not in state.numbers

    def observed(self, now_us: int, left_out: frozenset[Item] = frozenset()) -> list[events_pb.Event]:
        """Return the events of free couriers who come into queue zones, stay, and leave, by their live positions.

        Couriers who are left out, and those who wait in a zone that is left out, keep their places.
        """
        host = self._host
        state = host.market.state
        if self._generation != host.generation:
            self._begin(now_us // 1000)
        without = {item.name for item in left_out if item.kind is Kind.ZONE}
        absent = [state.numbers.get(item.name, 0) for item in left_out if item.kind is Kind.COURIER]
        absent += [state.numbers[name] for zone in without for name in state.zone_queues.get(zone, ())]
        numbers = state.columns.available_numbers()
        if absent:
            numbers = numbers[~np.isin(numbers, absent)]
        latitude, longitude = host.positions.index.positions_e7(numbers)
        zones = state.zones.queue_of(from_e7_array(latitude), from_e7_array(longitude), without)
        grace_ms = span(state.policy.queues.exit_grace) // 1000
        counted = self._presence.observe(numbers, zones, now_us // 1000, grace_ms)
        return host.market.decide(commands.ObserveQueues(numbers=numbers, zones=counted), now_us)

    def _begin(self, now_ms: int) -> None:
        """After a start the queues of the log are believed until positions say otherwise."""
        self._presence, self._generation = Presence(), self._host.generation
        state = self._host.market.state
        for index, name in enumerate(state.zones.queue_names):
            for courier_id in state.zone_queues.get(name, ()):
                self._presence.settle(state.numbers[courier_id], index, now_ms)
