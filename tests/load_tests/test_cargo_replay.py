"""Recorded taxi requests are replayed by the benchmark's rules, and whoever breaks one is found out."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest
from typer.testing import CliRunner

from dispatcher import policy
from load_tests.instances.cargo_check import Limits, violations
from load_tests.instances.cargo_day import DROPOFF, PICKUP, CargoDay, CargoSimulation
from load_tests.instances.cargo_policy import limits_of, on_network
from load_tests.instances.cargo_solution import read_routes, write_routes
from load_tests.instances.cargo_summary import summarise
from load_tests.traces.cargo import read_instance
from services.cli.main import app

SIDE = 12
BLOCK_M = 200


@pytest.fixture(scope="module")
def trace(tmp_path_factory) -> Path:
    """A town of 12 x 12 crossings, six vehicles with three seats, eighty customers in ten minutes."""
    folder = tmp_path_factory.mktemp("cargo")
    place = {node: (-74 + node % SIDE * 0.00237, 40 + node // SIDE * 0.0018) for node in range(SIDE * SIDE)}
    pairs = [(node, node + 1) for node in place if node % SIDE < SIDE - 1]
    pairs += [(node, node + SIDE) for node in place if node < SIDE * (SIDE - 1)]
    rnet = (f"{i} {a} {b} {place[a][0]} {place[a][1]} {place[b][0]} {place[b][1]}" for i, (a, b) in enumerate(pairs))
    (folder / "town.rnet").write_text("\n".join(rnet))
    edges = "\n".join(f"{a} {b} {BLOCK_M}" for a, b in pairs)
    (folder / "town.edges").write_text(f"{len(place)} {len(pairs)}\n{edges}\n")
    rows = [f"{number} {number * 23} -1 -3 0 -1" for number in range(1, 7)]
    for number in range(80):
        origin, destination, early = number * 37 % 144, (number * 53 + 71) % 144, number * 600 // 80
        blocks = abs(origin % SIDE - destination % SIDE) + abs(origin // SIDE - destination // SIDE)
        rows.append(f"{100 + number} {origin} {destination} 1 {early} {early + blocks * BLOCK_M // 10 + 360}")
    header = "town-day\ntown TAXI\nVEHICLES 6\nCUSTOMERS 80\n\nID ORIGIN DEST Q EARLY LATE\n"
    path = folder / "day.instance"
    path.write_text(header + "\n".join(rows) + "\n")
    return path


def play(trace: Path, name: str, vehicles: int | None = None) -> CargoDay:
    instance = read_instance(trace)
    return CargoSimulation(instance, on_network(policy.load(name), instance.network), vehicles).run()


@pytest.fixture(scope="module")
def pooled(trace: Path) -> CargoDay:
    return play(trace, "cargo-pooled")


@pytest.mark.parametrize("name", ["cargo-greedy", "cargo-batch", "cargo-pooled", "cargo-pooled-limits"])
def test_a_replay_keeps_every_rule_and_repeats_bit_for_bit(trace, tmp_path, name) -> None:
    day = play(trace, name)
    write_routes(day.waypoints, tmp_path)
    assert violations(day.instance, read_routes(tmp_path), limits_of(day.policy)) == []
    assert summarise(day)["served"] > 0
    assert summarise(day)["log_sha256"] == summarise(play(trace, name))["log_sha256"]


def test_pooling_serves_more_with_fewer_kilometres_a_customer(trace, pooled: CargoDay) -> None:
    one, several = summarise(play(trace, "cargo-batch")), summarise(pooled)
    assert several["served"] > one["served"]
    assert several["fleet_km"] / several["served"] < one["fleet_km"] / one["served"]
    assert (one["shared_share"], several["shared_share"] > 0) == (0, True)


def test_the_total_counts_the_direct_ways_of_those_who_were_not_served(trace) -> None:
    summary = summarise(play(trace, "cargo-batch", vehicles=1))
    assert (summary["vehicles"], summary["served"] < 80) == (1, True)
    assert summary["total_km"] > summary["fleet_km"]


def _broken(day: CargoDay, change) -> str:
    points = change(list(day.waypoints))
    return " | ".join(violations(day.instance, points, Limits(wait_s=360.0, detour_share=2.0)))


def _with(points, kind, **changes):
    """The last waypoint of a kind, changed."""
    index = max(i for i, point in enumerate(points) if point.action == kind)
    points[index] = replace(points[index], **changes)
    return sorted(points, key=lambda point: (point.vehicle, point.at_s))


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        (lambda points: _with(points, DROPOFF, at_s=9e5), "after"),
        (lambda points: _with(points, PICKUP, at_s=0.0), "which takes"),
        (lambda points: _with(points, PICKUP, node=0), "at node 0"),
        (lambda points: _with(points, PICKUP, customer="nobody"), "not in the instance"),
        (lambda points: [point for point in points if point.action != DROPOFF], "never let out"),
        (lambda points: [point for point in points if point.action != PICKUP], "not aboard"),
        (lambda points: [point for point in points if point.action != DROPOFF], "seats taken of 3"),
        (lambda points: [replace(point, vehicle="99") for point in points], "not in the instance"),
        (lambda points: points[6:], "does not start"),
    ],
)
def test_the_validator_finds_each_broken_rule(pooled: CargoDay, change, sentence) -> None:
    assert sentence in _broken(pooled, change)


def test_the_command_writes_routes_log_and_summary(trace, tmp_path) -> None:
    arguments = ["replay", str(trace), "--format", "cargo", "--vehicles", "4", "--out", str(tmp_path), "--json"]
    outcome = CliRunner().invoke(app(), arguments)
    assert outcome.exit_code == 0
    summary = json.loads(outcome.stdout.splitlines()[-1])
    assert (summary["valid"], summary["vehicles"], summary["policy"]) == (True, 4, "cargo-pooled")
    written = {"routes.txt", "events.log.gz", "measures.json", "summary.json"}
    assert {path.name for path in tmp_path.iterdir()} == written
    measures = json.loads((tmp_path / "measures.json").read_text("utf-8"))
    assert [row["number"] for row in measures["measures"]] == list(range(1, 47))
    assert measures["events"] == summary["log_events"]


def test_vehicles_are_counted_for_cargo_alone(tmp_path) -> None:
    outcome = CliRunner().invoke(app(), ["replay", str(tmp_path), "--vehicles", "4", "--out", str(tmp_path)])
    assert outcome.exit_code == 2
    assert "--format cargo" in outcome.stderr
