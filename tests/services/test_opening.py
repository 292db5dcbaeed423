"""Flags that only a new market reads are not ignored in silence."""

from __future__ import annotations

import pytest

from dispatcher import commands, policy
from dispatcher.market.travel import travel_model
from services.host.market_host import Opening
from services.opening import ignored_settings, outdated_policy
from services.settings import resolve
from tests.kit import Bench

ZONES = '{"type": "FeatureCollection", "features": []}'


def warnings(bench: Bench, opening: Opening, **flags: object) -> list[str]:
    return [*ignored_settings(resolve(flags, {}).values, opening, bench.market.state)]


def test_a_policy_that_is_in_force_or_was_not_asked_for_needs_no_warning() -> None:
    bench = Bench(policy.load("plain"))
    assert warnings(bench, Opening("test", policy.load("plain")), policy="plain") == []
    assert warnings(bench, Opening("test", policy.load("greedy"))) == []


def test_another_policy_is_named_beside_the_one_in_force_and_the_command_that_changes_it() -> None:
    bench = Bench(policy.load("plain"))
    bench.do(commands.SetPolicy(policy=policy.load("prop22"), operator_id="olu"))
    (warning,) = warnings(bench, Opening("test", policy.load("plain")), policy="plain")
    in_force = bench.market.state.policy
    for part in ("'plain'", repr(in_force.name), f"version {in_force.version}", "gig policy publish"):
        assert part in warning


@pytest.mark.parametrize(("in_force", "warned"), [(ZONES, 0), ("", 1)])
def test_zones_are_compared_as_well(in_force, warned, tmp_path) -> None:
    file = tmp_path / "zones.geojson"
    file.write_text(ZONES, "utf-8")
    bench = Bench(policy.load("plain"), in_force)
    found = warnings(bench, Opening("test", policy.load("plain"), ZONES), zones=file)
    assert len(found) == warned
    assert all("SetZones" in warning for warning in found)


def test_learned_travel_times_without_bounds_are_named_until_the_policy_is_published_again() -> None:
    made = policy.load("plain")
    made.travel.learned.straight_line.CopyFrom(made.travel.straight_line)
    made.travel.learned.resolution, made.travel.learned.prior_trips = 8, 10.0
    bench = Bench(policy.load("plain"))
    state = bench.market.state
    assert [*outdated_policy(state)] == []
    # As a log of an earlier version brings it.
    state.policy.CopyFrom(made)
    state.travel = travel_model(state.policy, {})
    (warning,) = outdated_policy(state)
    assert "gig policy publish" in warning
    bench.do(commands.SetPolicy(policy=made, operator_id="olu"))
    assert [*outdated_policy(bench.market.state)] == []
