"""The price of a job: fare and pay from their own tariffs, then surge on the fare and its share on the pay."""

from __future__ import annotations

from dataclasses import dataclass

from dispatcher.pricing.amounts import capped
from dispatcher.pricing.surge import NONE_PERCENT
from dispatcher.pricing.tariff import BASIS_POINTS, add_line, price, rounded
from dispatcher.times import SECOND, micros, span
from gig.v1 import job_pb2 as job_pb
from gig.v1 import policy_pb2 as policy_pb
from gig.v1 import types_pb2 as types_pb

SURGE = types_pb.PRICE_LINE_KIND_SURGE
WAITING = types_pb.PRICE_LINE_KIND_WAITING


@dataclass(frozen=True, slots=True)
class Surge:
    """The multiplier where and when a job is priced; ``rule``: what set it; ``sequence``: of the tick, or 0;
    ``demand`` and ``supply`` of the cell at that tick, in jobs and couriers."""

    percent: int
    cell: str = ""
    rule: str = "demand"
    sequence: int = 0
    demand: float = 0.0
    supply: float = 0.0


def price_job(
    job: job_pb.Job,
    fare: policy_pb.Tariff,
    pay: policy_pb.Tariff,
    policy: policy_pb.Policy,
    metres: int,
    seconds: int,
    surge: Surge,
) -> None:
    """Fill fare, pay and surge of a job without them. Without surge: what the tariffs say.

    Multiplicative: the fare grows by (multiplier - 1) x the fare. Additive, after Garg and Nazerzadeh, "Driver surge
    pricing", Management Science 68 (2022): by (multiplier - 1) x a fixed amount, the same for a short trip and a long
    one. The courier gets the policy's share of what surge adds; a discount is the platform's alone.
    """
    price(job.fare, fare, policy.currency_code, metres, seconds)
    price(job.pay, pay, policy.currency_code, metres, seconds)
    if surge.percent == NONE_PERCENT:
        return
    applied = job.surge
    applied.multiplier_percent, applied.cell, applied.rule, applied.sequence = (
        surge.percent,
        surge.cell,
        surge.rule,
        surge.sequence,
    )
    applied.demand, applied.supply = surge.demand, surge.supply
    applied.base_fare_minor_units, applied.base_pay_minor_units = job.fare.total.minor_units, job.pay.total.minor_units
    applied.mode = policy.surge.mode if policy.HasField("surge") else job_pb.SURGE_MODE_MULTIPLICATIVE
    additive = applied.mode == job_pb.SURGE_MODE_ADDITIVE
    basis = policy.surge.additive_minor_units if additive else job.fare.total.minor_units
    change = surge.percent - NONE_PERCENT
    amount = rounded(basis * abs(change), 100) * (1 if change > 0 else -1)
    amount = max(amount, min(fare.minimum - job.fare.total.minor_units, 0))
    what = f"{basis}" if additive else f"{basis} fare"
    job.fare.total.minor_units += add_line(job.fare, SURGE, amount, f"{what} x {change} %")
    share = policy.surge.pass_through_basis_points if policy.HasField("surge") else BASIS_POINTS
    if amount > 0 and share:
        passed = rounded(amount * share, BASIS_POINTS)
        rule = f"{share / 100:g} % of the {amount} that surge adds to the fare"
        job.pay.total.minor_units += add_line(job.pay, SURGE, passed, rule)


def waiting_terms(tariff: policy_pb.Tariff | None) -> job_pb.WaitingTerms | None:
    """What waiting at the pickup costs or brings, or None where it does not."""
    if tariff is None or not tariff.waiting_per_minute:
        return None
    return job_pb.WaitingTerms(free=tariff.waiting_free, per_minute=tariff.waiting_per_minute)


def waiting(tariff: policy_pb.Tariff | None, from_us: int, until_us: int) -> types_pb.PriceLine | None:
    """The line for waiting at the pickup, or None within what is free."""
    if tariff is None or not tariff.waiting_per_minute:
        return None
    seconds = max(until_us - from_us - span(tariff.waiting_free), 0) // SECOND
    amount = rounded(tariff.waiting_per_minute * seconds, 60)
    if not amount:
        return None
    rule = f"{seconds} s of waiting beyond {span(tariff.waiting_free) // SECOND} x {tariff.waiting_per_minute} a minute"
    amount, rule = capped(amount, rule)
    return types_pb.PriceLine(kind=WAITING, minor_units=amount, rule=rule)


def client_waits_from(job: job_pb.Job) -> int:
    """A client is late from the time asked for on, however early the courier came."""
    arrived = micros(job.arrive_time)
    return max(arrived, micros(job.spec.pickup_after)) if job.spec.HasField("pickup_after") else arrived
