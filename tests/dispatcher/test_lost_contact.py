"""A phone that dies with a job aboard: an operator task, then an end by the policy, and never sooner than it says."""

from __future__ import annotations

import contextlib

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dispatcher import commands, policy
from dispatcher.decisions.explain import explain
from dispatcher.decisions.index import decisions_of
from dispatcher.errors import DispatchError, PolicyError, WrongState
from dispatcher.log.invariants import violations
from dispatcher.lost_contact import lost_contact
from dispatcher.market import Market
from dispatcher.market.contact import lost_jobs, task_sentence
from dispatcher.market.stuck import LonelyJobs, stuck_jobs
from dispatcher.pay.ledger import courier_amount
from dispatcher.pay.ledger_check import check_ledger
from dispatcher.times import SECOND, micros, timestamp
from gig.v1 import courier_service_pb2 as courier_pb
from gig.v1 import events_pb2 as events_pb
from gig.v1 import job_pb2
from gig.v1 import policy_pb2 as policy_pb
from tests.kit import SECRET, Bench

HOUR = 3600
FAULTS = st.sampled_from([0, job_pb2.FAULT_NOBODY, job_pb2.FAULT_COURIER, job_pb2.FAULT_PLATFORM])


def chosen(preset: str = "plain", **rule: object) -> policy_pb.Policy:
    made = policy.load(preset)
    made.jobs.lost_contact.CopyFrom(policy_pb.LostContactPolicy(**rule))
    return policy.checked(made)


def aboard(bench: Bench, job_id: str = "job") -> None:
    """Job picked up by bo."""
    bench.assign(job_id)
    bench.progress("ARRIVED", job_id)
    bench.progress("PICKED_UP", job_id)


def lose(bench: Bench) -> list[events_pb.Event]:
    return bench.do(commands.LoseContact(courier_id="bo", last_heard_us=bench.now))


def end(bench: Bench) -> list[events_pb.Event]:
    return bench.do(commands.EndLostJobs(courier_id="bo"))


def kinds(events: list[events_pb.Event]) -> list[str]:
    return [str(event.WhichOneof("body")) for event in events]


def test_a_silent_phone_opens_a_task_and_then_its_job_ends_as_failed() -> None:
    bench = Bench()
    aboard(bench)
    expected_us = micros(bench.market.state.couriers["bo"].plan[0].expected_time)
    assert kinds(lose(bench)) == ["contact_lost"]
    (lost,) = lost_jobs(bench.market.state, "bo")
    assert lost.ends_us == expected_us + HOUR * SECOND
    sentence = task_sentence(bench.market.state, lost, bench.now + 600 * SECOND)
    assert "silent for 10 min 0 s" in sentence
    assert "pays 0 % of the fare" in sentence
    assert "gets 100 % of the pay" in sentence

    bench.now = lost.ends_us - 1
    assert end(bench) == []
    assert bench.state() == "PICKED_UP"
    bench.now = lost.ends_us
    failed, *rest = end(bench)
    assert bench.state() == "FAILED"
    assert bench.courier_state() == "OFFLINE"
    assert kinds(rest) == ["courier_offline"]
    job = bench.job()
    assert (job.ended_by, job.fault) == (job_pb2.ACTOR_RULE, job_pb2.FAULT_NOBODY)
    assert (job.money.fare_minor_units, job.money.pay_minor_units) == (0, job.pay.total.minor_units)
    assert not bench.market.state.couriers["bo"].HasField("silent_since")
    assert failed.job_failed.policy_version == 1
    # Nothing is left of it: the courier works again, and the client places again.
    bench.assign("next")


def test_a_courier_who_is_not_silent_or_carries_nothing_is_left_alone() -> None:
    bench = Bench()
    bench.assign()
    assert lose(bench) == []
    assert bench.do(commands.RegainContact(courier_id="bo")) == []
    bench.progress("PICKED_UP")
    bench.wait(10 * HOUR)
    assert end(bench) == []
    assert bench.state() == "PICKED_UP"


def test_what_is_not_aboard_goes_back_to_the_queue_when_the_last_job_aboard_ends() -> None:
    bench = Bench(policy.load("shared"))
    bench.hold(["first", "second"])
    assert set(bench.market.state.couriers["bo"].job_ids) == {"first", "second"}
    bench.progress("PICKED_UP", "first")
    lose(bench)
    bench.wait(12 * HOUR)
    assert kinds(end(bench)) == ["job_failed", "job_released", "courier_offline"]
    assert (bench.state("first"), bench.state("second")) == ("FAILED", "QUEUED")
    assert violations(bench.log) == []


