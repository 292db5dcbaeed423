"""Where couriers are now: the live index, its intake, and what both mean for the market."""

from __future__ import annotations

from collections.abc import Callable, Iterable

import numpy as np

from dispatcher.market import MovedCouriers
from dispatcher.market.state import MarketState
from geo.live_index import LiveIndex
from geo.units import Ints
from gig.v1 import events_pb2 as events_pb
from services.clock import MarketClock
from services.host.locations import LocationIntake
from services.host.quarantine import Item, Kind, Loop, Quarantine


class Positions:
    """``state``: returns the market's state, which is another one after a reload."""

    def __init__(self, state: Callable[[], MarketState], clock: MarketClock, quarantine: Quarantine) -> None:
        self._state, self._clock, self._quarantine = state, clock, quarantine
        self.index = LiveIndex()
        self.intake = LocationIntake(self.index, self._refused)

    def place(self, courier_ids: Iterable[str]) -> None:
        """Place couriers where the log saw them last, until they report their positions."""
        state, now_ms = self._state(), self._clock.now() // 1000
        columns = state.columns
        for courier_id in courier_ids:
            number = state.numbers[courier_id]
            self.index.place(number, int(columns.latitude_e7[number]), int(columns.longitude_e7[number]), now_ms)

    def arrived(self, body: events_pb.CourierOnline) -> None:
        """Place a courier who has come online. One who cannot be placed is set aside."""
        now_ms = self._clock.now() // 1000
        try:
            self.index.place(body.courier_number, body.latitude_e7, body.longitude_e7, now_ms)
        except Exception as fault:  # a failure stays with its courier
            self._refused(body.courier_number, fault)

    def moved(self, numbers: Ints) -> MovedCouriers:
        """Return those of the couriers whose live position differs from the one on the log."""
        columns = self._state().columns
        latitude, longitude = self.index.positions_e7(numbers)
        differs = (latitude != columns.latitude_e7[numbers]) | (longitude != columns.longitude_e7[numbers])
        found = np.flatnonzero(self.index.known(numbers) & differs)
        return MovedCouriers(numbers[found], latitude[found], longitude[found])

    def _refused(self, number: int, fault: Exception) -> None:
        """Set aside a courier whose positions cannot be taken in."""
        ids = self._state().columns.ids
        name = ids[number] if number < len(ids) else ""
        self._quarantine.add(Loop.LOCATIONS, Item(Kind.COURIER, name), fault, "taking in positions")
