"""A statement holds every task and every amount, the hours and what they went into, and equals the ledger."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

import grpc
import pytest

from dispatcher.log.files import read_log
from dispatcher.pay.ledger_check import check_ledger
from gig.v1 import courier_service_pb2 as courier_pb
from gig.v1 import job_service_pb2 as job_pb
from gig.v1 import oversight_service_pb2 as oversight_pb
from gig.v1 import pay_service_pb2 as pb
from gig.v1 import types_pb2
from tests.service.stream import place_request
from tests.service.test_rights import refused, serve
from tests.signing import caller

GIG = str(Path(sys.executable).with_name("gig"))


async def statement(pay, worker: str, **more: object) -> pb.GetStatementResponse:
    asked = pb.GetStatementRequest(worker_id=worker, **more)
    return await pay.GetStatement(asked, metadata=caller("courier", worker))


async def test_a_statement_lists_tasks_lines_hours_and_hourly_earnings(jobs, pay, connect, name, island) -> None:
    bo = connect(f"{name}-bo")
    await bo.online(island)
    first = await serve(jobs, bo, f"{name}-1", island)
    second = await serve(jobs, bo, f"{name}-2", island)
    await bo.done(go_offline=courier_pb.GoOffline())
    found = await statement(pay, bo.courier_id)
    assert [task.job_id for task in found.tasks] == [first.job_id, second.job_id]
    assert [task.earned_minor_units for task in found.tasks] == [job.pay.total.minor_units for job in (first, second)]
    for task, job in zip(found.tasks, (first, second), strict=True):
        assert task.outcome == "completed"
        assert task.money == job.money
        assert task.money.fare_minor_units == job.fare.total.minor_units
        assert task.accept_time.ToMicroseconds() <= task.end_time.ToMicroseconds()
    assert found.total.minor_units == sum(line.minor_units for line in found.lines)
    assert all(line.rule for line in found.lines)
    spent = [getattr(found, part).ToMicroseconds() for part in ("waiting", "to_pickup", "with_job")]
    assert all(part > 0 for part in spent)
    online, engaged = sum(spent), spent[1] + spent[2]
    hour = 3_600_000_000
    assert found.per_online_hour.minor_units == pytest.approx(found.total.minor_units * hour / online, abs=1)
    assert found.per_engaged_hour.minor_units == pytest.approx(found.total.minor_units * hour / engaged, abs=1)
    assert found.at_pickup.ToMicroseconds() <= found.to_pickup.ToMicroseconds()


async def test_a_day_a_week_and_a_job_are_parts_of_the_same_ledger(jobs, pay, oversight, connect, name, island) -> None:
    bo = connect(f"{name}-bo")
    await bo.online(island)
    job = await serve(jobs, bo, name, island)
    whole = await statement(pay, bo.courier_id)
    now = (await oversight.GetMarket(oversight_pb.GetMarketRequest())).market.time.ToDatetime(UTC)
    days = [(now - timedelta(days=back)).strftime("%Y-%m-%d") for back in (1, 0)]
    parts = [
        await statement(pay, bo.courier_id, period=pb.CalendarPeriod(length=pb.PERIOD_LENGTH_DAY, date=day))
        for day in days
    ]
    assert sum(part.total.minor_units for part in parts) == whole.total.minor_units
    one = await statement(pay, bo.courier_id, job_id=job.job_id)
    assert (one.total, [task.job_id for task in one.tasks]) == (whole.total, [job.job_id])
    engaged = one.to_pickup.ToMicroseconds() + one.with_job.ToMicroseconds()
    assert engaged == job.end_time.ToMicroseconds() - job.assign_time.ToMicroseconds()
    assert one.waiting.ToMicroseconds() == 0
    assert one.per_engaged_hour == one.per_online_hour
    week = pb.CalendarPeriod(length=pb.PERIOD_LENGTH_WEEK, date="2025-03-12", time_zone="America/New_York")
    past = await statement(pay, bo.courier_id, period=week)
    # A week that holds the change to summer time is an hour short.
    start, end = past.start_time.ToDatetime(UTC), past.end_time.ToDatetime(UTC)
    assert (start, end) == (datetime(2025, 3, 10, 4, tzinfo=UTC), datetime(2025, 3, 17, 4, tzinfo=UTC))
    earlier = await statement(
        pay,
        bo.courier_id,
        period=pb.CalendarPeriod(length=pb.PERIOD_LENGTH_WEEK, date="2025-03-09", time_zone="America/New_York"),
    )
    length = earlier.end_time.ToDatetime(UTC) - earlier.start_time.ToDatetime(UTC)
    assert length == timedelta(days=7) - timedelta(hours=1)
    assert (past.total.minor_units, list(past.lines), list(past.tasks)) == (0, [], [])


@pytest.mark.parametrize(
    ("field", "more"),
    [
        ("period.date", {"period": pb.CalendarPeriod(length=1, date="2026-02-30")}),
        ("period.date", {"period": pb.CalendarPeriod(length=1, date="26-2-3")}),
        *(
            ("period.time_zone", {"period": pb.CalendarPeriod(length=1, date="2026-02-03", time_zone=zone)})
            for zone in (
                *("Mars/Olympus", "../etc/passwd", "/etc/localtime", "localtime", "posixrules", "Factory", "posix/UTC"),
                *("right/UTC", "America", "america/new_york", "leapseconds", "tzdata.zi", "EST5EDT4", "+02:00", " UTC"),
            )
        ),
        ("period.length", {"period": pb.CalendarPeriod(date="2026-02-03")}),
    ],
)
async def test_a_period_that_is_none_is_refused_by_name(pay, name, field, more) -> None:
    assert field in await refused(statement(pay, name, **more), grpc.StatusCode.INVALID_ARGUMENT)


async def test_a_tip_arrives_in_full_as_a_line_of_its_own(jobs, pay, connect, name, island) -> None:
    bo = connect(f"{name}-bo")
    await bo.online(island)
    job = await serve(jobs, bo, name, island)
    tip = pb.AddTipRequest(request_id="tip", client_id=name, job_id=job.job_id, minor_units=250)
    answer = await pay.AddTip(tip, metadata=caller("client", name))
    assert await pay.AddTip(tip, metadata=caller("client", name)) == answer
    assert (answer.line.kind, answer.line.minor_units) == (types_pb2.PRICE_LINE_KIND_TIP, 250)
    assert answer.job.money.tip_minor_units == 250
    found = await statement(pay, bo.courier_id)
    assert (found.tips.minor_units, found.total.minor_units) == (250, job.pay.total.minor_units + 250)
    kept = (await jobs.GetJob(job_pb.GetJobRequest(job_id=job.job_id))).job
    assert kept.money.tip_minor_units == 250
    tip.request_id, tip.minor_units = "zero", 0
    await refused(pay.AddTip(tip, metadata=caller("client", name)), grpc.StatusCode.INVALID_ARGUMENT)


async def test_statements_sum_to_the_ledger_for_everyone_who_ever_worked_here(
    jobs, pay, connect, suite, tmp_path, name, island
) -> None:
    bo = connect(f"{name}-bo")
    await bo.online(island)
    job = await serve(jobs, bo, name, island)
    tip = pb.AddTipRequest(request_id="tip", client_id=name, job_id=job.job_id, minor_units=120)
    await pay.AddTip(tip, metadata=caller("client", name))
    out = tmp_path / "day.log"
    command = [GIG, "log", "export", str(out), "--data-dir", str(suite.data_dir)]
    done = await asyncio.to_thread(subprocess.run, command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    events = list(read_log(out))
    ledger, faults = check_ledger(events)
    assert faults == []
    assert ledger.workers[bo.courier_id] == job.pay.total.minor_units + 120
    until = events[-1].time
    until.nanos += 1000
    for worker, amount in ledger.workers.items():
        asked = pb.GetStatementRequest(worker_id=worker, end_time=until)
        found = await pay.GetStatement(asked, metadata=caller("operator", "olu"))
        assert (
            found.total.minor_units
            == amount
            == sum(task.earned_minor_units for task in found.tasks)
            + sum(line.minor_units for line in found.lines if not line.job_id and not line.review_id)
        )


async def test_an_offer_shows_everything_before_it_is_accepted(jobs, connect, name, island) -> None:
    bo = connect(f"{name}-bo")
    await bo.online(island)
    await jobs.PlaceJob(place_request(name, island))
    offer = await bo.offer()
    assert offer.pay.minor_units == sum(line.minor_units for line in offer.jobs[0].pay.lines) > 0
    assert offer.stops == 2
    assert offer.surge_minor_units == 0
    assert offer.time_to_answer.seconds == 150
    assert offer.expire_time.ToMicroseconds() - offer.make_time.ToMicroseconds() == 150_000_000
    assert offer.pickup_duration.seconds >= 0
    assert offer.jobs[0].trip_distance_metres > 0
    assert offer.jobs[0].trip_duration.seconds > 0
    assert offer.jobs[0].destination_area
    assert offer.jobs[0].waiting.per_minute == 35


async def test_a_quote_says_what_it_is_made_of_and_how_long_it_holds(jobs, name, island) -> None:
    spec = place_request(name, island).spec
    quote = (await jobs.QuoteJob(job_pb.QuoteJobRequest(request_id="q", client_id=name, spec=spec))).quote
    assert quote.fare.total.minor_units == sum(line.minor_units for line in quote.fare.lines)
    assert quote.HasField("expire_time")
    assert quote.waiting.per_minute == 40
    assert quote.policy_version >= 1
