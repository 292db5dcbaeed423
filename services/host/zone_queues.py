"""Who waits in the queue zones, by the live positions: told to the market when it changes."""

from __future__ import annotations

from dispatcher import commands
from dispatcher.times import span
from geo.presence import Presence
from geo.units import from_e7_array
from services.host.market_host import MarketHost


class ZoneQueues:
    def __init__(self, host: MarketHost) -> None:
        self._host = host
        self._presence = Presence()
        self._generation = -1

    def watch(self) -> None:
        """Look where the free couriers are; those who come, stay and leave reach the market as one command."""
        host = self._host
        state = host.market.state
        names = state.zones.queue_names
        if not names and not state.zone_queues:
            return
        now_us = host.clock.now()
        if self._generation != host.generation:
            self._begin(now_us // 1000)
        numbers = state.columns.available_numbers()
        latitude, longitude = host.index.positions_e7(numbers)
        zones = state.zones.queue_of(from_e7_array(latitude), from_e7_array(longitude))
        grace_ms = span(state.policy.queues.exit_grace) // 1000
        counted = self._presence.observe(numbers, zones, now_us // 1000, grace_ms)
        command = commands.ObserveQueues(numbers=numbers, zones=counted)
        host.take(host.market.decide(command, now_us))

    def _begin(self, now_ms: int) -> None:
        """After a start the queues of the log are believed until positions say otherwise."""
        self._presence, self._generation = Presence(), self._host.generation
        state = self._host.market.state
        for index, name in enumerate(state.zones.queue_names):
            for courier_id in state.zone_queues.get(name, ()):
                self._presence.settle(state.numbers[courier_id], index, now_ms)
