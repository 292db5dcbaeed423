"""In which zone each courier counts as present: a few positions outside do not end a presence (exit hysteresis)."""

from __future__ import annotations

import numpy as np

from geo.units import Ints

NOWHERE = -1


class Presence:
    """Columns by courier number, grown by doubling: the zone in which a courier counts, and when last seen there."""

    def __init__(self) -> None:
        self._zone = np.full(256, NOWHERE, np.int64)
        self._seen_ms = np.zeros(256, np.int64)

    def settle(self, number: int, zone: int, now_ms: int) -> None:
        """A courier who is known to be in a zone, before any position is seen."""
        self._grow(number)
        self._zone[number], self._seen_ms[number] = zone, now_ms

    def observe(self, numbers: Ints, zones: Ints, now_ms: int, grace_ms: int) -> Ints:
        """Positions of distinct couriers, each in a zone or NOWHERE: shape (n,), the zone in which each counts.

        A courier who was in a zone still counts there until seen elsewhere for longer than ``grace_ms``. Entering a
        zone from nowhere counts at once.
        """
        if not numbers.size:
            return numbers
        self._grow(int(numbers.max()))
        before, seen = self._zone[numbers], self._seen_ms[numbers]
        lingers = (before != NOWHERE) & (zones != before) & (now_ms - seen <= grace_ms)
        counted = np.where(lingers, before, zones)
        self._zone[numbers] = counted
        self._seen_ms[numbers] = np.where(lingers, seen, now_ms)
        return counted

    def _grow(self, number: int) -> None:
        while number >= self._zone.size:
            self._zone = np.concatenate([self._zone, np.full(self._zone.size, NOWHERE, np.int64)])
            self._seen_ms = np.concatenate([self._seen_ms, np.zeros(self._seen_ms.size, np.int64)])