def test_the_outage_of_the_market_is_no_silence_of_the_phone() -> None:
    bench = Bench()
    aboard(bench)
    lose(bench)
    bench.now += 30 * HOUR * SECOND
    bench.take(bench.market.resuming(bench.now, secret=SECRET))
    assert end(bench) == []
    (lost,) = lost_jobs(bench.market.state, "bo")
    assert lost.ends_us == bench.now + HOUR * SECOND


def test_a_late_report_on_a_job_that_was_ended_says_how_to_contest_that() -> None:
    bench = Bench()
    aboard(bench)
    done_us = bench.now + 300 * SECOND
    lose(bench)
    bench.wait(5 * HOUR)
    end(bench)
    progress = courier_pb.Progress(job_id="job", step=courier_pb.PROGRESS_STEP_COMPLETED)
    progress.occurred_time.CopyFrom(timestamp(done_us))
    with pytest.raises(WrongState, match=r"gave no sign of life.*ContestDecision") as refused:
        bench.do(commands.ReportProgress(courier_id="bo", progress=progress))
    assert refused.value.reason == "JOB_ENDED"


def test_a_silent_job_is_one_task_and_not_a_stuck_job_too() -> None:
    bench = Bench()
    aboard(bench)
    bench.now += 5 * HOUR * SECOND
    assert [one.job_id for one in stuck_jobs(bench.market.state, LonelyJobs(), bench.now)] == ["job"]
    lose(bench)
    assert list(stuck_jobs(bench.market.state, LonelyJobs(), bench.now)) == []


def test_the_courier_can_ask_why_and_contest_the_end() -> None:
    bench = Bench(chosen(fault=job_pb2.FAULT_COURIER, fare_basis_points=2500, pay_basis_points=5000))
    aboard(bench)
    lose(bench)
    bench.wait(5 * HOUR)
    event = end(bench)[0]
    (of_courier,) = (key for key in decisions_of(event) if key.person_id == "bo")
    (of_client,) = (key for key in decisions_of(event) if key.person_id == "ann")
    standing = bench.market.state.policy.standing
    decision = explain(event, of_courier.decision_id, "bo", standing)
    assert "at fault: courier" in decision.sentence
    assert "you get" in decision.sentence
    assert "you pay" in explain(event, of_client.decision_id, "ann", standing).sentence
    bench.do(commands.ContestDecision(person_id="bo", decision=decision, statement="the phone fell into the river"))
    assert bench.market.state.reviews


def test_a_policy_that_ends_a_job_before_its_task_opens_is_refused() -> None:
    with pytest.raises(PolicyError, match=r"jobs\.lost_contact\.end_after"):
        chosen(task_after={"seconds": 7200}, end_after={"seconds": 3600})
    with pytest.raises(PolicyError, match=r"jobs\.lost_contact\.task_after"):
        chosen(task_after={"seconds": 1})
    assert lost_contact(chosen(task_after={"seconds": 7200})).end_after_us == 7200 * SECOND


@settings(max_examples=60, deadline=None)
@given(
    preset=st.sampled_from(["plain", "shared", "nyc-tlc", "prop22", "city"]),
    fault=FAULTS,
    fare=st.integers(0, 10_000),
    pay=st.none() | st.integers(0, 10_000),
)
def test_fare_and_pay_follow_the_shares_of_the_policy_and_balance(preset, fault, fare, pay) -> None:
    rule = {"fault": fault, "fare_basis_points": fare} | ({} if pay is None else {"pay_basis_points": pay})
    bench = Bench(chosen(preset, **rule))
    aboard(bench)
    lose(bench)
    bench.wait(8 * HOUR)
    event = next(event for event in end(bench) if event.HasField("job_failed"))
    job, body = bench.job(), event.job_failed
    share = 10_000 if pay is None else pay
    assert body.fault == (fault or job_pb2.FAULT_NOBODY)
    assert abs(job.money.fare_minor_units - job.fare.total.minor_units * fare / 10_000) <= 0.5
    assert abs(job.money.pay_minor_units - job.pay.total.minor_units * share / 10_000) <= 0.5 * len(job.pay.lines)
    assert job.money.pay_minor_units == courier_amount(body.postings, "bo")
    parts = job.money.pay_minor_units + job.money.tax_minor_units + job.money.platform_minor_units
    assert job.money.fare_minor_units == parts
    ledger, faults = check_ledger(bench.log)
    assert (ledger.events, faults) == (len(bench.log), [])


