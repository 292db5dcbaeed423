"""One table says how many digits a currency has, and the terminal follows it for every code."""

from __future__ import annotations

import pytest
from babel.numbers import get_currency_precision
from hypothesis import given
from hypothesis import strategies as st

from dispatcher import money
from dispatcher.currencies import DIGITS, digits_of
from dispatcher.pricing.amounts import LARGEST_SUM
from tests.amounts import number

CODES = st.sampled_from(sorted(DIGITS)) | st.text("ABCDEFGHIJKLMNOPQRSTUVWXYZ", min_size=3, max_size=3)
# CLDR, which Babel and browsers follow, gives the digits of cash for these; ISO 4217 gives the digits of accounts.
OF_CASH = frozenset(["AFN", "ALL", "IQD", "IRR", "KPW", "LAK", "LBP", "MGA", "MMK", "RSD", "SOS", "SYP", "YER"])


@pytest.mark.parametrize("code", sorted(DIGITS.keys() - OF_CASH))
def test_the_table_agrees_with_cldr_where_cldr_counts_no_cash(code: str) -> None:
    assert DIGITS[code] == get_currency_precision(code)


@pytest.mark.parametrize(
    ("code", "digits"), [("HUF", 2), ("IDR", 2), ("COP", 2), ("JPY", 0), ("KWD", 3), ("IQD", 3), ("CLF", 4), ("LBP", 2)]
)
def test_digits_are_those_of_iso_4217(code: str, digits: int) -> None:
    assert digits_of(code) == digits


@given(CODES, st.integers(-LARGEST_SUM, LARGEST_SUM))
def test_an_amount_is_read_in_the_terminal_with_the_digits_of_its_currency_and_no_loss(code: str, amount: int) -> None:
    whole, _, fraction = number(money.text(amount, code)).partition(".")
    assert len(fraction) == digits_of(code)
    assert int(whole + fraction) == amount
