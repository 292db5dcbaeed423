"""Where couriers are by the log, and how far they drive while they wait for work."""

from __future__ import annotations

from dataclasses import dataclass, field
from itertools import accumulate
from typing import Annotated

import numpy as np
from pydantic import PlainSerializer, PlainValidator

from geo.travel import EARTH_RADIUS_M
from geo.units import E7, Floats, Ints
from geo.zones import Bools
from gig.v1 import events_pb2 as events_pb

# Metres in 1e-7 of a degree along a great circle, and of a plane whose metres are stored the same way.
METRES_A_STEP = EARTH_RADIUS_M * np.pi / 180 / E7
PLANE_A_STEP = 1 / E7
RADIANS_A_STEP = np.pi / 180 / E7
ROOM = 64
# Notes that are folded together, by arrays.
MOST_NOTES = 8192
# What a note says: moved by so much; free again, there; free again on the way, nobody knows where; has a job.
MOVED, FREE_AT, FREE, BUSY = range(4)

# Columns as lists in JSON.
AS_LIST = PlainSerializer(lambda column: column.tolist())
IntColumns = Annotated[Ints, PlainValidator(lambda rows: np.array(rows, np.int64)), AS_LIST]
BoolColumn = Annotated[Bools, PlainValidator(lambda row: np.array(row, np.bool_)), AS_LIST]
FloatColumns = Annotated[Floats, PlainValidator(lambda rows: np.array(rows, np.float64)), AS_LIST]


@dataclass(slots=True)
class Notes:
    """One row a note, in the order of the log: courier number, what it says, and two numbers (1e-7 degrees)."""

    numbers: list[int] = field(default_factory=list)
    kinds: list[int] = field(default_factory=list)
    north: list[float] = field(default_factory=list)
    east: list[float] = field(default_factory=list)


@dataclass(slots=True)
class Whereabouts:
    """By courier number, as of the last fold of the notes. ``logged``, shape (2, n), int64, 1e-7 degrees, latitude
    first: what a round's differences add to. ``at``, shape (2, n), float64, 1e-7 degrees: from where the next way is
    driven while waiting for work; NaN for those with a job, and where a way was broken off. ``metres``, shape (n,):
    ways so driven, until they are collected. ``busy``, shape (n,): who has a job. ``total_m``: all ways so driven.

    Ways between two positions of the log are straight: what is driven is at least that.
    """

    logged: IntColumns = field(default_factory=lambda: np.zeros((2, ROOM), np.int64))
    at: FloatColumns = field(default_factory=lambda: np.full((2, ROOM), np.nan))
    metres: FloatColumns = field(default_factory=lambda: np.zeros(ROOM))
    busy: BoolColumn = field(default_factory=lambda: np.zeros(ROOM, np.bool_))
    total_m: float = 0.0
    planar: bool = False
    notes: Notes = field(default_factory=Notes)

    def enter(self, number: int, latitude_e7: int, longitude_e7: int) -> None:
        """A courier comes online there."""
        self.fold()
        self._cover(number)
        self.logged[:, number] = self.at[:, number] = latitude_e7, longitude_e7
        self.busy[number] = False

    def _cover(self, number: int) -> None:
        while number >= self.metres.size:
            self.logged = np.concatenate([self.logged, np.zeros_like(self.logged)], axis=1)
            self.at = np.concatenate([self.at, np.full_like(self.at, np.nan)], axis=1)
            self.metres = np.concatenate([self.metres, np.zeros_like(self.metres)])
            self.busy = np.concatenate([self.busy, np.zeros_like(self.busy)])

    def move(self, body: events_pb.RoundSettled) -> int:
        """Note a round's positions. Returns how many couriers moved."""
        notes, deltas = self.notes, body.moved_number_deltas
        count = len(deltas)
        notes.numbers.extend(accumulate(deltas))
        notes.kinds.extend((MOVED,) * count)
        notes.north.extend(body.moved_latitude_e7_deltas)
        notes.east.extend(body.moved_longitude_e7_deltas)
        if len(notes.kinds) > MOST_NOTES:
            self.fold()
        return count

    def note(self, number: int, kind: int, latitude: float = 0.0, longitude: float = 0.0) -> None:
        """``latitude``, ``longitude``: degrees, where the kind is FREE_AT."""
        notes = self.notes
        notes.numbers.append(number)
        notes.kinds.append(kind)
        notes.north.append(latitude * E7)
        notes.east.append(longitude * E7)

    def collect(self, number: int) -> float:
        """What the courier drove while waiting for work since this was last asked, metres. Call ``fold`` first."""
        metres = float(self.metres[number])
        self.metres[number] = 0.0
        return metres

    def fold(self) -> None:
        """Fold the notes, courier by courier, each one's in order."""
        if not self.notes.kinds:
            return
        numbers = np.array(self.notes.numbers, np.int64)
        self._cover(int(numbers.max()))
        order = np.argsort(numbers, kind="stable")
        numbers, kinds = numbers[order], np.array(self.notes.kinds, np.int8)[order]
        given = np.array([self.notes.north, self.notes.east])[:, order]
        self.notes = Notes()
        rows = np.arange(numbers.size)
        first = np.append(True, numbers[1:] != numbers[:-1])
        start = np.maximum.accumulate(np.where(first, rows, 0))
        moved = kinds == MOVED
        # Positions by the log: what was logged, and all differences since.
        steps = np.cumsum(np.where(moved, given, 0.0), axis=1)
        before_first = steps[:, start] - np.where(moved[start], given[:, start], 0.0)
        logged = self.logged[:, numbers] + (steps - before_first)
        # Whether each has a job after each note: by the last note that says so, or as it was.
        says = np.maximum.accumulate(np.where(moved, -1, rows))
        says = np.where(says >= start, says, -1)
        busy = np.where(says >= 0, kinds[says] == BUSY, self.busy[numbers])
        unknown = np.where(moved, busy, kinds != FREE_AT)
        after = np.where(unknown, np.nan, np.where(moved, logged, given))
        before = np.where(first, self.at[:, numbers], np.roll(after, 1, axis=1))
        ways = np.where(moved & ~busy, self._metres(before, logged), 0.0)
        ways[np.isnan(ways)] = 0.0
        self.metres += np.bincount(numbers, ways, self.metres.size)
        self.total_m += float(ways.sum())
        last = np.append(first[1:], True)
        self.logged[:, numbers[last]] = np.rint(logged[:, last]).astype(np.int64)
        self.at[:, numbers[last]] = after[:, last]
        self.busy[numbers[last]] = busy[last]

    def _metres(self, start: Floats, end: Floats) -> Floats:
        """Straight ways between points, shape (2, n); across the antimeridian the short way round."""
        north, east = end - start
        if self.planar:
            plane: Floats = PLANE_A_STEP * np.hypot(north, east)
            return plane
        east = (east + 180 * E7) % (360 * E7) - 180 * E7
        ways: Floats = METRES_A_STEP * np.hypot(north, east * np.cos(end[0] * RADIANS_A_STEP))
        return ways