class _Phone:
    """The model: what the test knows of one courier, beside the market."""

    def __init__(self, bench: Bench) -> None:
        self.bench = bench
        self.heard_us = bench.now
        self.resumed_us = 0

    def deadline_us(self, job_id: str) -> int:
        """By the policy's words: counted from the last sign of life or the expected drop-off, whichever is later."""
        stops = self.bench.market.state.couriers["bo"].plan
        expected = next(stop for stop in stops if stop.job_id == job_id and stop.kind == job_pb2.STOP_KIND_DROPOFF)
        rule = lost_contact(self.bench.market.state.policy)
        return max(self.heard_us, micros(expected.expected_time), self.resumed_us) + rule.end_after_us


ACTIONS = st.lists(
    st.tuples(
        st.sampled_from(["wait", "wait", "wait", "look", "look", "end", "end", "hear", "progress", "away", "policy"]),
        st.sampled_from([1, 29, 200, 601, 1900, 3599, 3601, 9000]),
    ),
    max_size=25,
)


@settings(max_examples=80, deadline=None)
@given(actions=ACTIONS, jobs=st.integers(1, 3), picked=st.integers(1, 3))
def test_whatever_happens_a_job_aboard_ends_exactly_when_its_phone_has_been_silent_for_long_enough(
    actions, jobs, picked
) -> None:
    bench = Bench(policy.load("shared"))
    bench.hold([f"job-{number}" for number in range(jobs)])
    for job_id in list(bench.market.state.couriers["bo"].job_ids)[:picked]:
        bench.progress("PICKED_UP", job_id)
    phone = _Phone(bench)
    for action, seconds in actions:
        _act(bench, phone, action, seconds)
    assert violations(bench.log) == []
    assert check_ledger(bench.log)[1] == []
    live = bench.market.snapshot().SerializeToString(deterministic=True)
    assert Market.fold(bench.log).snapshot().SerializeToString(deterministic=True) == live
    restored = Market.restore(bench.market.snapshot())
    assert restored.state.silent == bench.market.state.silent


def _act(bench: Bench, phone: _Phone, action: str, seconds: int) -> None:
    state = bench.market.state
    held = [
        job_id for job_id in state.couriers["bo"].job_ids if state.jobs[job_id].state == job_pb2.JOB_STATE_PICKED_UP
    ]
    silent = state.couriers["bo"].HasField("silent_since")
    match action:
        case "wait":
            bench.wait(seconds)
        case "look":
            # The service's part: it alone knows when the phone was heard of.
            if bench.now - phone.heard_us >= lost_contact(state.policy).task_after_us:
                events = bench.do(commands.LoseContact(courier_id="bo", last_heard_us=phone.heard_us))
                assert kinds(events) == (["contact_lost"] if held and not silent else [])
        case "end":
            due = {job_id for job_id in held if silent and phone.deadline_us(job_id) <= bench.now}
            events = end(bench)
            assert {event.job_failed.job_id for event in events if event.HasField("job_failed")} == due
            offline = any(event.HasField("courier_offline") for event in events)
            assert offline == bool(due and due == set(held))
        case "hear":
            phone.heard_us = bench.now
            bench.do(commands.RegainContact(courier_id="bo"))
            assert "bo" not in state.silent
        case "progress":
            if held:
                phone.heard_us = bench.now
                with contextlib.suppress(DispatchError):
                    bench.progress("COMPLETED", held[0])
                assert "bo" not in state.silent
        case "away":
            bench.now += seconds * SECOND
            bench.take(bench.market.resuming(bench.now, secret=SECRET))
            phone.resumed_us = bench.now
        case "policy":
            made = policy.load("shared")
            made.jobs.lost_contact.end_after.seconds = max(seconds, 600)
            bench.do(commands.SetPolicy(policy=made, operator_id="olu"))
    courier = state.couriers["bo"]
    assert ("bo" in state.silent) == courier.HasField("silent_since")
    if "bo" in state.silent:
        assert courier.state == courier_pb.COURIER_STATE_WITH_JOB
