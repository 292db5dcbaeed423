"""Jobs that do not move on: nobody eligible is in reach of them, or their courier makes no progress."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from dispatcher.market import lifecycle
from dispatcher.market.moments import moment_text, span_text
from dispatcher.market.plans import PICKUP
from dispatcher.market.state import MarketState
from dispatcher.times import SECOND, micros

# A job is stuck when no eligible courier has been in reach for this share of the policy's max_wait.
LONELY_SHARE = 0.5
# A job is stuck when its courier has been expected at the next stop for so long, in market time.
LATE_US = 20 * 60 * SECOND


@dataclass(slots=True)
class LonelyJobs:
    """Since when (market time) each waiting job has been without a candidate in every round."""

    since_us: dict[str, int] = field(default_factory=dict)

    def after_round(self, job_ids: Iterable[str], now_us: int) -> None:
        """``job_ids``: the jobs without a candidate now."""
        before = self.since_us
        self.since_us = {job_id: before.get(job_id, now_us) for job_id in job_ids}


@dataclass(frozen=True, slots=True)
class StuckJob:
    job_id: str
    since_us: int
    sentence: str


def stuck_jobs(state: MarketState, lonely: LonelyJobs, now_us: int) -> Iterator[StuckJob]:
    """Yield the stuck jobs, each with the problem, what the market does about it, and what the operator can do."""
    longest_us = round(LONELY_SHARE * state.max_wait_us)
    for job_id, since_us in lonely.since_us.items():
        if job_id in state.queue and now_us - since_us >= longest_us:
            yield StuckJob(job_id, since_us, _nobody_in_reach(state, job_id, since_us, now_us))
    for courier_id, courier in state.couriers.items():
        if courier.plan:
            stop = courier.plan[0]
            if courier.HasField("silent_since") and state.jobs[stop.job_id].state == lifecycle.PICKED_UP:
                continue  # reported as lost contact, by dispatcher.market.contact
            expected_us = micros(stop.expected_time)
            if now_us - expected_us >= LATE_US:
                where = "pickup" if stop.kind == PICKUP else "drop-off"
                yield StuckJob(
                    stop.job_id, expected_us, _no_progress(stop.job_id, courier_id, where, now_us - expected_us)
                )


def _nobody_in_reach(state: MarketState, job_id: str, since_us: int, now_us: int) -> str:
    job = state.jobs[job_id]
    return (
        f"Job {job_id} has waited {span_text(now_us - micros(job.queue_time))}, and no eligible courier has been in "
        f"reach for {span_text(now_us - since_us)}. Rounds keep trying until "
        f"{moment_text(state.wait_limit(job))}, when the job expires. ExplainWait says which constraint keeps couriers "
        "from it; ask couriers nearby to go online, or notify the client."
    )


def _no_progress(job_id: str, courier_id: str, where: str, late_us: int) -> str:
    return (
        f"Courier {courier_id} has been expected at the {where} of job {job_id} for {span_text(late_us)} without "
        "progress. The market leaves the job with the courier. Call the courier; before the pickup, the client can "
        "cancel or the courier can give the job back."
    )
