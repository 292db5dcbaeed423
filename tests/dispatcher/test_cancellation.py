"""Who was at fault is one finding; what follows is the policy's table."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dispatcher import commands, policy
from dispatcher.errors import WrongState
from dispatcher.pay import cancellation, ledger
from gig.v1 import job_pb2, types_pb2
from gig.v1 import policy_pb2 as policy_pb
from tests.kit import Bench

COURIER, PLATFORM = types_pb2.ACCOUNT_COURIER, types_pb2.ACCOUNT_PLATFORM


def cancel(bench: Bench) -> job_pb2.Job:
    bench.do(commands.CancelJob(job_id="job", client_id="ann"))
    return bench.job()


def test_before_anybody_accepted_and_within_the_grace_nobody_is_at_fault_and_nothing_follows() -> None:
    waiting = Bench()
    waiting.place()
    assert (cancel(waiting).fault, waiting.job().money.fare_minor_units) == (job_pb2.FAULT_NOBODY, 0)
    early = Bench()
    early.assign()
    early.wait(60)
    assert (cancel(early).fault, early.job().money.fare_minor_units) == (job_pb2.FAULT_NOBODY, 0)


def test_a_client_who_cancels_late_is_at_fault_and_the_fee_goes_to_the_courier() -> None:
    bench = Bench()
    bench.assign()
    bench.wait(130)
    job = cancel(bench)
    assert job.fault == job_pb2.FAULT_CLIENT
    assert "130 s after the acceptance" in job.fault_reason
    assert (job.money.fare_minor_units, job.money.pay_minor_units) == (500, 500)


def test_a_client_whose_courier_is_late_pays_nothing_and_the_platform_makes_it_good_to_the_courier() -> None:
    bench = Bench()
    bench.assign()
    bench.wait(600)
    job = cancel(bench)
    assert job.fault == job_pb2.FAULT_PLATFORM
    assert "later than the client was told" in job.fault_reason
    money = job.money
    assert (money.fare_minor_units, money.pay_minor_units, money.platform_minor_units) == (0, 300, -300)


def test_a_courier_may_leave_a_client_who_does_not_come_but_not_too_early() -> None:
    bench = Bench()
    bench.assign()
    bench.progress("ARRIVED")
    bench.wait(100)
    with pytest.raises(WrongState, match="wait 201 s more"):
        bench.progress("NO_SHOW")
    bench.wait(200)
    bench.progress("NO_SHOW")
    job = bench.job()
    assert (bench.state(), job.fault, job.ended_by) == ("CANCELLED", job_pb2.FAULT_CLIENT, job_pb2.ACTOR_COURIER)
    assert job.money.pay_minor_units == 500
    assert bench.courier_state() == "FREE"


def test_giving_up_an_accepted_job_is_the_couriers_fault_and_has_no_consequence_in_pay() -> None:
    bench = Bench()
    bench.assign()
    event = bench.progress("FAILED")[0].job_released
    assert (event.fault, event.fault_reason) == (
        job_pb2.FAULT_COURIER,
        "the courier gave the job up after accepting it",
    )
    assert bench.market.state.couriers["bo"].shift_pay_minor_units == 0


def test_without_a_row_nothing_follows() -> None:
    chosen = policy.load("plain")
    del chosen.cancellations[:]
    bench = Bench(chosen)
    bench.assign()
    bench.wait(200)
    job = cancel(bench)
    assert job.fault == job_pb2.FAULT_CLIENT
    assert job.money.fare_minor_units == job.money.pay_minor_units == 0


ROWS = st.lists(
    st.builds(
        policy_pb.CancellationRow,
        kind=st.integers(0, 2),
        by=st.integers(0, 3),
        fault=st.integers(0, 4),
        state=st.sampled_from([0, 5, 6]),
        fee_minor_units=st.integers(0, 1000),
    ),
    max_size=8,
)


@given(ROWS, st.integers(1, 2), st.integers(1, 3), st.integers(1, 4), st.sampled_from([5, 6]))
def test_the_row_with_the_most_conditions_that_fits_wins_among_equals_the_first(rows, kind, by, fault, state) -> None:
    job = job_pb2.Job(state=state, spec=job_pb2.JobSpec(kind=kind))
    fitting = []
    for row in rows:
        wanted = [(row.kind, kind), (row.by, by), (row.fault, fault), (row.state, state)]
        if all(value in (0, actual) for value, actual in wanted):
            fitting.append((sum(value != 0 for value, _ in wanted), row))
    found = cancellation.consequence(rows, job, by, fault)
    if not fitting:
        assert found is None
    else:
        most = max(count for count, _ in fitting)
        assert found is next(row for count, row in fitting if count == most)


@given(st.integers(0, 10**6), st.integers(0, 10_000), st.integers(0, 10**6), st.booleans())
def test_a_fee_is_split_to_the_last_unit_and_balances(fee, share, compensation, held) -> None:
    row = policy_pb.CancellationRow(
        fee_minor_units=fee, courier_share_basis_points=share, compensation_minor_units=compensation
    )
    job = job_pb2.Job(client_id="ann", courier_id="bo" if held else "")
    postings = ledger.cancellation(job, row)
    if postings is None:
        assert fee == 0
        assert compensation == 0 or not held
        return
    assert ledger.balance(postings) == 0
    courier = sum(leg.minor_units for leg in postings.legs if leg.account == COURIER)
    assert courier == (((2 * fee * share + 10_000) // 20_000 + compensation) if held else 0)
    assert sum(leg.minor_units for leg in postings.legs if leg.account == PLATFORM) == fee - courier
