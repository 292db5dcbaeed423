"""A policy file is read whole or refused with the field and the fault."""

from __future__ import annotations

from contextlib import suppress
from datetime import date, time
from typing import Any

import pytest
import tomli_w
from hypothesis import given, settings
from hypothesis import strategies as st

from dispatcher import policy
from dispatcher.errors import PolicyError
from gig.v1 import policy_pb2 as policy_pb
from load_tests.contract.fields import paths_of


@pytest.mark.parametrize("name", policy.presets())
def test_every_preset_is_a_policy_that_can_govern(name: str) -> None:
    assert policy.load(name).name == name


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (('batch_window = "2s"', 'batch_window = "0s"'), "matching.batch_window"),
        (('batch_window = "2s"', "batch_window = 2"), "batch_window"),
        (("max_reach", "max_reech"), "max_reech"),
        (('currency_code = "USD"', 'currency_code = "dollars"'), "currency_code"),
        (("speeds_mps = [5.5]", "speeds_mps = [5.5, 6.0]"), "speeds_mps"),
        (("[matching]", "[matching"), "plain.toml"),
        (("tax_basis_points = 887", f"tax_basis_points = {'9' * 5000}"), "plain.toml"),
        (("pickup_time = 1.0", f"pickup_time = {'9' * 400}"), "plain.toml"),
    ],
)
def test_a_wrong_value_is_refused_by_name(tmp_path, change, said) -> None:
    from importlib import resources

    text = resources.files("dispatcher.policies").joinpath("plain.toml").read_text("utf-8")
    path = tmp_path / "plain.toml"
    path.write_text(text.replace(*change), "utf-8")
    with pytest.raises(PolicyError) as refused:
        policy.load(str(path))
    assert said in str(refused.value)


WEIRD = st.sampled_from(
    [
        *(date(1979, 5, 27), time(1, 2), float("nan"), float("inf"), -1, 2**63 - 1, 10**30, True, "x", "\0"),
        *("9" * 50 + "s", "nans", "-1s", "1e5s", "0.0000000001s", [1], [[1]], {"a": 1}),
    ]
)


@settings(max_examples=60, deadline=None)
@given(path=st.sampled_from(list(paths_of(policy_pb.Policy.DESCRIPTOR))), value=WEIRD)
def test_a_policy_file_with_any_value_is_read_or_refused(path, value) -> None:
    document: dict[str, Any] = {"extends": "plain"}
    table = document
    for field in path.fields[:-1]:
        inner: dict[str, Any] = {}
        table[field.name] = [inner] if field.is_repeated else inner
        table = inner
    table[path.last.name] = [value] if path.last.is_repeated else value
    with suppress(PolicyError):  # anything else that is raised is a failure
        policy.parse(tomli_w.dumps(document), "a file")


def test_an_unknown_policy_names_the_presets() -> None:
    with pytest.raises(PolicyError, match="plain"):
        policy.load("no-such-policy")


def test_several_jobs_a_courier_need_room_for_those_that_are_offered_together() -> None:
    chosen = policy.load("shared")
    chosen.matching.sharing.jobs_per_courier = 1
    with pytest.raises(PolicyError, match="jobs_per_courier: must not be below jobs_per_offer"):
        policy.checked(chosen)


def test_a_learned_models_straight_line_has_one_speed_or_one_an_hour() -> None:
    chosen = policy.load("plain")
    chosen.travel.learned.resolution, chosen.travel.learned.prior_trips = 8, 5.0
    chosen.travel.learned.straight_line.circuity = 1.3
    chosen.travel.learned.straight_line.speeds_mps.extend([5.0, 6.0])
    with pytest.raises(PolicyError, match=r"travel\.learned\.straight_line\.speeds_mps"):
        policy.checked(chosen)


def test_a_file_that_extends_a_preset_says_only_what_differs() -> None:
    text = (
        'extends = "plain"\nname = "mine"\n[offers]\ntime_to_answer = "45s"\n[[cancellations]]\nfee_minor_units = 7\n'
    )
    mine, plain = policy.parse(text, "mine"), policy.load("plain")
    assert mine.offers.time_to_answer.seconds == 45
    assert mine.offers.reoffer_after == plain.offers.reoffer_after
    assert [row.fee_minor_units for row in mine.cancellations] == [7]
    assert mine.matching == plain.matching
    with pytest.raises(PolicyError, match=r"presets are: .*plain"):
        policy.parse('extends = "plainer"\n', "mine")
