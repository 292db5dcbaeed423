"""`gig bench stranded` counts jobs that are left although a courier can take them, and compares two versions."""

from __future__ import annotations

import json

from typer.testing import CliRunner

from load_tests.bench.command import bench
from load_tests.bench.stranded.generated import generated_round
from load_tests.bench.stranded.oracle import Oracle
from load_tests.bench.stranded.runner import Tally, wrong_with
from load_tests.bench.stranded.versions import ROOT
from services.cli.failures import USAGE


def test_a_version_compared_with_itself_leaves_no_job_that_a_courier_can_take() -> None:
    found = CliRunner().invoke(bench, ["stranded", "--rounds", "2", "--runs", "1", "--before", str(ROOT), "--json"])
    result = json.loads(found.stdout)
    assert result["rounds"] == 2
    assert result["jobs"] == sum(len(generated_round(seed).jobs) for seed in range(2))
    assert (result["feasible_left"], result["feasible_left_before"], result["truncated"]) == (0, 0, 0)
    assert min(result["round_ms"], result["round_ms_before"]) > 0
    assert result["before"] == str(ROOT)


def test_an_unknown_version_is_refused_with_the_name_of_the_option() -> None:
    found = CliRunner().invoke(bench, ["stranded", "--rounds", "1", "--before", "no-such-version"])
    assert found.exit_code == USAGE
    assert "--before: 'no-such-version' is neither a folder" in found.stderr


def test_a_job_that_a_courier_can_take_counts_as_left_and_is_a_fault() -> None:
    problem = generated_round(1)
    oracle, tally = Oracle(problem), Tally()
    jobs = range(len(problem.jobs))
    feasible = [job for job in jobs if oracle.feasible(job)]
    assert 0 < len(feasible) < len(jobs)
    tally.add(oracle, [{"ms": 2.0, "left": list(jobs), "truncated": 3}, {"ms": 1.0, "left": [], "truncated": 0}])
    assert (tally.feasible_left, tally.truncated, tally.round_ms) == (len(feasible), 3, 1.0)
    assert wrong_with({"feasible_left": len(feasible), "truncated": 3, "ratio": 1.6}) == [
        f"feasible_left is {len(feasible)}, not 0",
        "truncated is 3, not 0",
        "a round takes 1.6 times as long as before, more than 1.5",
    ]
    assert wrong_with({"feasible_left": 0, "truncated": 0, "ratio": None}) == []
