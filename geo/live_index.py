"""The live courier index: the freshest position of everyone online, in columns, fed by batches of pings."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from geo.units import Floats, Ints, to_e7_array

# A ping may be this far in the future before its clock is taken for wrong.
MAX_CLOCK_SKEW_MS = 60_000

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


def faulty(pings: Pings, now_ms: int) -> Bools:
    """Shape (n,), True where a ping has no possible position (NaN, out of range) or comes from the future."""
    possible = (np.abs(pings.latitudes) <= 90.0) & (np.abs(pings.longitudes) <= 180.0)
    return ~possible | (pings.times_ms > now_ms + MAX_CLOCK_SKEW_MS)


class LiveIndex:
    """Struct of arrays by courier number, grown by doubling."""

    def __init__(self) -> None:
        self._size = 1024
        self._latitude_e7 = np.zeros(self._size, np.int64)
        self._longitude_e7 = np.zeros(self._size, np.int64)
        self._time_ms = np.full(self._size, -1, np.int64)

    def update(self, pings: Pings) -> None:
        """Keep each courier's newest position; older and repeated pings change nothing. All pings must be sound."""
        if not pings.numbers.size:
            return
        self._grow(int(pings.numbers.max()))
        # Newest last, so that its assignment wins among pings of the same courier.
        order = np.argsort(pings.times_ms, kind="stable")
        numbers = pings.numbers[order]
        fresh = pings.times_ms[order] >= self._time_ms[numbers]
        chosen, numbers = order[fresh], numbers[fresh]
        self._time_ms[numbers] = pings.times_ms[chosen]
        self._latitude_e7[numbers] = to_e7_array(pings.latitudes[chosen])
        self._longitude_e7[numbers] = to_e7_array(pings.longitudes[chosen])

    def place(self, number: int, latitude_e7: int, longitude_e7: int, time_ms: int) -> None:
        """Where a courier came online."""
        self._grow(number)
        self._latitude_e7[number], self._longitude_e7[number] = latitude_e7, longitude_e7
        self._time_ms[number] = time_ms

    def positions_e7(self, numbers: Ints) -> tuple[Ints, Ints]:
        """Freshest latitude and longitude, shape (n,), int64 fixed point, of couriers placed before."""
        if numbers.size:
            self._grow(int(numbers.max()))
        return self._latitude_e7[numbers], self._longitude_e7[numbers]

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
            self._size *= 2
