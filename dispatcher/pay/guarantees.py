"""What a policy guarantees to pay, and what it only compares earnings with, in sentences for couriers."""

from __future__ import annotations

from collections.abc import Iterator

from dispatcher import money
from dispatcher.currencies import digits_of
from dispatcher.pay.floor import WEEK_US
from dispatcher.times import SECOND, span
from gig.v1 import policy_pb2 as policy_pb
from gig.v1 import types_pb2 as types_pb

# A minor unit in thousandths, a percent in basis points.
THOUSANDTHS, BASIS_POINTS = 1000, 100
UNITS_S = ((604_800, "week"), (86_400, "day"), (3_600, "hour"))
JOBS = {types_pb.JOB_KIND_RIDE: "ride", types_pb.JOB_KIND_DELIVERY: "delivery"}


def guarantees(policy: policy_pb.Policy) -> Iterator[str]:
    """Yield one sentence for each pay floor of the policy that can add to a courier's pay."""
    floor, currency = policy.floor, policy.currency_code
    if floor.per_online_hour:
        yield f"A shift pays at least {money.text(floor.per_online_hour, currency)} for each hour online."
    if floor.engaged.per_hour or floor.engaged.per_mile_thousandths:
        yield _engaged(floor.engaged, currency)
    for row in floor.per_job:
        if row.per_mile_thousandths or row.per_minute_thousandths or row.minimum:
            yield _job(row, currency)


def comparison(policy: policy_pb.Policy, per_hour: int) -> str:
    """Return what the measures compare earnings with: ``per_hour`` minor units for an hour online; empty for 0."""
    if not per_hour:
        return ""
    text = f"The measures compare earnings with {money.text(per_hour, policy.currency_code)} an hour."
    return f"{text} The comparison adds nothing to pay." if policy.work.floor_per_hour else text


def _engaged(floor: policy_pb.EngagedFloor, currency: str) -> str:
    hours = money.text(floor.per_hour, currency)
    if floor.share_basis_points != 100 * BASIS_POINTS:
        hours = f"{floor.share_basis_points / BASIS_POINTS:g} % of {hours}"
    parts = [f"{hours} for each hour"] if floor.per_hour else []
    if floor.per_mile_thousandths:
        parts.append(f"{_rate(floor.per_mile_thousandths, currency)} for each mile")
    period = _period((span(floor.period) or WEEK_US) // SECOND)
    return f"Every {period}, the time from acceptance to completion pays at least {' plus '.join(parts)}."


def _job(row: policy_pb.JobFloor, currency: str) -> str:
    rates = [
        f"{_rate(amount, currency)} a {unit}"
        for amount, unit in ((row.per_mile_thousandths, "mile"), (row.per_minute_thousandths, "minute"))
        if amount
    ]
    text = " plus ".join(rates)
    if rates and row.utilisation_basis_points != 100 * BASIS_POINTS:
        text = f"({text}), divided by {row.utilisation_basis_points / BASIS_POINTS:g} %"
    if row.minimum:
        least = money.text(row.minimum, currency)
        text = f"{text}, and at least {least}" if text else least
    return f"Each {JOBS.get(row.kind, 'job')} pays at least {text}."


def _rate(thousandths: int, currency: str) -> str:
    """Format a rate in thousandths of a minor unit, with no more digits than it needs: "$0.583"."""
    whole = money.text(thousandths // THOUSANDTHS, currency)
    rest = thousandths % THOUSANDTHS
    if not rest:
        return whole
    return f"{whole}{'' if digits_of(currency) else '.'}{f'{rest:03d}'.rstrip('0')}"


def _period(seconds: int) -> str:
    for unit_s, name in UNITS_S:
        if seconds % unit_s == 0:
            count = seconds // unit_s
            return name if count == 1 else f"{count} {name}s"
    return f"{seconds} s"
