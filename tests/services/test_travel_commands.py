"""`gig travel` tells what a log's trips say, as text to paste and as JSON, and refuses logs that say nothing."""

from __future__ import annotations

import json
import tomllib
from pathlib import Path

import pytest
from typer.testing import CliRunner

from dispatcher import policy
from dispatcher.log.files import write_log
from services.cli.main import app
from tests.kit import Bench


@pytest.fixture(scope="module")
def log(tmp_path_factory) -> Path:
    """A log of forty trips, each straight from pickup to drop-off."""
    bench = Bench()
    bench.online("bo")
    for number in range(40):
        bench.serve(f"j{number}", trip_s=500 + number)
    path = tmp_path_factory.mktemp("log") / "events.log.gz"
    write_log(path, bench.log)
    return path


def run(*arguments: object):
    return CliRunner().invoke(app(), ["travel", *map(str, arguments)])


def test_evaluate_compares_the_models_on_trips_that_they_have_not_seen(log) -> None:
    outcome = run("evaluate", log, "--json", "--held-out", 0.5)
    found = json.loads(outcome.stdout)
    assert found["trips"] == 40
    assert [row["model"] for row in found["held_out"]] == ["the log's policy", "straight line, fitted", "learned"]
    assert {(row["learned_from"], row["tested_on"]) for row in found["held_out"]} == {(20, 20)}
    assert {"mae_s", "mape", "bias_s"} <= found["held_out"][0].keys()
    assert "MAPE" in run("evaluate", log).stdout


@pytest.mark.parametrize("kind", ["straight_line", "learned"])
def test_what_fit_prints_is_a_policys_travel(log, kind) -> None:
    text = run("fit", log).stdout
    begin = text.index(f"[travel.{kind}]")
    end = text.index("# or this") if kind == "straight_line" else text.rindex("]") + 1
    pasted = tomllib.loads(text[begin:end])
    preset = policy.load("plain")
    preset.ClearField("travel")
    with_travel = policy.json_format.ParseDict(pasted, preset)
    assert policy.checked(with_travel).travel.WhichOneof("model") == kind


def test_a_log_without_trips_is_refused_with_the_reason(tmp_path) -> None:
    write_log(tmp_path / "empty.log", [])
    outcome = run("evaluate", tmp_path / "empty.log")
    assert outcome.exit_code == 1
    assert "holds 0 trips" in outcome.stderr


def test_a_file_that_is_no_log_is_refused(tmp_path) -> None:
    (tmp_path / "no.log").write_text("hello")
    outcome = run("fit", tmp_path / "no.log")
    assert outcome.exit_code == 2
    assert "no.log" in outcome.stderr
