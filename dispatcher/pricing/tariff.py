"""A tariff applied to a trip: base + distance + time, lifted to a minimum. Integers throughout, halves rounded up."""

from __future__ import annotations

from gig.v1 import policy_pb2 as policy_pb
from gig.v1 import types_pb2 as types_pb

# A whole, in hundredths of a percent.
BASIS_POINTS = 10_000


def price(into: types_pb.Price, tariff: policy_pb.Tariff, currency: str, metres: int, seconds: int) -> None:
    """Fill an empty price with the lines of a trip of ``metres`` and ``seconds``; they sum to its total."""
    total = add_line(into, types_pb.PRICE_LINE_KIND_BASE, tariff.base, "base")
    if tariff.per_km:
        amount = rounded(tariff.per_km * metres, 1000)
        total += add_line(into, types_pb.PRICE_LINE_KIND_DISTANCE, amount, f"{metres} m x {tariff.per_km} a km")
    if tariff.per_minute:
        amount = rounded(tariff.per_minute * seconds, 60)
        total += add_line(into, types_pb.PRICE_LINE_KIND_TIME, amount, f"{seconds} s x {tariff.per_minute} a minute")
    if total < tariff.minimum:
        rule = f"minimum {tariff.minimum}"
        total += add_line(into, types_pb.PRICE_LINE_KIND_MINIMUM, tariff.minimum - total, rule)
    into.total.minor_units, into.total.currency_code = total, currency


def rounded(numerator: int, denominator: int) -> int:
    """Nearest integer to a non-negative ratio, halves up."""
    return (2 * numerator + denominator) // (2 * denominator)


def add_line(into: types_pb.Price, kind: types_pb.PriceLineKind, amount: int, rule: str) -> int:
    """Add a line; returns its amount, for the total."""
    into.lines.add(kind=kind, minor_units=amount, rule=rule)
    return amount
