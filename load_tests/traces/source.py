"""A trace as a stream: batches of requests, what is known of shifts and offers, and what was dropped on the way."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Protocol

import pyarrow as pa

from load_tests.traces.schema import OFFERS, SHIFTS, Tally

# Called with the rows that were read so far and the rows of the file, 0 where their number is not known.
ReportRows = Callable[[int, int], None]


def silent(_rows: int, _total: int) -> None:
    """Report no progress."""


@dataclass(frozen=True, slots=True)
class Plane:
    """The plane of an instance: one speed, and service times of which half is before and half after the moment."""

    metres_per_minute: float
    round_up_to_s: float = 0.0
    pickup_service_s: float = 0.0
    dropoff_service_s: float = 0.0


@dataclass(frozen=True, slots=True)
class About:
    """``source``: one sentence on where the trace is from. ``instance_set``: made to compare solvers by, so couriers
    accept every offer. ``plane``: None on the globe. ``waits_recorded``: the request is apart from the pickup; where
    it is not, nobody noted when clients began to wait. ``shifts_recorded``: where shifts are recorded and there are
    none, nobody works."""

    name: str
    format: str
    source: str
    currency: str = "USD"
    instance_set: bool = False
    plane: Plane | None = None
    waits_recorded: bool = True
    shifts_recorded: bool = False


@dataclass(frozen=True, slots=True)
class Choices:
    """Options of a reader. ``zones``: a shapefile, GeoJSON or table of centroids for traces that name zones;
    ``seed``: of points drawn inside zones; ``since``, ``until``: only requests from and before, aware of their zone."""

    zones: Path | None = None
    seed: int = 0
    since: datetime | None = None
    until: datetime | None = None


@dataclass(slots=True)
class Source:
    """``batches`` can be read once, and fills ``tally``; ``shifts`` and ``offers`` are whole once it is read."""

    about: About
    batches: Iterator[pa.Table]
    tally: Tally
    shifts: Callable[[], pa.Table] = field(default=SHIFTS.empty_table)
    offers: Callable[[], pa.Table] = field(default=OFFERS.empty_table)


class Format(Protocol):
    """One kind of file or folder. ``mapping``: how its columns become those of the schema, for the documentation."""

    @property
    def name(self) -> str: ...

    @property
    def title(self) -> str: ...

    @property
    def mapping(self) -> str: ...

    @property
    def needed(self) -> tuple[str, ...]:
        """Columns without which a table is not of this format; empty where it is no table."""
        ...

    def names_in(self, path: Path) -> set[str]:
        """Return the names of a file's columns in lower case; empty where it is no table."""
        ...

    def recognises(self, path: Path) -> bool: ...

    def open(self, path: Path, choices: Choices, report: ReportRows) -> Source:
        """Raises TraceError, at once or while reading, where the file is not what it should be."""
        ...
