"""Open any trace: as a stream, or whole in memory, which is what replays need."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc

from load_tests.traces.errors import TraceError
from load_tests.traces.formats import FORMATS
from load_tests.traces.schema import REQUESTS, TIME, Tally
from load_tests.traces.source import About, Choices, Format, Source, Told, silent

ANYTHING = Choices()


@dataclass(frozen=True, slots=True)
class Trace:
    """``requests`` by time; ``shifts`` and ``offers`` may be empty. Tables as in load_tests.traces.schema."""

    about: About
    requests: pa.Table
    shifts: pa.Table
    offers: pa.Table
    tally: Tally


def format_of(path: Path, name: str | None = None) -> Format:
    """The format of a name, or the first that recognises the path. Raises TraceError."""
    if name is not None:
        found = next((known for known in FORMATS if known.name == name), None)
        if found is None:
            raise TraceError(f"there is no trace format {name!r}; formats are: {_names()}")
        return found
    if not path.exists():
        raise TraceError(f"{path}: there is no such file or folder")
    found = next((known for known in FORMATS if known.recognises(path)), None)
    if found is None:
        raise TraceError(f"{path}: is in none of the formats {_names()}{_nearest(path)}")
    return found


def open_trace(
    path: Path,
    choices: Choices = ANYTHING,
    format_name: str | None = None,
    told: Told = silent,
) -> Source:
    """The trace as a stream of requests inside the choices' span of time, which counts what lies outside as dropped."""
    if not path.exists():
        raise TraceError(f"{path}: there is no such file or folder")
    source = format_of(path, format_name).open(path, choices, told)
    source.batches = _between(source.batches, choices, source.tally)
    return source


def read_trace(
    path: Path,
    choices: Choices = ANYTHING,
    format_name: str | None = None,
    told: Told = silent,
) -> Trace:
    """The whole trace in memory, requests by time (those of the same moment in the order of the source)."""
    source = open_trace(path, choices, format_name, told)
    batches = list(source.batches)
    requests = pa.concat_tables(batches) if batches else REQUESTS.empty_table()
    requests = requests.take(pc.sort_indices(requests, [("request_time", "ascending")])).combine_chunks()
    return Trace(source.about, requests, source.shifts(), source.offers(), source.tally)


def _between(batches: Iterator[pa.Table], choices: Choices, tally: Tally) -> Iterator[pa.Table]:
    for table in batches:
        mask = None
        if choices.since is not None:
            mask = pc.greater_equal(table["request_time"], pa.scalar(choices.since, TIME))
        if choices.until is not None:
            before = pc.less(table["request_time"], pa.scalar(choices.until, TIME))
            mask = before if mask is None else pc.and_(mask, before)
        kept = table if mask is None else table.filter(mask)
        tally.drop("outside the span of time", table.num_rows - kept.num_rows)
        if kept.num_rows:
            yield kept


def _nearest(path: Path) -> str:
    """Return which format a table is nearest to, and the columns that it lacks; nothing for other files."""
    lacking = {}
    for known in FORMATS:
        names = known.names_in(path)
        missing = [name for name in known.needed if name.lower() not in names]
        if names and missing and len(missing) < len(known.needed):
            lacking[known.name] = (len(missing) / len(known.needed), missing, names)
    if not lacking:
        return "; name one with --format to see what is missing"
    nearest = min(lacking, key=lambda name: lacking[name][0])
    _, missing, names = lacking[nearest]
    return f"; {nearest} is nearest, but there is no column {', '.join(missing)}; found: {', '.join(sorted(names))}"


def _names() -> str:
    return ", ".join(known.name for known in FORMATS)
