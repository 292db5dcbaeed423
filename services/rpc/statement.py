"""A statement put together: every task and amount, the hours and what they went into, and the hourly earnings."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta

from dispatcher.log.lookups import Opinion, PayLine
from dispatcher.market import lifecycle
from dispatcher.pay.ledger import WORKERS
from dispatcher.pricing.amounts import saturated
from gig.v1 import events_pb2 as events_pb
from gig.v1 import job_pb2 as job_pb
from gig.v1 import pay_service_pb2 as pb
from gig.v1 import transparency_service_pb2 as transparency_pb
from gig.v1 import types_pb2 as types_pb

WAITING, TO_PICKUP, AT_PICKUP, WITH_JOB = 1, 2, 3, 4
NOTHING = timedelta()
TIP = types_pb.PRICE_LINE_KIND_TIP


@dataclass(frozen=True, slots=True)
class Worked:
    """What the tables hold of a worker's period."""

    lines: Sequence[PayLine]
    jobs: Sequence[job_pb.Job]
    # Time by phase.
    phases: dict[int, timedelta]
    opinions: Sequence[Opinion]


def statement(worked: Worked, usual_currency: str) -> pb.GetStatementResponse:
    """The totals are sums of the lines, which are those of the ledger."""
    currency = worked.lines[-1].currency_code if worked.lines else usual_currency
    total = sum(line.minor_units for line in worked.lines)
    tips = sum(line.minor_units for line in worked.lines if line.kind == TIP)
    spent = {phase: worked.phases.get(phase, NOTHING) for phase in (WAITING, TO_PICKUP, AT_PICKUP, WITH_JOB)}
    reviewing = sum((opinion.spent for opinion in worked.opinions), NOTHING)
    engaged = spent[TO_PICKUP] + spent[AT_PICKUP] + spent[WITH_JOB] + reviewing
    found = pb.GetStatementResponse(
        lines=[statement_line(line) for line in worked.lines],
        total=_money(total, currency),
        jobs=len(worked.jobs),
        tasks=_tasks(worked),
        tips=_money(tips, currency),
        per_online_hour=_money(_hourly(total - tips, spent[WAITING] + engaged), currency),
        per_engaged_hour=_money(_hourly(total - tips, engaged), currency),
    )
    found.waiting.FromTimedelta(spent[WAITING])
    found.to_pickup.FromTimedelta(spent[TO_PICKUP] + spent[AT_PICKUP])
    found.at_pickup.FromTimedelta(spent[AT_PICKUP])
    found.with_job.FromTimedelta(spent[WITH_JOB])
    return found


def phases_of(job: job_pb.Job) -> dict[int, timedelta]:
    """What one job's time went into, from acceptance to its end; without an arrival the way lasts until the pickup."""
    moments = [
        getattr(job, name).ToDatetime() if job.HasField(name) else None
        for name in ("assign_time", "arrive_time", "pickup_time", "end_time")
    ]
    accepted, arrived, picked_up, ended = moments
    if accepted is None:
        return {}
    last = ended or picked_up or arrived or accepted
    arrived = arrived or picked_up or last
    picked_up = picked_up or last
    return {TO_PICKUP: arrived - accepted, AT_PICKUP: picked_up - arrived, WITH_JOB: last - picked_up}


def statement_line(line: PayLine) -> pb.StatementLine:
    found = pb.StatementLine(
        job_id=line.job_id,
        review_id=line.review_id,
        kind=types_pb.PriceLineKind.Name(line.kind),
        minor_units=line.minor_units,
        sequence=line.sequence,
        rule=line.rule,
    )
    found.time.FromDatetime(line.time)
    return found


def tip_line(event: events_pb.Event) -> pb.StatementLine:
    """Return the courier's line of the statement for a ``tip_added`` event."""
    body = event.tip_added
    leg = next(leg for leg in body.postings.legs if leg.account in WORKERS)
    return pb.StatementLine(
        job_id=body.job.job_id,
        kind=types_pb.PriceLineKind.Name(leg.line),
        minor_units=leg.minor_units,
        sequence=event.sequence,
        rule=leg.rule,
        time=event.time,
    )


def _tasks(worked: Worked) -> list[pb.StatementTask]:
    earned: dict[tuple[str, str], int] = defaultdict(int)
    for line in worked.lines:
        earned[line.job_id, line.review_id if not line.job_id else ""] += line.minor_units
    return [
        *(_job_task(job, earned[job.job_id, ""]) for job in worked.jobs),
        *(_review_task(opinion, earned["", opinion.review_id]) for opinion in worked.opinions),
    ]


def _job_task(job: job_pb.Job, earned: int) -> pb.StatementTask:
    task = pb.StatementTask(
        job_id=job.job_id,
        outcome=lifecycle.state_name(job.state),
        pickup_distance_metres=job.pickup_distance_metres,
        trip_distance_metres=job.trip_distance_metres,
        earned_minor_units=saturated(earned),
    )
    for name, moment in (
        ("accept_time", "assign_time"),
        ("arrive_time", "arrive_time"),
        ("pickup_time", "pickup_time"),
        ("end_time", "end_time"),
    ):
        if job.HasField(moment):
            getattr(task, name).CopyFrom(getattr(job, moment))
    if job.HasField("money"):
        task.money.CopyFrom(job.money)
    return task


def _review_task(opinion: Opinion, earned: int) -> pb.StatementTask:
    outcome = transparency_pb.ReviewOutcome.Name(opinion.outcome).removeprefix("REVIEW_OUTCOME_").lower()
    task = pb.StatementTask(review_id=opinion.review_id, outcome=outcome, earned_minor_units=saturated(earned))
    task.end_time.FromDatetime(opinion.time)
    task.time_spent.FromTimedelta(opinion.spent)
    return task


def _hourly(minor_units: int, spent: timedelta) -> int:
    """Minor units an hour, to the nearest; 0 where no time was spent."""
    microseconds = spent // timedelta(microseconds=1)
    if not microseconds:
        return 0
    hour = 3_600_000_000
    return (2 * minor_units * hour + microseconds) // (2 * microseconds)


def _money(minor_units: int, currency: str) -> types_pb.Money:
    return types_pb.Money(minor_units=saturated(minor_units), currency_code=currency)
