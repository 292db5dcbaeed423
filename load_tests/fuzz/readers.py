"""Readers of files, each with sound files that it reads, changes of their values, and the errors that it may raise."""

from __future__ import annotations

import gzip
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np

from dispatcher import policy
from dispatcher.errors import PolicyError
from dispatcher.log.backup import BackupError, events_of, parts_of
from dispatcher.log.files import LogFileError, read_log
from dispatcher.log.journal import JournalError, read_journal
from geo.documents import read_document
from geo.geojson import zones_from_geojson
from geo.zones import ZoneError
from load_tests.behaviour import settings as behaviours
from load_tests.fuzz import samples
from load_tests.fuzz.log_changes import events_changed, packed_events_changed
from load_tests.fuzz.samples import Files, encoded
from load_tests.fuzz.shape_changes import archive_changed, part_changed
from load_tests.fuzz.table_changes import tables_changed
from load_tests.fuzz.text_changes import cells_changed, lines_wrapped, members_changed, values_changed
from load_tests.instances.cargo_solution import read_routes
from load_tests.instances.mdrp_check import read_solution
from load_tests.traces.cargo import read_instance
from load_tests.traces.errors import TraceError
from load_tests.traces.reading import read_trace
from load_tests.traces.source import Choices
from load_tests.traces.zones import read_zones
from services.auth.issuing import read_private_key
from services.auth.keys import KeysError, read_keys
from services.settings import SettingsError, resolve

# Changes values in the file of this name, so that it most likely can still be read.
Change = Callable[[np.random.Generator, str, bytes], bytes]


@dataclass(frozen=True, slots=True)
class Reader:
    """``samples``: sound sets of files; ``read``: given their folder; ``change``: of values in one of the files;
    ``errors``: by which it may refuse."""

    samples: Callable[[], list[Files]]
    read: Callable[[Path], object]
    change: Change
    errors: tuple[type[Exception], ...]


def _plainly(change: Callable[[np.random.Generator, bytes], bytes]) -> Change:
    """Return a change for which the file's name does not matter."""
    return lambda rng, _name, data: change(rng, data)


VALUES, CELLS, MEMBERS = _plainly(values_changed), _plainly(cells_changed), _plainly(members_changed)


def _tables(rng: np.random.Generator, name: str, data: bytes) -> bytes:
    if name.endswith(".parquet"):
        return tables_changed(rng, data)
    return cells_changed(rng, data) if name.endswith(".csv") else members_changed(rng, data)


def _trace(name: str, format_name: str) -> Callable[[Path], object]:
    return lambda folder: read_trace(folder / name, Choices(), format_name)


def _taxis(name: str, format_name: str) -> Callable[[Path], object]:
    return lambda folder: read_trace(folder / name, Choices(zones=folder / "zones.csv"), format_name)


def _zones(name: str) -> Callable[[Path], object]:
    return lambda folder: read_zones(folder / name, 1)


TRACE, KEYS = (TraceError,), (KeysError,)
READERS: Mapping[str, Reader] = {
    "policy": Reader(
        partial(samples.presets, "dispatcher.policies"),
        lambda folder: policy.load(str(folder / "file")),
        VALUES,
        (PolicyError,),
    ),
    "geojson": Reader(
        samples.zones_geojson,
        lambda folder: zones_from_geojson(read_document(folder / "file")),
        MEMBERS,
        (ZoneError,),
    ),
    "settings": Reader(
        partial(encoded, {"file": samples.SETTINGS}),
        lambda folder: resolve({}, {}, folder / "file"),
        VALUES,
        (SettingsError,),
    ),
    "behaviour": Reader(
        partial(samples.presets, "load_tests.behaviour.presets"),
        lambda folder: behaviours.load(str(folder / "file")),
        VALUES,
        TRACE,
    ),
    "keys": Reader(samples.key_set, lambda folder: read_keys(folder / "file"), MEMBERS, KEYS),
    "keys-pem": Reader(samples.public_keys, lambda folder: read_keys(folder / "file"), _plainly(lines_wrapped), KEYS),
    "private-key": Reader(
        samples.private_keys, lambda folder: read_private_key(folder / "file"), _plainly(lines_wrapped), KEYS
    ),
    "journal": Reader(
        partial(encoded, {"file": samples.JOURNAL}),
        lambda folder: list(read_journal(folder / "file")),
        VALUES,
        (JournalError,),
    ),
    "log": Reader(
        lambda: [{"log": samples.log()}],
        lambda folder: list(read_log(folder / "log")),
        _plainly(events_changed),
        (LogFileError,),
    ),
    "log-gz": Reader(
        lambda: [{"log.gz": gzip.compress(samples.log())}],
        lambda folder: list(read_log(folder / "log.gz")),
        _plainly(packed_events_changed),
        (LogFileError,),
    ),
    "backup": Reader(
        samples.backup,
        lambda folder: list(events_of(parts_of(folder))),
        _plainly(packed_events_changed),
        (BackupError,),
    ),
    "trace-log": Reader(lambda: [{"log": samples.log()}], _trace("log", "log"), _plainly(events_changed), TRACE),
    "trace-csv": Reader(partial(encoded, samples.PLAIN), _trace("file.csv", "csv"), CELLS, TRACE),
    "trace-chicago-tnp": Reader(
        partial(encoded, {"file.csv": samples.CHICAGO}), _trace("file.csv", "chicago-tnp"), CELLS, TRACE
    ),
    "trace-tlc-hvfhv": Reader(samples.records(""), _taxis("file.parquet", "tlc-hvfhv"), _tables, TRACE),
    "trace-tlc-yellow": Reader(samples.records("tpep"), _taxis("file.parquet", "tlc-yellow"), _tables, TRACE),
    "trace-tlc-green": Reader(samples.records("lpep"), _taxis("file.parquet", "tlc-green"), _tables, TRACE),
    "trace-tlc-yellow-csv": Reader(samples.taxi_csv, _taxis("file.csv", "tlc-yellow"), CELLS, TRACE),
    "trace-mdrp": Reader(
        partial(encoded, samples.MDRP), lambda folder: read_trace(folder, Choices(), "mdrp"), CELLS, TRACE
    ),
    "trace-parquet": Reader(lambda: [samples.converted()], _trace("trace", "parquet"), _tables, TRACE),
    "mdrp-solution": Reader(partial(encoded, samples.MDRP_SOLUTION), read_solution, VALUES, TRACE),
    "cargo": Reader(
        partial(encoded, samples.CARGO), lambda folder: read_instance(folder / "day.instance"), VALUES, TRACE
    ),
    "cargo-solution": Reader(partial(encoded, samples.ROUTES), read_routes, VALUES, TRACE),
    "zones-csv": Reader(partial(encoded, {"file.csv": samples.CENTROIDS}), _zones("file.csv"), CELLS, TRACE),
    "zones-geojson": Reader(samples.trace_zones_geojson, _zones("file.geojson"), MEMBERS, TRACE),
    "zones-shp": Reader(lambda: [samples.shapes()], _zones("file.shp"), part_changed, TRACE),
    "zones-zip": Reader(samples.archive, _zones("file.zip"), _plainly(archive_changed), TRACE),
}
