"""Open any trace: as a stream, or whole in memory, which is what replays need."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc

from load_tests.traces.csv_tables import LONGEST_HEADER
from load_tests.traces.errors import TraceError
from load_tests.traces.formats import FORMATS
from load_tests.traces.schema import REQUESTS, TIME, Tally
from load_tests.traces.source import About, Choices, Format, ReportRows, Source, silent

ANYTHING = Choices()
# Times that a market can hold, with some years in which what was asked for last can end.
OLDEST, NEWEST = datetime(1970, 1, 1, tzinfo=UTC), datetime(2190, 1, 1, tzinfo=UTC)
YEARS = f"from {OLDEST.year} to {NEWEST.year - 1}"
# How compressed files begin: gzip, zip, zstd, bzip2, xz.
COMPRESSED = (b"\x1f\x8b", b"PK\x03\x04", b"\x28\xb5\x2f\xfd", b"BZh", b"\xfd7zXZ")


@dataclass(frozen=True, slots=True)
class Trace:
    """``requests`` by time; ``shifts`` and ``offers`` may be empty. Tables as in load_tests.traces.schema."""

    about: About
    requests: pa.Table
    shifts: pa.Table
    offers: pa.Table
    tally: Tally


def format_of(path: Path, name: str | None = None) -> Format:
    """Return the format of a name, or the first that recognises the path. Raises TraceError."""
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
    report: ReportRows = silent,
) -> Source:
    """Open a trace as a stream of the requests in the choices' span of time; others are counted as dropped."""
    if not path.exists():
        raise TraceError(f"{path}: there is no such file or folder")
    source = format_of(path, format_name).open(path, choices, report)
    source.batches = _between(_replayable(source.batches, source.tally), choices, source.tally)
    source.shifts = partial(_replayable_shifts, source.shifts, source.tally)
    return source


def read_trace(
    path: Path,
    choices: Choices = ANYTHING,
    format_name: str | None = None,
    report: ReportRows = silent,
) -> Trace:
    """Read a whole trace: requests by time, those of the same moment in the order of the source."""
    source = open_trace(path, choices, format_name, report)
    batches = list(source.batches)
    requests = pa.concat_tables(batches) if batches else REQUESTS.empty_table()
    requests = requests.take(pc.sort_indices(requests, [("request_time", "ascending")])).combine_chunks()
    return Trace(source.about, requests, source.shifts(), source.offers(), source.tally)


def _replayable(batches: Iterator[pa.Table], tally: Tally) -> Iterator[pa.Table]:
    """Yield the requests whose times a market can hold."""
    for table in batches:
        known = table.filter(_in_years(table["request_time"]))
        tally.drop(f"request_time is not {YEARS}", table.num_rows - known.num_rows)
        later = pc.or_(_in_years(known["pickup_after"]), pc.is_null(known["pickup_after"]))
        kept = known.filter(later)
        tally.drop(f"pickup_after is not {YEARS}", known.num_rows - kept.num_rows)
        yield kept


def _replayable_shifts(shifts: Callable[[], pa.Table], tally: Tally) -> pa.Table:
    """Return the shifts whose times a market can hold."""
    table = shifts()
    known = pc.and_(_in_years(table["online_time"]), _in_years(table["offline_time"]))
    kept = table.filter(known)
    tally.note(f"shifts: times that are not {YEARS}, left out", table.num_rows - kept.num_rows)
    return kept


def _in_years(times: pa.ChunkedArray) -> pa.ChunkedArray:
    """Return whether each time lies from OLDEST on and before NEWEST; false for null."""
    inside = pc.and_(pc.greater_equal(times, pa.scalar(OLDEST, TIME)), pc.less(times, pa.scalar(NEWEST, TIME)))
    return pc.fill_null(inside, False)


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
        return f"; {_encoding_fault(path) or 'name one with --format to see what is missing'}"
    nearest = min(lacking, key=lambda name: lacking[name][0])
    _, missing, names = lacking[nearest]
    return f"; {nearest} is nearest, but there is no column {', '.join(missing)}; found: {', '.join(sorted(names))}"


def _encoding_fault(path: Path) -> str:
    """Return why nothing of a file can be read, or an empty string."""
    if not path.is_file():
        return ""
    with path.open("rb") as file:
        head = file.read(LONGEST_HEADER)
    if not head.strip():
        return "the file is empty"
    if head.startswith(COMPRESSED):
        return "the file is compressed: unpack it first"
    try:
        head.decode("utf-8-sig")
    except UnicodeDecodeError as fault:
        if path.suffix.lower() == ".csv" and fault.start < len(head) - 4:
            return "the text is not in UTF-8: save it in UTF-8"
    return ""


def _names() -> str:
    return ", ".join(known.name for known in FORMATS)
