"""Location intake: batches from the streams gather here and enter the live index together, in columns."""

from __future__ import annotations

from array import array
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np

from geo.live_index import LiveIndex, Pings, faulty
from gig.v1 import courier_service_pb2 as courier_pb

LARGEST_BATCH = 1000
LARGEST_OFFSET_MS = 86_400_000
# The years that the contract allows: 2000 to 2199, in Unix seconds. Later times would not fit the columns.
FIRST_S, LAST_S, NANOS = 946_684_800, 7_258_118_400, 1_000_000_000
# Drain at once when this many batches wait; else on the next tick.
DRAIN_AT = 4096

Refuse = Callable[[str, str], None]
Report = Callable[[int, Exception], None]


@dataclass(frozen=True, slots=True)
class Waiting:
    courier_number: int
    batch: courier_pb.LocationBatch
    received_ms: int
    # Called with field and fault when the batch cannot be used.
    refuse: Refuse


class LocationIntake:
    """``report``: called with the courier's number and the fault of a batch that cannot be taken in."""

    def __init__(self, index: LiveIndex, report: Report = lambda _number, _fault: None) -> None:
        self._index = index
        self._report = report
        self._waiting: list[Waiting] = []
        self.accepted = 0
        self.refused = 0
        # Sound, but not used: older than what is known, or further away than anyone can have driven.
        self.stale = self.jumps = 0

    def add(self, waiting: Waiting) -> None:
        self._waiting.append(waiting)
        if len(self._waiting) >= DRAIN_AT:
            self.drain(waiting.received_ms)

    def drain(self, now_ms: int) -> None:
        """Check and index what waits. A batch with a faulty position is refused whole, naming that position."""
        waiting, self._waiting = self._waiting, []
        self._take_each([item for item in waiting if self._well_shaped(item)], now_ms)

    def _take_each(self, shaped: list[Waiting], now_ms: int) -> None:
        """Take all in together; where that fails, by halves, so that only the batch that is the cause is refused."""
        if not shaped:
            return
        try:
            self._take(shaped, now_ms)
        except Exception as fault:
            if len(shaped) > 1:
                middle = len(shaped) // 2
                self._take_each(shaped[:middle], now_ms)
                self._take_each(shaped[middle:], now_ms)
                return
            self.refused += 1
            self._report(shaped[0].courier_number, fault)
            shaped[0].refuse("locations", "the server cannot take these positions in: check their values")

    def _take(self, shaped: list[Waiting], now_ms: int) -> None:
        pings, lengths = _columns(shaped)
        ends = np.cumsum(lengths) - 1
        keep = self._sound(shaped, pings, lengths, ends - lengths + 1, now_ms)
        self.accepted += int(lengths[keep].sum())
        # Oldest first, so the last of each batch is where the courier is.
        newest = ends[keep]
        flagged = self._index.update(
            Pings(pings.numbers[newest], pings.latitudes[newest], pings.longitudes[newest], pings.times_ms[newest])
        )
        self.stale += flagged.stale
        self.jumps += flagged.jumps

    def _well_shaped(self, item: Waiting) -> bool:
        fault = shape_fault(item.batch)
        if fault is not None:
            self.refused += 1
            item.refuse(*fault)
        return fault is None

    def _sound(
        self, shaped: list[Waiting], pings: Pings, lengths: np.ndarray, starts: np.ndarray, now_ms: int
    ) -> np.ndarray:
        """Return True for each batch without a fault; refuse the others."""
        bad = faulty(pings, now_ms)
        backwards = np.zeros(bad.size, bool)
        backwards[1:] = pings.times_ms[1:] < pings.times_ms[:-1]
        backwards[starts] = False
        bad |= backwards
        if not bad.any():
            return np.ones(lengths.size, bool)
        faults = np.logical_or.reduceat(bad, starts)
        for index in np.flatnonzero(faults).tolist():
            item, start = shaped[index], int(starts[index])
            self.refused += 1
            at = int(np.argmax(bad[start : start + lengths[index]]))
            item.refuse(*value_fault(item.batch, at, int(pings.times_ms[start + at]) < now_ms))
        return ~faults


