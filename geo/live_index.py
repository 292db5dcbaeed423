"""The live courier index: the freshest position of everyone online, in columns, fed by batches of pings."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from geo.travel import great_circle_m
from geo.units import Floats, Ints, from_e7_array, to_e7_array

# A ping may be this far in the future before its clock is taken for wrong.
MAX_CLOCK_SKEW_MS = 60_000
# An older ping says nothing about where anybody is (milliseconds).
OLDEST_MS = 86_400_000

# Nobody drives faster (m/s, about 250 km/h), and so far off may a fix be (m).
FASTEST_MPS, FIX_ERROR_M = 70.0, 2_000.0

Bools = npt.NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class Pings:
    """Positions of several couriers, in columns of equal length n.

    ``numbers`` int64 courier numbers; ``latitudes``, ``longitudes`` float64 degrees; ``times_ms`` int64 Unix time.
    """

    numbers: Ints
    latitudes: Floats
    longitudes: Floats
    times_ms: Ints


def impossible(pings: Pings) -> Bools:
    """Shape (n,), True where a ping has no possible position (NaN, out of range)."""
    possible: Bools = (np.abs(pings.latitudes) <= 90.0) & (np.abs(pings.longitudes) <= 180.0)
    return ~possible


@dataclass(frozen=True, slots=True)
class Flagged:
    """Courier numbers of pings that an update did not take: older than what is known, or so far away that nobody can
    have driven there."""

    stale: Ints
    jumps: Ints


class LiveIndex:
    """Struct of arrays by courier number, grown by doubling.

    A position too far from the last one to be driven to is set aside. Only if the next one agrees with it, the courier
    is there: a stray fix moves nobody, and a device that was off for a while is believed at its second word.
    """

    def __init__(self) -> None:
        self._size = 1024
        self._latitude_e7 = np.zeros(self._size, np.int64)
        self._longitude_e7 = np.zeros(self._size, np.int64)
        self._time_ms = np.full(self._size, -1, np.int64)
        # The position set aside: latitude, longitude (fixed point) and time, -1 where there is none.
        self._aside = np.full((self._size, 3), -1, np.int64)

    def update(self, pings: Pings) -> Flagged:
        """Keep each courier's newest position. All pings must be possible (see ``impossible``)."""
        if not pings.numbers.size:
            return Flagged(pings.numbers, pings.numbers)
        self._grow(int(pings.numbers.max()))
        # The newest of each courier, the last to come among pings of the same moment.
        order = np.lexsort((np.arange(pings.numbers.size), pings.times_ms, pings.numbers))
        order = order[np.r_[np.diff(pings.numbers[order]) != 0, True]]
        fresh = pings.times_ms[order] >= self._time_ms[pings.numbers[order]]
        order, stale = order[fresh], pings.numbers[order[~fresh]]
        numbers, times = pings.numbers[order], pings.times_ms[order]
        latitude, longitude = to_e7_array(pings.latitudes[order]), to_e7_array(pings.longitudes[order])
        last_ms = self._time_ms[numbers]
        jumps = (last_ms >= 0) & ~_drivable(
            self._latitude_e7[numbers], self._longitude_e7[numbers], last_ms, latitude, longitude, times
        )
        aside = self._aside[numbers]
        jumps &= (aside[:, 2] < 0) | ~_drivable(aside[:, 0], aside[:, 1], aside[:, 2], latitude, longitude, times)
        self._aside[numbers[jumps]] = np.stack([latitude, longitude, times], axis=-1)[jumps]
        taken = numbers[~jumps]
        self._aside[taken] = -1
        self._time_ms[taken] = times[~jumps]
        self._latitude_e7[taken], self._longitude_e7[taken] = latitude[~jumps], longitude[~jumps]
        return Flagged(stale, numbers[jumps])

    def place(self, number: int, latitude_e7: int, longitude_e7: int, time_ms: int) -> None:
        """Where a courier came online."""
        self._grow(number)
        self._latitude_e7[number], self._longitude_e7[number] = latitude_e7, longitude_e7
        self._time_ms[number] = time_ms
        self._aside[number] = -1

    def positions_e7(self, numbers: Ints) -> tuple[Ints, Ints]:
        """Freshest latitude and longitude, shape (n,), int64 fixed point, of couriers placed before."""
        if numbers.size:
            self._grow(int(numbers.max()))
        return self._latitude_e7[numbers], self._longitude_e7[numbers]

    def times_ms(self, numbers: Ints) -> Ints:
        """Shape (n,): Unix milliseconds of the newest positions, -1 where there is none."""
        if numbers.size:
            self._grow(int(numbers.max()))
        return self._time_ms[numbers]

    def last_ms(self, number: int) -> int:
        """Unix milliseconds of the courier's newest position, -1 if there is none."""
        return int(self._time_ms[number]) if number < self._size else -1

    def known(self, numbers: Ints) -> Bools:
        """Shape (n,), True where the index has ever held a position of the courier."""
        if numbers.size:
            self._grow(int(numbers.max()))
        return self._time_ms[numbers] >= 0

    def _grow(self, number: int) -> None:
        while number >= self._size:
            self._latitude_e7 = np.concatenate([self._latitude_e7, np.zeros(self._size, np.int64)])
            self._longitude_e7 = np.concatenate([self._longitude_e7, np.zeros(self._size, np.int64)])
            self._time_ms = np.concatenate([self._time_ms, np.full(self._size, -1, np.int64)])
            self._aside = np.concatenate([self._aside, np.full((self._size, 3), -1, np.int64)])
            self._size *= 2


def _drivable(
    from_lat_e7: Ints, from_lng_e7: Ints, left_ms: Ints, to_lat_e7: Ints, to_lng_e7: Ints, there_ms: Ints
) -> Bools:
    """Shape (n,): whether one can have come from there to here in that time."""
    metres = great_circle_m(
        from_e7_array(from_lat_e7), from_e7_array(from_lng_e7), from_e7_array(to_lat_e7), from_e7_array(to_lng_e7)
    )
    reach: Bools = metres <= FIX_ERROR_M + FASTEST_MPS * (there_ms - left_ms) / 1000
    return reach
