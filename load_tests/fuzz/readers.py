"""Readers of files, each with sound files that it reads and the errors by which it may refuse others."""

from __future__ import annotations

import gzip
import tempfile
import traceback
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from importlib import resources
from pathlib import Path
from typing import Any

import numpy as np

from dispatcher import policy
from dispatcher.errors import PolicyError
from dispatcher.log.backup import BackupError, events_of, parts_of
from dispatcher.log.files import LogFileError, read_log, write_log
from dispatcher.log.journal import JournalError, read_journal
from geo.geojson import zones_from_geojson
from geo.zones import ZoneError
from load_tests.behaviour import settings as behaviours
from load_tests.bench.busy_market import BusyMarket
from load_tests.cities.generated import GeneratedCity
from load_tests.fuzz.mutation import mutated
from load_tests.traces.cargo import read_instance
from load_tests.traces.errors import TraceError
from load_tests.traces.reading import open_trace, read_trace
from load_tests.traces.source import Choices
from load_tests.traces.writing import write_trace
from load_tests.traces.zones import read_zones
from services.auth.issuing import Issuer, jwks, new_key
from services.auth.keys import KeysError, read_keys
from services.settings import SettingsError, resolve

MDRP = {
    "orders.txt": (
        "order\tx\ty\tplacement_time\trestaurant\tready_time\n"
        "o1\t1000\t2000\t600\tr1\t610\no2\t-1000\t500\t605.5\tr1\t620\n"
    ),
    "restaurants.txt": "restaurant\tx\ty\nr1\t0\t0\n",
    "couriers.txt": "courier\tx\ty\ton_time\toff_time\nc1\t0\t100\t0\t900\n",
    "instance_parameters.txt": (
        "meters_per_minute\tpickup service minutes\tdropoff service minutes\ttarget click-to-door\t"
        "maximum click-to-door\tpay per order\tguaranteed pay per hour\n320\t4\t4\t40\t90\t10\t15\n"
    ),
}
CARGO = {
    "day.instance": (
        "day\nmini road\nVEHICLES 1\nCUSTOMERS 1\n\nID ORIGIN DEST Q EARLY LATE\n0 0 -1 -3 0 -1\n1 1 2 1 0 600\n"
    ),
    "mini.rnet": "0 0 1 8.00 50.00 8.01 50.00\n1 1 2 8.01 50.00 8.01 50.01\n2 2 0 8.01 50.01 8.00 50.00\n",
    "mini.edges": "3 3\n0 1 700\n1 2 1100\n2 0 1300\n",
}
PLAIN = (
    "request_time,pickup_latitude,pickup_longitude,dropoff_latitude,dropoff_longitude,kind,persons\n"
    "2026-05-01T10:00:00Z,50.0,8.0,50.1,8.1,delivery,\n2026-05-01T10:01:00Z,50.0,8.0,50.1,8.1,,3\n"
)
CHICAGO = (
    "Trip ID,Trip Start Timestamp,Trip Seconds,Trip Miles,Pickup Centroid Latitude,Pickup Centroid Longitude,"
    "Dropoff Centroid Latitude,Dropoff Centroid Longitude,Fare,Tip\n"
    "a,08/01/2019 05:15:00 PM,600,2.5,41.88,-87.63,41.90,-87.65,10,2\n"
)
CENTROIDS = "LocationID,latitude,longitude\n152,40.8184,-73.9540\n230,40.7598,-73.9848\n"
SETTINGS = 'market = "main"\nclock_speed = 2.0\ncalls_per_second = 50\nwithout_token = ["health"]\n'
JOURNAL = (
    '{"kind": "placed", "client_id": "ann", "request_id": "r", "job_id": "j"}\n'
    '{"kind": "answered", "courier_id": "bo", "offer_id": "o", "accepted": true}\n'
)

Files = Mapping[str, bytes]


@dataclass(frozen=True, slots=True)
class Reader:
    """``samples``: sound sets of files; ``read``: given their folder; ``errors``: how it may refuse."""

    samples: Callable[[], list[Files]]
    read: Callable[[Path], object]
    errors: tuple[type[Exception], ...]


def _text(**files: str) -> list[Files]:
    return [{name.replace("__", "."): text.encode() for name, text in files.items()}]


def _encoded(files: Mapping[str, str]) -> list[Files]:
    return [{name: text.encode() for name, text in files.items()}]


@cache
def _log() -> bytes:
    return _written(lambda folder: write_log(folder / "log", BusyMarket(3, 20.0, 0.3).run()), "log")


@cache
def _parquet() -> Mapping[str, bytes]:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "plain.csv").write_text(PLAIN, "utf-8")
        write_trace(open_trace(folder / "plain.csv"), folder / "trace")
        return {f"trace/{path.name}": path.read_bytes() for path in (folder / "trace").iterdir()}


def _written(write: Callable[[Path], object], name: str) -> bytes:
    with tempfile.TemporaryDirectory() as folder:
        write(Path(folder))
        return Path(folder, name).read_bytes()


def _presets(package: str) -> list[Files]:
    found = [entry.read_text("utf-8") for entry in resources.files(package).iterdir() if entry.name.endswith(".toml")]
    return [{"file": text.encode()} for text in found]


