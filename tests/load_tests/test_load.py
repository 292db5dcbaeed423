"""Load is open: it does not wait for slow answers, counts from when calls were due, and proves the log at the end."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import grpc
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st
from typer.testing import CliRunner

from load_tests.behaviour import settings
from load_tests.load.command import wrong_with
from load_tests.load.ids import LONGEST, mapping
from load_tests.load.latency import Latencies
from load_tests.load.trace_city import TraceCity
from load_tests.replay.day import prepare
from load_tests.traces.reading import Trace
from load_tests.traces.source import Source
from load_tests.traces.writing import write_trace
from services.auth.caller import PERSON_ID
from services.cli.main import app

GIG = str(Path(sys.executable).with_name("gig"))


def test_latency_counts_from_when_a_call_was_due() -> None:
    latencies = Latencies()
    now = time.monotonic()
    latencies.answered("PlaceJob", due=now - 2.0, made=now - 0.5)
    found = latencies.summary()["PlaceJob"]
    assert found["p50_ms"] == pytest.approx(2000, rel=0.01)
    assert found["late_p99_ms"] == pytest.approx(1500, rel=0.01)


@pytest.mark.parametrize("code", [code.name for code in grpc.StatusCode if code is not grpc.StatusCode.OK])
def test_a_call_that_ends_with_an_error_is_a_fault_or_a_refusal_or_came_too_late(code: str) -> None:
    latencies = Latencies()
    latencies.failed("PlaceJob", code)
    assert latencies.calls == 1
    assert latencies.faults + latencies.refused == (code != "FAILED_PRECONDITION")
    of_the_caller = ("UNAUTHENTICATED", "PERMISSION_DENIED", "INVALID_ARGUMENT", "NOT_FOUND", "ALREADY_EXISTS")
    of_the_caller += ("OUT_OF_RANGE", "UNIMPLEMENTED", "CANCELLED")
    assert latencies.refused == (code in of_the_caller)


def test_an_answer_to_an_offer_that_is_gone_came_too_late() -> None:
    latencies = Latencies()
    latencies.failed("Connect/answer", "NOT_FOUND")
    assert (latencies.calls, latencies.faults, latencies.refused) == (1, 0, 0)


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"faults": 2}, "0.200% of calls failed or were refused, more than the budget"),
        ({"refused_calls": 1}, "0.200% of calls failed or were refused"),
        ({"calls": 60, "faults": 0, "refused_calls": 60}, "100.000% of calls failed or were refused"),
        ({"lost": 1}, "1 jobs lost"),
        ({"doubled": 3}, "3 jobs doubled"),
        ({"violations": ["event 7: twice"]}, "event 7"),
    ],
)
def test_whatever_is_wrong_is_said(change: dict, told: str) -> None:
    good = {
        "calls": 1000,
        "faults": 1,
        "refused_calls": 0,
        "error_budget": 0.001,
        "lost": 0,
        "doubled": 0,
        "violations": [],
    }
    assert wrong_with(good) == []
    assert wrong_with(good | {"violations": None}) == []
    (sentence,) = wrong_with(good | change)
    assert told in sentence


def test_a_trace_is_played_at_its_own_moments_times_the_pace(day: Trace) -> None:
    import numpy as np

    behaviour = settings.load("fixed")
    prepared = prepare(day, behaviour, 1)
    city = TraceCity(prepared, 0.5, np.full(len(prepared.requests), 100.0))
    demands = list(city.demands(np.random.default_rng(1), 0.0))
    assert len(demands) == day.requests.num_rows
    first = (prepared.requests.at_us[0] - prepared.start_us) / 1e6
    assert demands[0].at_s == pytest.approx(first * 0.5)
    assert demands[0].patience_s == 50.0


STRANGE = (
    "Anne Müller",
    "a/b",
    "",
    "x" * 129,
    "tab\there",
    "ok-1",
    "client-1",
    "client-2",
    "a b",
    "a b",
    "日本",
    "a,b\n",
)


def test_each_person_gets_one_allowed_id_that_nobody_else_has() -> None:
    found = mapping(STRANGE, "client")
    played = [found.get(one, one) for one in STRANGE]
    assert all(PERSON_ID.fullmatch(f"{one}.1234567") for one in played)
    assert len(set(played)) == len(set(STRANGE))
    assert [one for one in STRANGE if one not in found] == ["ok-1", "client-1", "client-2"]


@given(st.lists(st.text(max_size=140) | st.from_regex(r"client-[1-9]", fullmatch=True), max_size=20))
def test_any_ids_are_mapped_one_to_one_and_allowed_ones_stay(ids: list[str]) -> None:
    found = mapping(ids, "client")
    played = [found.get(one, one) for one in ids]
    assert all(PERSON_ID.fullmatch(one) for one in played)
    assert len(set(played)) == len(set(ids))
    assert all(len(one) > LONGEST or not PERSON_ID.fullmatch(one) for one in found)


def renamed(table: pa.Table, column: str, pattern: str) -> tuple[pa.Table, int]:
    """Return the table with other ids in a column, and how many different ones there are."""
    names, place = [pattern.format(one) for one in table[column].to_pylist()], table.schema.get_field_index(column)
    return table.set_column(place, table.schema.field(place), pa.array(names)), len(set(names))


@dataclass(frozen=True, slots=True)
class Played:
    """What `gig load` printed and kept of a trace, and how many ids of it the contract does not allow."""

    found: dict[str, Any]
    kept: dict[str, Any]
    clients: int
    couriers: int


@pytest.fixture(scope="module")
def played(day: Trace, tmp_path_factory: pytest.TempPathFactory) -> Played:
    folder = tmp_path_factory.mktemp("load")
    requests, clients = renamed(day.requests, "client_id", "Client № {}")
    shifts, couriers = renamed(day.shifts, "courier_id", "{} / car")
    write_trace(Source(day.about, iter([requests]), day.tally, lambda: shifts, lambda: day.offers), folder / "day")
    arguments = ["load", "--trace", str(folder / "day"), "--speed", "3600", "--seconds", "9", "--out", str(folder)]
    done = subprocess.run([GIG, *arguments, "--json"], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    kept = json.loads((folder / "load.json").read_text("utf-8"))
    return Played(json.loads(done.stdout), kept, clients, couriers)


def test_a_trace_is_played_against_a_real_suite_whose_log_is_then_proved(played: Played) -> None:
    found = played.found
    assert found["requests"] > 20
    assert (found["lost"], found["doubled"], found["violations"], found["faults"]) == (0, 0, [], 0)
    assert {"PlaceJob", "Connect/go_online", "Connect/answer", "Connect/progress"} <= found["methods"].keys()
    assert played.kept["histograms"]["PlaceJob"].startswith("HIST")


def test_a_trace_whose_ids_the_contract_does_not_allow_is_played_under_other_ids(played: Played) -> None:
    found = played.found
    assert found["ids_mapped"] == {"clients": played.clients, "couriers": played.couriers}
    assert (found["faults"], found["refused_calls"]) == (0, 0)
    assert found["states"]


def test_a_target_that_is_not_there_is_told_in_a_line(day_folder: Path) -> None:
    arguments = ["load", "--trace", str(day_folder), "--target", "127.0.0.1:9", "--speed", "3600"]
    done = CliRunner().invoke(app(), arguments)
    assert (done.exit_code, type(done.exception)) == (1, SystemExit)
    assert "is a suite serving there?" in done.stderr
    assert "Traceback" not in done.stderr
