"""PayService: statements of couriers and reviewers, and tips."""

from __future__ import annotations

import asyncio
from datetime import UTC, date, datetime, time, timedelta
from functools import cache
from zoneinfo import ZoneInfo, available_timezones

from dispatcher import commands
from dispatcher.errors import InvalidField
from dispatcher.log import lookups
from dispatcher.times import SECOND, micros
from gig.v1 import pay_service_pb2 as pb
from services.host.market_host import MarketHost
from services.host.past_jobs import past_job
from services.rpc.requests import request_of
from services.rpc.statement import Worked, phases_of, statement, tip_line

LATEST_US = 253_402_300_800_000_000
# The zone of the server's machine, and the one of a machine without any: every time zone database has them.
NO_PLACES = frozenset({"localtime", "Factory"})


class PayService:
    def __init__(self, host: MarketHost) -> None:
        self._host = host
        self._one_tip = asyncio.Lock()

    async def get_statement(self, call: pb.GetStatementRequest) -> pb.GetStatementResponse:
        # In a thread: the first call lists the time zones of the machine.
        start, end = await asyncio.to_thread(_bounds, call)
        until = min(end if end is not None else LATEST_US, self._host.clock.now())
        pool, market_id, worker = await self._host.projected(), self._host.market_id, call.worker_id
        lines = await lookups.statement(pool, market_id, worker, start, end, call.job_id)
        if call.job_id:
            jobs = await lookups.jobs_of_courier(pool, market_id, worker, 0, 0, [call.job_id])
            worked = Worked(lines, jobs, phases_of(jobs[0]) if jobs else {}, [])
        else:
            since = start or 0
            named = list(dict.fromkeys(line.job_id for line in lines if line.job_id))
            jobs = await lookups.jobs_of_courier(pool, market_id, worker, since, until, named)
            phases = await lookups.phases(pool, market_id, worker, since, until) if until > since else {}
            opinions = await lookups.opinions(pool, market_id, worker, since, until)
            worked = Worked(lines, jobs, phases, opinions)
        found = statement(worked, self._host.measures.currency)
        if start is not None:
            found.start_time.FromMicroseconds(start)
        if end is not None:
            found.end_time.FromMicroseconds(end)
        return found

    async def add_tip(self, call: pb.AddTipRequest) -> pb.AddTipResponse:
        request = request_of(call)
        async with self._one_tip:  # a job that has left the memory is read, and written with the tip
            command = commands.AddTip(
                request=request,
                client_id=call.client_id,
                job_id=call.job_id,
                minor_units=call.minor_units,
                past=await past_job(self._host, call.job_id),
            )
            sequence = await self._host.submit(command, lambda market: market.sequence_of(request))
        # From the event of the first call, so that a repetition answers what the first call answered.
        event = await self._host.store.event(sequence)
        return pb.AddTipResponse(line=tip_line(event), job=event.tip_added.job)


def _bounds(call: pb.GetStatementRequest) -> tuple[int | None, int | None]:
    """The period asked for in microseconds, None where it is open. Raises InvalidField."""
    if call.HasField("period"):
        if call.HasField("start_time") or call.HasField("end_time"):
            raise InvalidField("period", "give either a period, or start_time and end_time")
        return _calendar(call.period)
    start = micros(call.start_time) if call.HasField("start_time") else None
    end = micros(call.end_time) if call.HasField("end_time") else None
    if start is not None and end is not None and end <= start:
        raise InvalidField("end_time", "must be after start_time")
    for field, at in (("start_time", start), ("end_time", end)):
        if at is not None and not 0 <= at < LATEST_US:
            raise InvalidField(field, "must lie between the years 1970 and 9999")
    return start, end


def _calendar(period: pb.CalendarPeriod) -> tuple[int, int]:
    """A local day or week, midnight to midnight, whatever the clocks do in between."""
    try:
        day = date.fromisoformat(period.date)
    except ValueError as fault:
        raise InvalidField("period.date", "is no day of the calendar") from fault
    name = period.time_zone or "UTC"
    if name not in _time_zones():
        raise InvalidField("period.time_zone", "must be an IANA time zone, for example America/New_York")
    zone = ZoneInfo(name)
    if not 1971 <= day.year <= 9998:
        raise InvalidField("period.date", "must lie between the years 1971 and 9998")
    days = 1
    if period.length == pb.PERIOD_LENGTH_WEEK:
        day, days = day - timedelta(days=day.weekday()), 7
    starts = (datetime.combine(day + timedelta(days=more), time(), zone) for more in (0, days))
    start, end = (int(moment.astimezone(UTC).timestamp()) * SECOND for moment in starts)
    return start, end


@cache
def _time_zones() -> frozenset[str]:
    """Return the names of the IANA time zones."""
    return frozenset(available_timezones()) - NO_PLACES
