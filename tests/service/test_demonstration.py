"""A demonstration ends with one snapshot: its last frame, its summary and its jobs are of the same instant."""

from __future__ import annotations

import asyncio
from collections import Counter

import numpy as np
import pytest

from dispatcher.market import Market
from dispatcher.times import SECOND, set_time
from gig.v1 import job_pb2 as job_pb
from gig.v1 import oversight_service_pb2 as oversight_pb
from load_tests.cities.generated import GeneratedCity
from load_tests.live.clients import state_at
from load_tests.live.demonstration import Demonstration, Plan
from services.cli.stored_log import stored_log
from services.settings import resolve

ENDED = ("completed", "cancelled", "expired", "failed")


async def test_the_summary_counts_the_jobs_of_the_last_frame(suite) -> None:
    frames: list[oversight_pb.MarketView] = []
    city = GeneratedCity(np.random.default_rng(11))
    plan = Plan(5.0, 25, 20.0, 11, bicycles=False)
    account = await Demonstration(
        suite.target, suite.wallet, city, plan, lambda market, _share: frames.append(market)
    ).run(asyncio.Event())
    assert frames[-1] == account.market
    assert sum(account.states.values()) == account.placed == len(account.journal.placed) > 10
    where = resolve({"data_dir": suite.data_dir, "market": account.market.market_id}).values
    async with stored_log(where) as store:
        events = [event async for event in store.read(0) if event.sequence <= account.market.sequence]
    jobs = Market.fold(events).state.jobs
    names = (job_pb.JobState.Name(jobs[one].state) for one in account.journal.placed)
    then = Counter(name.removeprefix("JOB_STATE_").lower() for name in names)
    assert {state: account.states.get(state, 0) for state in ENDED} == {state: then[state] for state in ENDED}


MOMENTS = ("assign_time", "arrive_time", "pickup_time", "end_time")
STATES = ("queued", "assigned", "at_pickup", "picked_up", "completed")


@pytest.mark.parametrize("passed", range(len(STATES)))
def test_a_job_that_went_on_counts_by_what_had_happened_before(passed: int) -> None:
    job = job_pb.Job(state=job_pb.JOB_STATE_COMPLETED, sequence=20)
    for second, name in enumerate(MOMENTS, start=1):
        set_time(getattr(job, name), second * SECOND)
    view = oversight_pb.MarketView(sequence=10)
    set_time(view.time, passed * SECOND)
    assert state_at(job, view) == STATES[passed]


def test_a_job_that_has_not_changed_since_counts_as_it_is() -> None:
    job = job_pb.Job(state=job_pb.JOB_STATE_OFFERED, sequence=10)
    assert state_at(job, oversight_pb.MarketView(sequence=10)) == "offered"
