"""A courier reads what the policy guarantees to pay, and never of a figure that is only compared with."""

from __future__ import annotations

import pytest

from dispatcher import policy
from dispatcher.measures.terms import terms_of
from dispatcher.pay.guarantees import comparison, guarantees

SENTENCES = {
    "plain": [],
    "fairwork": ["A shift pays at least $23.00 for each hour online."],
    "prop22": [
        "Every 2 weeks, the time from acceptance to completion pays at least 120 % of $16.50 for each hour plus $0.36"
        " for each mile."
    ],
    "nyc-tlc": ["Each ride pays at least $1.36 a mile plus $0.583 a minute."],
}


@pytest.mark.parametrize("name", sorted(SENTENCES))
def test_each_pay_floor_of_a_policy_has_a_sentence(name: str) -> None:
    assert list(guarantees(policy.load(name))) == SENTENCES[name]


@pytest.mark.parametrize("name", policy.presets())
def test_a_policy_that_adds_to_no_pay_promises_nothing(name: str) -> None:
    chosen = policy.load(name)
    assert bool(list(guarantees(chosen))) == chosen.HasField("floor")
    chosen.ClearField("floor")
    assert list(guarantees(chosen)) == []


@pytest.mark.parametrize("name", policy.presets())
def test_a_figure_that_earnings_are_only_compared_with_is_called_that(name: str) -> None:
    chosen = policy.load(name)
    text = comparison(chosen, terms_of(chosen).floor_per_hour)
    assert ("adds nothing to pay" in text) == bool(chosen.work.floor_per_hour)


def test_rates_and_minimums_are_read_in_the_currencys_own_digits() -> None:
    chosen = policy.load("nyc-tlc")
    chosen.currency_code = "JPY"
    row = chosen.floor.per_job[0]
    row.per_mile_thousandths, row.per_minute_thousandths, row.minimum = 150_250, 0, 700
    row.utilisation_basis_points = 5800
    assert list(guarantees(chosen)) == ["Each ride pays at least (¥150.25 a mile), divided by 58 %, and at least ¥700."]


def test_a_policy_without_a_figure_to_compare_with_says_nothing() -> None:
    assert comparison(policy.load("plain"), 0) == ""
