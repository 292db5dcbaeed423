"""A small generated day, and the log of its replay with people who act as people do."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from dispatcher import policy as policies
from dispatcher.log.files import open_log, read_log
from gig.v1 import events_pb2 as events_pb
from load_tests.behaviour import settings
from load_tests.replay.day import prepare
from load_tests.replay.policies import under_trace
from load_tests.replay.run import replay_day
from load_tests.traces.generated import generated_day
from load_tests.traces.reading import Trace, open_trace, read_trace
from load_tests.traces.source import Source
from load_tests.traces.writing import write_trace

REQUESTS, COURIERS = 500, 24
# About noon, as close together as in the whole day.
NOON = slice(160, 310)
SHORT_REQUESTS, SHORT_COURIERS = 80, 14


@pytest.fixture(scope="session")
def day() -> Trace:
    return generated_day(REQUESTS, COURIERS, seed=5)


@pytest.fixture(scope="session")
def noon(day: Trace) -> Trace:
    """The day with its requests about noon only."""
    return replace(day, requests=day.requests.slice(NOON.start, NOON.stop - NOON.start))


@pytest.fixture(scope="session")
def day_folder(day: Trace, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("traces") / "day"
    write_day(day, folder)
    return folder


@pytest.fixture(scope="session")
def short_day_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A day with few requests, for tests that replay it many times."""
    folder = tmp_path_factory.mktemp("traces") / "short-day"
    write_day(generated_day(SHORT_REQUESTS, SHORT_COURIERS, seed=5), folder)
    return folder


def write_day(day: Trace, folder: Path) -> None:
    """Write the tables of a trace in Parquet form."""
    write_trace(Source(day.about, iter([day.requests]), day.tally, lambda: day.shifts, lambda: day.offers), folder)


@pytest.fixture(scope="session")
def log_file(day: Trace, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Of the policy "city" among lively people."""
    return logged(day, tmp_path_factory.mktemp("logs") / "day.log.gz")


def logged(trace: Trace, path: Path) -> Path:
    """Write the log of a replay under the policy "city" among lively people."""
    behaviour = settings.load("lively")
    prepared = prepare(trace, behaviour, 3)
    with open_log(path, "wb") as file:
        replay_day(prepared, under_trace(policies.load("city"), prepared), behaviour, 3, log=file)
    return path


@pytest.fixture(scope="session")
def log(log_file: Path) -> list[events_pb.Event]:
    return list(read_log(log_file))


@pytest.fixture(scope="session")
def log_trace(log_file: Path) -> Trace:
    return read_trace(log_file)


@pytest.fixture(scope="session")
def log_folder(log_file: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The log's trace in Parquet form."""
    folder = tmp_path_factory.mktemp("traces") / "log"
    write_trace(open_trace(log_file), folder)
    return folder
