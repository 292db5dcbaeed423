"""`gig measures` prints the whole catalogue of a log; the page of the documentation is that of the code."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from dispatcher.log.files import write_log
from dispatcher.measures.catalogue import CATALOGUE
from dispatcher.measures.catalogue.page import page
from gig.v1 import events_pb2 as events_pb
from load_tests.bench.busy_market import BusyMarket
from services.cli.main import app

GIG = str(Path(sys.executable).with_name("gig"))
ROOT = Path(__file__).parents[2]


def gig(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([GIG, *arguments], capture_output=True, text=True, check=False, timeout=120)


@pytest.fixture(scope="module")
def log_file(tmp_path_factory) -> Path:
    path = tmp_path_factory.mktemp("busy") / "day.log.gz"
    write_log(path, BusyMarket(couriers=30, jobs_an_hour=300, hours=0.5).run())
    return path


def test_every_measure_is_printed_with_value_unit_family_and_formula(log_file: Path) -> None:
    done = gig("measures", str(log_file))
    assert done.returncode == 0, done.stderr
    for measure in CATALOGUE:
        assert measure.name.split()[0] in done.stdout


def as_json(*arguments: str) -> dict[str, Any]:
    """Run `gig measures --json` in this process; return what it prints."""
    outcome = CliRunner().invoke(app(), ["measures", *arguments, "--json"])
    assert outcome.exit_code == 0, outcome.stderr
    return dict(json.loads(outcome.stdout))


def test_as_json_it_is_one_object_with_all_of_it(log_file: Path) -> None:
    told = as_json(str(log_file))
    assert [measure["number"] for measure in told["measures"]] == list(range(1, 47))
    assert all(measure["formula"] and measure["source"] for measure in told["measures"])
    assert told["events"] > 400


def test_one_family_alone(log_file: Path) -> None:
    told = as_json(str(log_file), "--family", "automation")
    assert {measure["family"] for measure in told["measures"]} == {"automation"}


def test_a_log_that_is_not_there_is_a_clear_error(tmp_path) -> None:
    done = gig("measures", str(tmp_path / "no.log.gz"))
    assert done.returncode != 0
    assert "no.log.gz" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_log_that_cannot_be_folded_is_a_clear_error(tmp_path) -> None:
    path = tmp_path / "broken.log"
    write_log(path, [events_pb.Event(sequence=1, job_queued=events_pb.JobQueued(job_id="ghost"))])
    done = gig("measures", str(path))
    assert done.returncode == 1
    assert "event 1 (job_queued)" in done.stderr
    assert "Traceback" not in done.stderr


def test_the_page_of_the_documentation_is_that_of_the_code() -> None:
    assert (ROOT / "docs/measures.md").read_text("utf-8") == page(), "run: gig measures --docs > docs/measures.md"
