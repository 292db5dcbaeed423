"""Money as people read it: whole minor units, never a float."""

from __future__ import annotations

from decimal import Decimal

from babel.numbers import format_currency, get_currency_precision


def text(minor_units: int, currency_code: str) -> str:
    """1240, "USD": "$12.40"; 500, "JPY": "¥500"."""
    amount = Decimal(minor_units).scaleb(-get_currency_precision(currency_code))
    return str(format_currency(amount, currency_code, locale="en_US"))
