"""A trace into this project's own Parquet form: streamed, whole or a sample of it."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from load_tests.behaviour.chance import shares_of
from load_tests.traces.errors import TraceError
from load_tests.traces.formats.parquet import ABOUT, OFFER_FILE, REQUEST_FILE, SHIFT_FILE, write_about
from load_tests.traces.schema import REQUESTS
from load_tests.traces.source import Source

Part = Callable[[pa.Table, str], pa.Table]


def whole(table: pa.Table, _column: str) -> pa.Table:
    return table


def sampled(share: float, seed: int) -> Part:
    """Of each table the rows whose name falls into the share: the same names in every table, and for every share those
    of a smaller one are among those of a larger."""

    def part(table: pa.Table, column: str) -> pa.Table:
        names = table[column].to_pylist()
        return table.filter(pa.array(shares_of(names, seed) < share)) if names else table

    return part


def write_trace(source: Source, out: Path, part: Part = whole) -> int:
    """Writes a folder; returns how many requests it holds. Nothing is left of a folder that could not be finished.

    Raises TraceError where there is something at ``out`` that is no trace.
    """
    if out.exists() and not (out / ABOUT).is_file() and (not out.is_dir() or any(out.iterdir())):
        raise TraceError(f"{out}: is there already, and no trace; choose another place")
    unfinished = out.with_name(f"{out.name}.unfinished")
    shutil.rmtree(unfinished, ignore_errors=True)
    unfinished.mkdir(parents=True)
    try:
        written = 0
        with pq.ParquetWriter(unfinished / REQUEST_FILE, REQUESTS, compression="zstd") as file:
            for table in source.batches:
                kept = part(table, "request_id")
                file.write_table(kept)
                written += kept.num_rows
        pq.write_table(part(source.shifts(), "courier_id"), unfinished / SHIFT_FILE, compression="zstd")
        pq.write_table(part(source.offers(), "courier_id"), unfinished / OFFER_FILE, compression="zstd")
        write_about(source.about, unfinished / ABOUT)
        if out.exists():
            shutil.rmtree(out)
        unfinished.rename(out)
    except BaseException:
        shutil.rmtree(unfinished, ignore_errors=True)
        raise
    return written
