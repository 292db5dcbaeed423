"""`gig bench poison`, with few messages: what the battery holds, and that a market that breaks is found."""

from __future__ import annotations

import os
from collections import Counter
from pathlib import Path
from textwrap import dedent

import numpy as np
import pytest

from load_tests.bench.poison.cases import Case, battery
from load_tests.bench.poison.runner import bench_poison, wrong_with
from services.auth.access import RULES

COUNTS = ("markets_stopped", "restarts_failed", "others_unserved", "unnamed_refusals", "unclear_answers")


@pytest.fixture(scope="module")
def cases() -> list[Case]:
    return battery(np.random.default_rng(1), 1200)


def test_half_of_the_battery_is_inside_the_bounds_and_half_outside(cases: list[Case]) -> None:
    assert Counter(case.inside for case in cases) == {True: 600, False: 600}


def test_the_battery_has_single_changes_and_pairs(cases: list[Case]) -> None:
    assert {len(case.changes) for case in cases if case.inside} == {1, 2}


def test_the_battery_reaches_every_mutating_method_and_stream_message() -> None:
    every = battery(np.random.default_rng(1), 100_000)
    reached = {case.path for case in every}
    assert {"OversightService/SetPolicy", "OversightService/SetZones", "CourierService/ReportLocations"} <= reached
    assert {"CourierService/Connect/hello", "CourierService/Connect/locations", "JobService/PlaceJob"} <= reached
    assert {path.partition("/Connect")[0] for path in reached} - {"CourierService"} <= set(RULES)


async def test_a_market_is_poisoned_and_checked() -> None:
    found = await bench_poison(24, seed=3, progress=lambda _text: None)
    assert found["attempts"] == found["accepted"] + found["refused"] == 24
    assert found["accepted"] > 0
    assert found.keys() >= {*COUNTS, "restarts"}
    assert (found["markets_stopped"], found["restarts_failed"], found["others_unserved"]) == (0, 0, 0)


async def test_a_server_that_exits_is_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    planted = """
        import os
        from services.rpc.oversight_service import OversightService

        set_zones = OversightService.set_zones

        async def planted(self, call):
            if "steward" not in call.operator_id:
                os._exit(3)
            return await set_zones(self, call)

        OversightService.set_zones = planted
    """
    (tmp_path / "sitecustomize.py").write_text(dedent(planted), "utf-8")
    monkeypatch.setenv("PYTHONPATH", f"{tmp_path}:{os.environ.get('PYTHONPATH', '')}")
    every = battery(np.random.default_rng(1), 100_000)
    zones = [case for case in every if case.path.endswith("/SetZones") and case.inside and len(case.changes) == 1]
    monkeypatch.setattr("load_tests.bench.poison.runner.battery", lambda *_: zones[:1])
    found = await bench_poison(1, seed=1, progress=lambda _text: None)
    assert found["markets_stopped"] == 1
    assert "SetZones" in found["markets_stopped_details"][0]
    assert wrong_with(found)


@pytest.mark.parametrize("name", COUNTS)
def test_each_kind_of_fault_fails_the_run(name: str) -> None:
    good = {"accepted": 300, **dict.fromkeys(COUNTS, 0)}
    assert wrong_with(good) == []
    assert wrong_with(good | {name: 1}) == [f"{name}: 1"]
    assert wrong_with(good | {"accepted": 299})
