"""Where couriers are and when each was last heard of, as the market's driver asks for it."""

from __future__ import annotations

import numpy as np

from dispatcher.market import MovedCouriers
from dispatcher.market.state import MarketState
from geo.units import Ints
from services.host.positions import Positions
from services.host.sessions import Sessions


class LivePositions:
    """``state``: of the market that is in memory now."""

    def __init__(self, state: MarketState, positions: Positions, sessions: Sessions) -> None:
        self._state, self._positions, self._sessions = state, positions, sessions

    def moved(self, numbers: Ints, now_us: int) -> MovedCouriers:  # noqa: ARG002 - the live index knows the newest
        return self._positions.moved(numbers)

    def positions_e7(self, numbers: Ints, now_us: int) -> tuple[Ints, Ints]:  # noqa: ARG002 - as above
        return self._positions.index.positions_e7(numbers)

    def last_heard_us(self, numbers: Ints, now_us: int) -> Ints:
        ids, connected, heard_ms = self._state.columns.ids, self._sessions.connected, self._positions.heard_ms
        times = (now_us if connected(ids[number]) else heard_ms(number) * 1000 for number in numbers.tolist())
        return np.fromiter(times, np.int64, numbers.size)

    def stale_online(self, now_us: int) -> frozenset[int]:
        return self._positions.stale_online(now_us)