def _geojson(folder: Path) -> object:
    try:
        text = (folder / "file").read_text("utf-8")
    except UnicodeDecodeError as fault:  # as `gig serve --zones` tells it
        raise ZoneError(str(fault)) from fault
    return zones_from_geojson(text)


def _trace(name: str, format_name: str) -> Callable[[Path], object]:
    return lambda folder: read_trace(folder / name, Choices(), format_name)


def _jwks() -> list[Files]:
    return [{"file": jwks([Issuer(new_key()), Issuer(new_key("EdDSA"))]).encode()}]


def _zones() -> list[Files]:
    return [{"file": GeneratedCity(np.random.default_rng(1)).zones_geojson.encode()}]


def _backup() -> list[Files]:
    packed = gzip.compress(_log())
    events = sum(1 for _ in _events(_log()))
    return [{f"main-{1:012d}-{events:012d}.log.gz": packed}]


def _events(data: bytes) -> Iterator[Any]:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "log")
        path.write_bytes(data)
        yield from read_log(path)


def _policy(folder: Path) -> object:
    return policy.load(str(folder / "file"))


def _settings(folder: Path) -> object:
    return resolve({}, {}, folder / "file")


def _cargo(folder: Path) -> object:
    return read_instance(folder / "day.instance")


def _zone_points(folder: Path) -> object:
    return read_zones(folder / "file.csv", 1)


READERS: Mapping[str, Reader] = {
    "policy": Reader(
        lambda: _presets("dispatcher.policies"), lambda folder: policy.load(str(folder / "file")), (PolicyError,)
    ),
    "geojson": Reader(_zones, _geojson, (ZoneError,)),
    "settings": Reader(lambda: _text(file=SETTINGS), _settings, (SettingsError,)),
    "behaviour": Reader(
        lambda: _presets("load_tests.behaviour.presets"),
        lambda folder: behaviours.load(str(folder / "file")),
        (TraceError,),
    ),
    "keys": Reader(_jwks, lambda folder: read_keys(folder / "file"), (KeysError,)),
    "journal": Reader(lambda: _text(file=JOURNAL), lambda folder: list(read_journal(folder / "file")), (JournalError,)),
    "log": Reader(lambda: [{"log": _log()}], lambda folder: list(read_log(folder / "log")), (LogFileError,)),
    "log-gz": Reader(
        lambda: [{"log.gz": gzip.compress(_log())}], lambda folder: list(read_log(folder / "log.gz")), (LogFileError,)
    ),
    "backup": Reader(_backup, lambda folder: list(events_of(parts_of(folder))), (BackupError,)),
    "trace-log": Reader(lambda: [{"log": _log()}], _trace("log", "log"), (TraceError,)),
    "trace-csv": Reader(lambda: _text(file__csv=PLAIN), _trace("file.csv", "csv"), (TraceError,)),
    "trace-chicago": Reader(lambda: _text(file__csv=CHICAGO), _trace("file.csv", "chicago-tnp"), (TraceError,)),
    "trace-mdrp": Reader(lambda: _encoded(MDRP), lambda folder: read_trace(folder, Choices(), "mdrp"), (TraceError,)),
    "trace-parquet": Reader(lambda: [_parquet()], _trace("trace", "parquet"), (TraceError,)),
    "cargo": Reader(lambda: _encoded(CARGO), _cargo, (TraceError,)),
    "zones": Reader(
        lambda: _text(file__csv=CENTROIDS), lambda folder: read_zones(folder / "file.csv", 1), (TraceError,)
    ),
}


def fuzz_reader(name: str, count: int, seed: int) -> dict[str, Any]:
    """How many were read, and how many refused; ``unclear``: the first ones that ended in another way, with where."""
    reader, rng = READERS[name], np.random.default_rng([seed, *name.encode()])
    samples = reader.samples()
    others = [data for sample in samples for data in sample.values()]
    found: dict[str, Any] = {"files": count, "read": 0, "refused": 0, "unclear": []}
    with tempfile.TemporaryDirectory(dir="/dev/shm" if Path("/dev/shm").is_dir() else None) as place:
        folder = Path(place)
        for sample in samples:
            _lay(folder, sample)
            reader.read(folder)  # a sound one is read
        for _ in range(count):
            sample = dict(samples[int(rng.integers(len(samples)))])
            harmed = [*sample][int(rng.integers(len(sample)))]
            sample[harmed] = mutated(rng, sample[harmed], others)
            _lay(folder, sample)
            try:
                reader.read(folder)
            except reader.errors:
                found["refused"] += 1
            except Exception as fault:  # what no reader may do is what is looked for
                if len(found["unclear"]) < 10:
                    where = traceback.extract_tb(fault.__traceback__)[-1]
                    at = f"{Path(where.filename).name}:{where.lineno}"
                    found["unclear"].append(
                        f"{type(fault).__name__} at {at}: {fault}"[:300] + f" {sample[harmed][:200]!r}"
                    )
            else:
                found["read"] += 1
    return found


def _lay(folder: Path, files: Files) -> None:
    for name, data in files.items():
        path = folder / name
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(data)
