"""Guaranteed pay: what is missing to each floor is topped up by a line that names its rule and its arithmetic."""

from __future__ import annotations

from fractions import Fraction

from dispatcher.pricing.amounts import capped
from dispatcher.pricing.tariff import BASIS_POINTS, rounded
from dispatcher.times import SECOND, span
from gig.v1 import policy_pb2 as policy_pb
from gig.v1 import types_pb2 as types_pb

METRES_PER_MILE = Fraction(1_609_344, 1000)
# Monday, 5 January 1970, 00:00 UTC: where pay periods begin.
FIRST_MONDAY_US = 4 * 86_400 * SECOND
WEEK_US = 7 * 86_400 * SECOND


def online_hour(per_online_hour: int, online_us: int, earned: int) -> types_pb.PriceLine | None:
    """Lifts a shift to max(earned, rate x online hours)."""
    seconds = online_us // SECOND
    guaranteed = rounded(per_online_hour * seconds, 3600)
    rule = f"online-hour floor: {per_online_hour} an hour x {seconds} s online - {earned} earned"
    return _line(guaranteed, earned, rule)


def engaged(floor: policy_pb.EngagedFloor, engaged_us: int, metres: int, earned: int) -> types_pb.PriceLine | None:
    """Lifts a period to max(earned, share x hourly wage x engaged hours + rate x engaged miles).

    California Business and Professions Code 7453 (Proposition 22) has this form, with a share of 120 %.
    """
    seconds = engaged_us // SECOND
    hours = Fraction(floor.per_hour * floor.share_basis_points * seconds, BASIS_POINTS * 3600)
    miles = Fraction(floor.per_mile_thousandths, 1000) * metres / METRES_PER_MILE
    rule = (
        f"engaged-hour floor: {floor.share_basis_points / 100:g} % x {floor.per_hour} an hour x {seconds} s engaged"
        f" + {_rate(floor.per_mile_thousandths)} a mile x {metres} m - {earned} earned"
    )
    return _line(_nearest(hours + miles), earned, rule)


def job(floor: policy_pb.JobFloor, metres: int, trip_us: int, earned: int) -> types_pb.PriceLine | None:
    """Lifts a job to max(earned, (per mile x miles + per minute x minutes) / utilisation, minimum).

    New York City's pay rules for app drivers (35 RCNY 59D-22) have this form: dividing by the share of time with a
    passenger pays the time without one.
    """
    seconds = trip_us // SECOND
    miles = Fraction(floor.per_mile_thousandths, 1000) * metres / METRES_PER_MILE
    minutes = Fraction(floor.per_minute_thousandths * seconds, 60_000)
    utilisation = Fraction(floor.utilisation_basis_points, BASIS_POINTS)
    guaranteed = max(_nearest((miles + minutes) / utilisation), floor.minimum)
    rule = (
        f"trip floor: ({_rate(floor.per_mile_thousandths)} a mile x {metres} m"
        f" + {_rate(floor.per_minute_thousandths)} a minute x {seconds} s)"
        f" / {floor.utilisation_basis_points / 100:g} % utilisation, at least {floor.minimum} - {earned} earned"
    )
    return _line(guaranteed, earned, rule)


def period_end(floor: policy_pb.EngagedFloor, at_us: int) -> int:
    """Return the end of the pay period that holds a moment. Without a length, as in old logs, a period is a week."""
    length = span(floor.period)
    if length <= 0:
        length = WEEK_US
    return ((at_us - FIRST_MONDAY_US) // length + 1) * length + FIRST_MONDAY_US


def _line(guaranteed: int, earned: int, rule: str) -> types_pb.PriceLine | None:
    if guaranteed <= earned:
        return None
    amount, rule = capped(guaranteed - earned, rule)
    return types_pb.PriceLine(kind=types_pb.PRICE_LINE_KIND_TOP_UP, minor_units=amount, rule=rule)


def _nearest(amount: Fraction) -> int:
    return rounded(amount.numerator, amount.denominator)


def _rate(thousandths: int) -> str:
    return f"{thousandths / 1000:g}"
