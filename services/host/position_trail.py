"""Where each courier was in the last two hours, one position for each two minutes: it bounds times of late reports."""

from __future__ import annotations

import numpy as np

from geo.live_index import Pings
from geo.sightings import Sightings
from geo.units import Ints

# Milliseconds that one position stands for, and how many are kept: 2 h 8 min.
EVERY_MS, SLOTS = 120_000, 64


class PositionTrail:
    """Columns by courier number, grown by doubling. A position takes the place of the one 128 min before."""

    def __init__(self) -> None:
        self._times_ms = np.full((1024, SLOTS), -1, np.int64)
        # Degrees, as single precision: exact to 2 m.
        self._places = np.zeros((1024, SLOTS, 2), np.float32)

    def note(self, pings: Pings) -> None:
        """Keep positions, in any order. Of those within two minutes the newest stays."""
        if not pings.numbers.size:
            return
        self._grow(int(pings.numbers.max()))
        order = np.argsort(pings.times_ms, kind="stable")
        numbers, times = pings.numbers[order], pings.times_ms[order]
        slots = times // EVERY_MS % SLOTS
        fresh = times >= self._times_ms[numbers, slots]
        order, numbers, times, slots = order[fresh], numbers[fresh], times[fresh], slots[fresh]
        # Of equal indices the last one counts, which is the newest.
        self._times_ms[numbers, slots] = times
        self._places[numbers, slots, 0] = pings.latitudes[order]
        self._places[numbers, slots, 1] = pings.longitudes[order]

    def of(self, number: int) -> Sightings:
        """Return a courier's kept positions in order of time."""
        if number >= len(self._times_ms):
            return Sightings.none()
        times: Ints = self._times_ms[number]
        kept = np.flatnonzero(times >= 0)
        kept = kept[np.argsort(times[kept])]
        places = self._places[number, kept].astype(np.float64)
        return Sightings(times[kept] * 1000, places[:, 0], places[:, 1])

    def _grow(self, number: int) -> None:
        while number >= len(self._times_ms):
            self._times_ms = np.concatenate([self._times_ms, np.full_like(self._times_ms, -1)])
            self._places = np.concatenate([self._places, np.zeros_like(self._places)])
