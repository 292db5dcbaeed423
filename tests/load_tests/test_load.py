"""Load is open: it does not wait for slow answers, counts from when calls were due, and proves the log at the end."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from pathlib import Path

import pytest

from load_tests.behaviour import settings
from load_tests.load.command import wrong_with
from load_tests.load.latency import Latencies
from load_tests.load.trace_city import TraceCity
from load_tests.replay.day import prepare
from load_tests.traces.reading import Trace

GIG = str(Path(sys.executable).with_name("gig"))


def test_latency_counts_from_when_a_call_was_due() -> None:
    latencies = Latencies()
    now = time.monotonic()
    latencies.answered("PlaceJob", due=now - 2.0, made=now - 0.5)
    found = latencies.summary()["PlaceJob"]
    assert found["p50_ms"] == pytest.approx(2000, rel=0.01)
    assert found["late_p99_ms"] == pytest.approx(1500, rel=0.01)


def test_an_answer_that_somebody_does_not_like_is_no_fault_of_the_service() -> None:
    latencies = Latencies()
    for code in ("UNAVAILABLE", "FAILED_PRECONDITION", "INVALID_ARGUMENT"):
        latencies.failed("PlaceJob", code)
    assert (latencies.calls, latencies.faults) == (3, 1)


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"faults": 2}, "more than the budget"),
        ({"lost": 1}, "1 jobs lost"),
        ({"doubled": 3}, "3 jobs doubled"),
        ({"violations": ["event 7: twice"]}, "event 7"),
    ],
)
def test_whatever_is_wrong_is_said(change: dict, told: str) -> None:
    good = {"calls": 1000, "faults": 1, "error_budget": 0.001, "lost": 0, "doubled": 0, "violations": []}
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


def test_a_trace_is_played_against_a_real_suite_whose_log_is_then_proved(day_folder: Path, tmp_path: Path) -> None:
    arguments = [
        "load",
        "--trace",
        str(day_folder),
        "--speed",
        "3600",
        "--seconds",
        "6",
        "--out",
        str(tmp_path),
        "--json",
    ]
    done = subprocess.run([GIG, *arguments], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert found["requests"] > 20
    assert (found["lost"], found["doubled"], found["violations"], found["faults"]) == (0, 0, [], 0)
    assert {"PlaceJob", "Connect/go_online", "Connect/answer", "Connect/progress"} <= found["methods"].keys()
    kept = json.loads((tmp_path / "load.json").read_text("utf-8"))
    assert kept["histograms"]["PlaceJob"].startswith("HIST")


def test_a_target_that_is_not_there_is_told_in_a_line(day_folder: Path) -> None:
    arguments = ["load", "--trace", str(day_folder), "--target", "127.0.0.1:9", "--speed", "3600"]
    done = subprocess.run([GIG, *arguments], capture_output=True, text=True)
    assert done.returncode == 1
    assert "is a suite serving there?" in done.stderr
    assert "Traceback" not in done.stderr
