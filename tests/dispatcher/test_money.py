"""Prices sum to their totals and every movement of money balances to zero."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from dispatcher.pay import floor, ledger
from dispatcher.pricing.tariff import price, rounded
from gig.v1 import job_pb2, types_pb2
from gig.v1 import policy_pb2 as policy_pb

AMOUNT = st.integers(0, 100_000)


@given(AMOUNT, AMOUNT, AMOUNT, AMOUNT, st.integers(0, 10**7), st.integers(0, 10**6))
def test_the_lines_of_a_price_sum_to_its_total(base, per_km, per_minute, minimum, metres, seconds) -> None:
    tariff = policy_pb.Tariff(base=base, per_km=per_km, per_minute=per_minute, minimum=minimum)
    made = types_pb2.Price()
    price(made, tariff, "USD", metres, seconds)
    assert sum(line.minor_units for line in made.lines) == made.total.minor_units >= minimum
    exact = base + per_km * metres / 1000 + per_minute * seconds / 60
    assert made.total.minor_units >= exact - 1


@given(AMOUNT, AMOUNT, st.integers(0, 10_000))
def test_a_completed_job_balances_to_zero_whatever_the_tax(fare, pay, basis_points) -> None:
    job = job_pb2.Job(client_id="ann")
    job.fare.total.minor_units = fare
    job.pay.total.minor_units = pay
    job.pay.lines.add(kind=types_pb2.PRICE_LINE_KIND_BASE, minor_units=pay)
    postings = types_pb2.Postings()
    ledger.fill_completion(postings, job, "bo", basis_points)
    assert ledger.balance(postings) == 0
    assert ledger.courier_amount(postings, "bo") == pay


@given(AMOUNT, st.integers(0, 10**12), st.integers(0, 10**7))
def test_the_floor_is_the_larger_of_earned_and_guaranteed(per_hour, online_us, earned) -> None:
    line = floor.online_hour(per_hour, online_us, earned)
    total = earned + (line.minor_units if line is not None else 0)
    assert total == max(earned, rounded(per_hour * (online_us // 1_000_000), 3600))
