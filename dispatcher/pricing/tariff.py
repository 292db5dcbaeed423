"""A tariff applied to a trip: base + distance + time, lifted to a minimum. Integers throughout, halves rounded up."""

from __future__ import annotations

from collections.abc import Iterable

from gig.v1 import policy_pb2 as policy_pb
from gig.v1 import types_pb2 as types_pb


def tariff_of(tariffs: Iterable[policy_pb.Tariff], kind: types_pb.JobKind) -> policy_pb.Tariff | None:
    """The schedule of a kind of job, or None where the market does not take that kind."""
    return next((tariff for tariff in tariffs if tariff.kind == kind), None)


def price(tariff: policy_pb.Tariff, currency: str, metres: int, seconds: int) -> types_pb.Price:
    """Price lines of a trip of ``metres`` and ``seconds``; they sum to the total."""
    lines = [_line(types_pb.PRICE_LINE_KIND_BASE, tariff.base, "base")]
    if tariff.per_km:
        amount = rounded(tariff.per_km * metres, 1000)
        lines.append(_line(types_pb.PRICE_LINE_KIND_DISTANCE, amount, f"{metres} m x {tariff.per_km} a km"))
    if tariff.per_minute:
        amount = rounded(tariff.per_minute * seconds, 60)
        lines.append(_line(types_pb.PRICE_LINE_KIND_TIME, amount, f"{seconds} s x {tariff.per_minute} a minute"))
    total = sum(line.minor_units for line in lines)
    if total < tariff.minimum:
        lines.append(_line(types_pb.PRICE_LINE_KIND_MINIMUM, tariff.minimum - total, f"minimum {tariff.minimum}"))
        total = tariff.minimum
    return types_pb.Price(total=types_pb.Money(minor_units=total, currency_code=currency), lines=lines)


def rounded(numerator: int, denominator: int) -> int:
    """Nearest integer to a non-negative ratio, halves up."""
    return (2 * numerator + denominator) // (2 * denominator)


def _line(kind: types_pb.PriceLineKind, amount: int, rule: str) -> types_pb.PriceLine:
    return types_pb.PriceLine(kind=kind, minor_units=amount, rule=rule)
