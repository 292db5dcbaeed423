"""Money as people read it: whole minor units, never a float."""

from __future__ import annotations

from decimal import Decimal

from babel.numbers import format_currency

from dispatcher.currencies import digits_of


def text(minor_units: int, currency_code: str) -> str:
    """Format an amount: 1240, "USD" becomes "$12.40"; 500, "JPY" becomes "¥500"."""
    digits = digits_of(currency_code)
    pattern = "¤#,##0" + (f".{'0' * digits}" if digits else "")
    amount = Decimal(minor_units).scaleb(-digits)
    return str(format_currency(amount, currency_code, pattern, locale="en_US", currency_digits=False))