def shape_fault(batch: courier_pb.LocationBatch) -> tuple[str, str] | None:
    """Return (field, fault) of columns that do not fit together, or None."""
    count = len(batch.latitudes)
    if not 1 <= count <= LARGEST_BATCH:
        return "locations.latitudes", f"must hold 1 to {LARGEST_BATCH} positions, not {count}"
    if len(batch.longitudes) != count:
        return "locations.longitudes", f"must be as many as latitudes ({count}), not {len(batch.longitudes)}"
    if len(batch.offsets_ms) not in (0, count):
        return "locations.offsets_ms", f"must be none, or as many as latitudes ({count})"
    if batch.HasField("start_time"):
        start = batch.start_time
        if not (FIRST_S <= start.seconds < LAST_S and 0 <= start.nanos < NANOS):
            return "locations.start_time", "must be at least 2000-01-01T00:00:00Z and below 2200-01-01T00:00:00Z"
    return None


def positions(batch: courier_pb.LocationBatch) -> int:
    """Return how many positions a batch is charged as: its longest column, at least one, at most the largest batch."""
    longest = max(len(batch.latitudes), len(batch.longitudes), len(batch.offsets_ms))
    return min(max(longest, 1), LARGEST_BATCH)


def value_fault(batch: courier_pb.LocationBatch, index: int, past: bool) -> tuple[str, str]:
    """Return (field, fault) of an impossible position. ``past``: its time lies before now."""
    if not abs(batch.latitudes[index]) <= 90:
        return f"locations.latitudes[{index}]", "must be a number from -90 to 90"
    if not abs(batch.longitudes[index]) <= 180:
        return f"locations.longitudes[{index}]", "must be a number from -180 to 180"
    if index and batch.offsets_ms and batch.offsets_ms[index] < batch.offsets_ms[index - 1]:
        return f"locations.offsets_ms[{index}]", "must not be before the position that it follows"
    if batch.offsets_ms and batch.offsets_ms[index] > LARGEST_OFFSET_MS:
        return f"locations.offsets_ms[{index}]", f"must be at most {LARGEST_OFFSET_MS} (24 hours)"
    if past:
        return "locations.start_time", "must be at most a day old"
    return "locations.start_time", "lies in the future: check the device's clock"


def _columns(shaped: list[Waiting]) -> tuple[Pings, np.ndarray]:
    """All pings in columns, and how many each batch holds."""
    lengths = np.fromiter((len(item.batch.latitudes) for item in shaped), np.int64, len(shaped))
    numbers = np.fromiter((item.courier_number for item in shaped), np.int64, len(shaped))
    starts = np.fromiter((_start_ms(item) for item in shaped), np.int64, len(shaped))
    times = np.repeat(starts, lengths)
    timed = np.fromiter((len(item.batch.offsets_ms) > 0 for item in shaped), bool, len(shaped))
    if timed.any():
        times[np.repeat(timed, lengths)] += _joined("q", (item.batch.offsets_ms for item in shaped))
    pings = Pings(
        np.repeat(numbers, lengths),
        _joined("d", (item.batch.latitudes for item in shaped)),
        _joined("d", (item.batch.longitudes for item in shaped)),
        times,
    )
    return pings, lengths


def _joined(code: str, columns: Iterable[Any]) -> np.ndarray:
    """Repeated fields end to end. By way of array: the fastest of the ways from protobuf's containers to NumPy."""
    joined = array(code)
    for column in columns:
        joined.fromlist(column[:])
    return np.frombuffer(joined, np.dtype(code))


def _start_ms(item: Waiting) -> int:
    batch = item.batch
    if not batch.HasField("start_time"):
        return item.received_ms
    return int(batch.start_time.seconds) * 1000 + int(batch.start_time.nanos) // 1_000_000
