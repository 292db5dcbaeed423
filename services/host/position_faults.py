"""What can be wrong with the positions of a batch, by index, and how it is reported."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np

from geo.live_index import MAX_CLOCK_SKEW_MS, OLDEST_MS, Pings, impossible
from geo.units import Ints
from gig.v1 import courier_service_pb2 as courier_pb

LARGEST_BATCH = 1000
LARGEST_OFFSET_MS = 86_400_000
# The years that the contract allows: 2000 to 2199, in Unix seconds. Later times would not fit the columns.
FIRST_S, LAST_S, NANOS = 946_684_800, 7_258_118_400, 1_000_000_000
# Positions of a batch whose faults are put into words; all are named by their indices.
MOST_IN_WORDS = 10

IMPOSSIBLE = courier_pb.POSITION_FAULT_IMPOSSIBLE
OFFSET = courier_pb.POSITION_FAULT_OFFSET
TOO_OLD = courier_pb.POSITION_FAULT_TOO_OLD
FUTURE = courier_pb.POSITION_FAULT_FUTURE
# Names of the faults in counts.
REASONS = {
    number: name.removeprefix("POSITION_FAULT_").lower() for name, number in courier_pb.PositionFault.items() if number
}


@dataclass(frozen=True, slots=True)
class Refused:
    """Positions that were refused. ``accepted``: how many of the batch were taken. ``fields``: (field, fault) in words.
    ``indices``: by PositionFault; empty where the batch is refused as a whole."""

    accepted: int
    fields: list[tuple[str, str]]
    indices: Mapping[int, list[int]] = field(default_factory=dict)

    def positions(self) -> list[courier_pb.RefusedPositions]:
        """Return the refused positions as messages, one for each fault."""
        return [
            courier_pb.RefusedPositions(fault=courier_pb.PositionFault.Name(fault), indices=found)
            for fault, found in self.indices.items()
        ]


def shape_fault(batch: courier_pb.LocationBatch) -> tuple[str, str] | None:
    """Return (field, fault) of columns that do not fit together, or None."""
    count = len(batch.latitudes)
    if not 1 <= count <= LARGEST_BATCH:
        return "locations.latitudes", f"must hold 1 to {LARGEST_BATCH} positions, not {count}"
    if len(batch.longitudes) != count:
        return "locations.longitudes", f"must be as many as latitudes ({count}), not {len(batch.longitudes)}"
    if len(batch.offsets_ms) not in (0, count):
        return "locations.offsets_ms", f"must be none, or as many as latitudes ({count})"
    for name in ("start_time", "client_time"):
        if batch.HasField(name):
            time = getattr(batch, name)
            if not (FIRST_S <= time.seconds < LAST_S and 0 <= time.nanos < NANOS):
                return f"locations.{name}", "must be at least 2000-01-01T00:00:00Z and below 2200-01-01T00:00:00Z"
    return None


def positions(batch: courier_pb.LocationBatch) -> int:
    """Return how many positions a batch is charged as: its longest column, at least one, at most the largest batch."""
    longest = max(len(batch.latitudes), len(batch.longitudes), len(batch.offsets_ms))
    return min(max(longest, 1), LARGEST_BATCH)


def faults_of(pings: Pings, offsets_ms: Ints, received_ms: Ints) -> Ints:
    """Return the PositionFault of each ping, 0 where there is none; shape (n,).

    ``offsets_ms``: as the device sent them; ``received_ms``: when the server received each. Times of ``pings`` are
    corrected by the device's clock.
    """
    found = np.zeros(pings.times_ms.size, np.int64)
    found[pings.times_ms > received_ms + MAX_CLOCK_SKEW_MS] = FUTURE
    found[pings.times_ms < received_ms - OLDEST_MS] = TOO_OLD
    found[offsets_ms > LARGEST_OFFSET_MS] = OFFSET
    found[impossible(pings)] = IMPOSSIBLE
    return found


def refused(batch: courier_pb.LocationBatch, faults: Ints, times_ms: Ints, received_ms: int) -> Refused:
    """Report the positions of a batch that have a fault. ``faults``, ``times_ms`` (corrected): shape (n,)."""
    bad = np.flatnonzero(faults)
    accepted = int(faults.size - bad.size)
    by_fault = {int(fault): np.flatnonzero(faults == fault).tolist() for fault in np.unique(faults[bad])}
    late_s = (times_ms - received_ms) / 1000
    whole = not accepted and len(by_fault) == 1 and next(iter(by_fault)) in (TOO_OLD, FUTURE)
    if whole or not batch.offsets_ms:
        # One time is wrong for all.
        timed = [index for index in bad.tolist() if faults[index] in (TOO_OLD, FUTURE)][:1]
        rest = [index for index in bad.tolist() if faults[index] not in (TOO_OLD, FUTURE)]
        fields = [("locations.start_time", _time_words(float(late_s[index]))) for index in timed]
        shown = rest
    else:
        fields, shown = [], bad.tolist()
    fields += [_words(batch, index, int(faults[index]), float(late_s[index])) for index in shown[:MOST_IN_WORDS]]
    return Refused(accepted, fields, by_fault)


def _words(batch: courier_pb.LocationBatch, index: int, fault: int, late_s: float) -> tuple[str, str]:
    if fault == IMPOSSIBLE and not abs(batch.latitudes[index]) <= 90:
        return f"locations.latitudes[{index}]", "must be a number from -90 to 90"
    if fault == IMPOSSIBLE:
        return f"locations.longitudes[{index}]", "must be a number from -180 to 180"
    if fault == OFFSET:
        return f"locations.offsets_ms[{index}]", f"must be at most {LARGEST_OFFSET_MS} (24 hours)"
    return f"locations.offsets_ms[{index}]", _time_words(late_s)


def _time_words(late_s: float) -> str:
    """``late_s``: seconds after the server's time, negative before it."""
    if late_s > 0:
        return f"lies {late_s:.0f} s after the server's time: set the device's clock, or send client_time"
    return f"lies {-late_s / 3600:.1f} h before the server's time: positions are at most 24 hours old"
