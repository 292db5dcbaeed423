"""Location intake: batches from the streams gather here and enter the live index together, in columns."""

from __future__ import annotations

from array import array
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np

from geo.live_index import MAX_CLOCK_SKEW_MS, Bools, LiveIndex, Pings
from geo.units import Ints
from gig.v1 import courier_service_pb2 as courier_pb
from services.host.device_clocks import DeviceClocks
from services.host.position_faults import REASONS, Refused, faults_of, refused, shape_fault
from services.host.position_trail import PositionTrail

# Drain at once when this many batches wait; else on the next tick.
DRAIN_AT = 4096
# Reasons for which positions are not used, beside those of PositionFault: columns that do not fit together, a failure
# of the server, older than the position that is known, further away than anyone can have driven.
SHAPE, FAILED, STALE, JUMP = "shape", "failed", "stale", "jump"

Refuse = Callable[[Refused], None]
Report = Callable[[int, Exception], None]


class Outcomes(Protocol):
    """Receives what became of each courier's batches, by reason: how many positions were not used."""

    def unused(self, number: int, reasons: Mapping[str, int], received_ms: int) -> None: ...

    def used(self, number: int) -> None: ...


@dataclass(frozen=True, slots=True)
class Waiting:
    courier_number: int
    batch: courier_pb.LocationBatch
    received_ms: int
    # Called where positions of the batch, or all of it, cannot be used.
    refuse: Refuse


@dataclass(frozen=True, slots=True)
class _Columns:
    """Batches in columns: all pings, and of batch i the first one ``starts[i]`` and how many ``lengths[i]``."""

    items: list[Waiting]
    pings: Pings
    offsets_ms: Ints
    received_ms: Ints
    lengths: Ints
    starts: Ints


class LocationIntake:
    """``report``: called with the courier's number and the fault of a batch that cannot be taken in.

    ``accepted``: positions taken; ``refused``: batches of which positions were refused; ``reasons``: positions not
    used, by reason; ``unordered``: batches that were sorted.
    """

    def __init__(
        self,
        index: LiveIndex,
        clocks: DeviceClocks,
        report: Report = lambda _number, _fault: None,
        outcomes: Outcomes | None = None,
        trail: PositionTrail | None = None,
    ) -> None:
        self._index, self._clocks = index, clocks
        self._report, self._outcomes = report, outcomes
        self._trail = trail
        self._waiting: list[Waiting] = []
        self.accepted = self.refused = self.unordered = 0
        self.reasons: Counter[str] = Counter(dict.fromkeys([*REASONS.values(), SHAPE, FAILED, STALE, JUMP], 0))

    def add(self, waiting: Waiting) -> None:
        self._waiting.append(waiting)
        if len(self._waiting) >= DRAIN_AT:
            self.drain()

    def drain(self) -> None:
        """Check and index what waits. Positions with a fault are refused by index, the others of their batch taken."""
        waiting, self._waiting = self._waiting, []
        self._take_each([item for item in waiting if self._well_shaped(item)])

    def _take_each(self, shaped: list[Waiting]) -> None:
        """Take all in together; where that fails, by halves, so that only the batch that is the cause is refused."""
        if not shaped:
            return
        try:
            self._take(shaped)
        except Exception as fault:
            if len(shaped) > 1:
                middle = len(shaped) // 2
                self._take_each(shaped[:middle])
                self._take_each(shaped[middle:])
                return
            self._report(shaped[0].courier_number, fault)
            text = "the server cannot take these positions in: check their values"
            self._refuse(shaped[0], Refused(0, [("locations", text)]), {FAILED: len(shaped[0].batch.latitudes)})

    def _well_shaped(self, item: Waiting) -> bool:
        fault = shape_fault(item.batch)
        if fault is not None:
            self._refuse(item, Refused(0, [fault]), {SHAPE: max(len(item.batch.latitudes), 1)})
        return fault is None

    def _take(self, shaped: list[Waiting]) -> None:
        taken = self._corrected(_columns(shaped))
        faults = faults_of(taken.pings, taken.offsets_ms, taken.received_ms)
        newest = self._newest(taken, faults == 0)
        self._refuse_bad(taken, faults)
        self.accepted += int((faults == 0).sum())
        some = newest >= 0
        pings, at = taken.pings, newest[some]
        # Nobody is where they are going to be: a time that is a little ahead means now.
        times = np.minimum(pings.times_ms[at], taken.received_ms[at])
        flagged = self._index.update(Pings(pings.numbers[at], pings.latitudes[at], pings.longitudes[at], times))
        self.reasons[STALE] += flagged.stale.size
        self.reasons[JUMP] += flagged.jumps.size
        if self._trail is not None:
            self._trail.note(_part(taken, faults == 0))
        self._report_outcomes(taken, faults, set(flagged.stale.tolist()))

    def _corrected(self, taken: _Columns) -> _Columns:
        """Read each device's clock from these batches, then correct their times by the estimated offsets."""
        pings, lengths, starts = taken.pings, taken.lengths, taken.starts
        clocks = self._clocks
        before = np.fromiter((clocks.offset_ms(item.courier_number) for item in taken.items), np.int64, lengths.size)
        times = pings.times_ms + np.repeat(before, lengths)
        # A batch with some positions that are not in the future says nothing by those that are.
        possible = np.where(times <= taken.received_ms + MAX_CLOCK_SKEW_MS, pings.times_ms, np.iinfo(np.int64).min)
        newest = np.maximum.reduceat(possible, starts)
        nothing = newest == np.iinfo(np.int64).min
        newest[nothing] = np.maximum.reduceat(pings.times_ms, starts)[nothing]
        for item, newest_ms in zip(taken.items, newest.tolist(), strict=True):
            batch = item.batch
            if batch.HasField("client_time"):
                clocks.read(item.courier_number, batch.client_time.ToMilliseconds(), item.received_ms)
            elif batch.HasField("start_time"):
                clocks.observe(item.courier_number, newest_ms, item.received_ms)
        after = np.fromiter(
            # Without a start_time the server's clock counts.
            (clocks.offset_ms(item.courier_number) if item.batch.HasField("start_time") else 0 for item in taken.items),
            np.int64,
            lengths.size,
        )
        corrected = Pings(pings.numbers, pings.latitudes, pings.longitudes, pings.times_ms + np.repeat(after, lengths))
        return _Columns(taken.items, corrected, taken.offsets_ms, taken.received_ms, lengths, starts)

    def _newest(self, taken: _Columns, good: Bools) -> Ints:
        """Return the row of the newest good ping of each batch, the last one among equals; -1 where there is none."""
        times, starts, lengths = taken.pings.times_ms, taken.starts, taken.lengths
        backwards = np.zeros(times.size, bool)
        backwards[1:] = times[1:] < times[:-1]
        backwards[starts] = False
        self.unordered += int(np.logical_or.reduceat(backwards, starts).sum())
        if good.all() and not backwards.any():
            ends: Ints = starts + lengths - 1
            return ends
        counted = np.where(good, times, np.iinfo(np.int64).min)
        latest = good & (counted == np.repeat(np.maximum.reduceat(counted, starts), lengths))
        found: Ints = np.maximum.reduceat(np.where(latest, np.arange(times.size), -1), starts)
        return found

    def _refuse_bad(self, taken: _Columns, faults: Ints) -> None:
        if not faults.any():
            return
        for index in np.flatnonzero(np.logical_or.reduceat(faults != 0, taken.starts)).tolist():
            item, start = taken.items[index], int(taken.starts[index])
            rows = slice(start, start + int(taken.lengths[index]))
            found = refused(item.batch, faults[rows], taken.pings.times_ms[rows], item.received_ms)
            self._refuse(item, found, {REASONS[fault]: len(at) for fault, at in found.indices.items()})

    def _refuse(self, item: Waiting, found: Refused, reasons: Mapping[str, int]) -> None:
        self.refused += 1
        self.reasons.update(reasons)
        if self._outcomes is not None:
            self._outcomes.unused(item.courier_number, reasons, item.received_ms)
        item.refuse(found)

    def _report_outcomes(self, taken: _Columns, faults: Ints, stale: set[int]) -> None:
        """Report for each batch without a fault whether it was used, or held nothing newer than what is known."""
        if self._outcomes is None:
            return
        faulty = np.logical_or.reduceat(faults != 0, taken.starts).tolist()
        for item, is_faulty in zip(taken.items, faulty, strict=True):
            if is_faulty:
                continue
            if item.courier_number in stale:
                self._outcomes.unused(item.courier_number, {STALE: len(item.batch.latitudes)}, item.received_ms)
            else:
                self._outcomes.used(item.courier_number)


