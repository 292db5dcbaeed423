"""Where couriers are and when they were last heard of, as the market's driver asks for it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

import numpy as np

from dispatcher.market.round import MovedCouriers
from dispatcher.market.state import MarketState
from geo.units import Ints


class PositionSource(Protocol):
    """The couriers' positions and signs of life. ``numbers``: courier numbers, shape (n,), int64."""

    def moved(self, numbers: Ints, now_us: int) -> MovedCouriers:
        """Return those of the couriers whose position differs from the one on the log."""

    def positions_e7(self, numbers: Ints, now_us: int) -> tuple[Ints, Ints]:
        """Return latitude and longitude of each courier, fixed-point degrees, shape (n,) each."""

    def last_heard_us(self, numbers: Ints, now_us: int) -> Ints:
        """Return when each courier was last heard of, market time in microseconds; an open stream counts as now."""

    def stale_online(self, now_us: int) -> frozenset[int]:
        """Return the numbers of couriers online whose position is too old for matching."""


class SimulatedPositions:
    """Positions without phones: always fresh, and nobody falls silent.

    ``state``: returns the market's state. ``moved``: returns the positions of couriers online at a market time, in
    microseconds, that differ from those on the log; without it all couriers are where the log has them.
    """

    def __init__(
        self,
        state: Callable[[], MarketState],
        moved: Callable[[int], MovedCouriers] = lambda _now: MovedCouriers.none(),
    ) -> None:
        self._state, self._moved = state, moved

    def moved(self, numbers: Ints, now_us: int) -> MovedCouriers:  # noqa: ARG002 - all of them are online
        return self._moved(now_us)

    def positions_e7(self, numbers: Ints, now_us: int) -> tuple[Ints, Ints]:
        columns, moved = self._state().columns, self._moved(now_us)
        latitude, longitude = columns.latitude_e7.copy(), columns.longitude_e7.copy()
        latitude[moved.numbers], longitude[moved.numbers] = moved.latitude_e7, moved.longitude_e7
        return latitude[numbers], longitude[numbers]

    def last_heard_us(self, numbers: Ints, now_us: int) -> Ints:
        return np.full(numbers.size, now_us, np.int64)

    def stale_online(self, now_us: int) -> frozenset[int]:  # noqa: ARG002 - none at any time
        return frozenset()