def _columns(shaped: list[Waiting]) -> _Columns:
    """All pings in columns, and how many each batch holds. Their times are the devices'."""
    count = len(shaped)
    lengths = np.fromiter((len(item.batch.latitudes) for item in shaped), np.int64, count)
    numbers = np.fromiter((item.courier_number for item in shaped), np.int64, count)
    begins = np.fromiter((_start_ms(item) for item in shaped), np.int64, count)
    received = np.fromiter((item.received_ms for item in shaped), np.int64, count)
    timed = np.fromiter((len(item.batch.offsets_ms) > 0 for item in shaped), bool, count)
    offsets = np.zeros(int(lengths.sum()), np.int64)
    if timed.any():
        offsets[np.repeat(timed, lengths)] = _joined("q", (item.batch.offsets_ms for item in shaped))
    pings = Pings(
        np.repeat(numbers, lengths),
        _joined("d", (item.batch.latitudes for item in shaped)),
        _joined("d", (item.batch.longitudes for item in shaped)),
        np.repeat(begins, lengths) + offsets,
    )
    return _Columns(shaped, pings, offsets, np.repeat(received, lengths), lengths, np.cumsum(lengths) - lengths)


def _part(taken: _Columns, rows: Bools) -> Pings:
    """Some of the pings; a time that is a little ahead means now."""
    pings, times = taken.pings, np.minimum(taken.pings.times_ms, taken.received_ms)
    if rows.all():
        return Pings(pings.numbers, pings.latitudes, pings.longitudes, times)
    return Pings(pings.numbers[rows], pings.latitudes[rows], pings.longitudes[rows], times[rows])


def _joined(code: str, columns: Iterable[Any]) -> np.ndarray:
    """Repeated fields end to end. By way of array: the fastest of the ways from protobuf's containers to NumPy."""
    joined = array(code)
    for column in columns:
        joined.fromlist(column[:])
    return np.frombuffer(joined, np.dtype(code))


def _start_ms(item: Waiting) -> int:
    """Return the start of the batch by the device's clock; without one, the arrival by the server's."""
    batch = item.batch
    if not batch.HasField("start_time"):
        return item.received_ms
    return int(batch.start_time.seconds) * 1000 + int(batch.start_time.nanos) // 1_000_000
