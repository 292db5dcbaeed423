"""Jobs aboard whose courier's phone is silent: since when, and when the market ends them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from dispatcher.lost_contact import lost_contact
from dispatcher.market import lifecycle, plans
from dispatcher.market.moments import moment_text, span_text
from dispatcher.market.state import MarketState
from dispatcher.times import micros, span
from gig.v1 import courier_service_pb2 as courier_pb
from gig.v1 import job_pb2 as job_pb


@dataclass(frozen=True, slots=True)
class LostJob:
    """A job aboard a silent courier. Market times in microseconds: the last sign of life, and when the job ends."""

    job_id: str
    courier_id: str
    silent_since_us: int
    ends_us: int


def aboard(state: MarketState, courier: courier_pb.Courier) -> list[str]:
    """Return the ids of the jobs that the courier has picked up and not ended."""
    return [job_id for job_id in courier.job_ids if state.jobs[job_id].state == lifecycle.PICKED_UP]


def lost_jobs(state: MarketState, courier_id: str) -> Iterator[LostJob]:
    """Yield the jobs aboard a courier whose phone is silent, with the time at which the market ends each."""
    courier = state.couriers[courier_id]
    since_us = micros(courier.silent_since)
    end_after_us = lost_contact(state.policy).end_after_us
    # While the market was away, no phone could give a sign of life.
    resumed_us = state.outages[-1][1] if state.outages else 0
    for job_id in aboard(state, courier):
        counts_from_us = max(since_us, _expected_dropoff_us(state, courier, job_id), resumed_us)
        yield LostJob(job_id, courier_id, since_us, counts_from_us + end_after_us)


def _expected_dropoff_us(state: MarketState, courier: courier_pb.Courier, job_id: str) -> int:
    for stop in courier.plan:
        if stop.job_id == job_id and stop.kind == plans.DROPOFF:
            return micros(stop.expected_time)
    job = state.jobs[job_id]
    return micros(job.pickup_time) + span(job.trip_duration)


def task_sentence(state: MarketState, lost: LostJob, now_us: int) -> str:
    """Return the problem, what the market does about it, and what the operator can do."""
    rule = lost_contact(state.policy)
    fault = job_pb.Fault.Name(rule.fault).removeprefix("FAULT_").lower()
    return (
        f"The phone of courier {lost.courier_id} has been silent for {span_text(now_us - lost.silent_since_us)} with "
        f"job {lost.job_id} aboard. Unless the phone is heard of, the market ends the job as failed at "
        f"{moment_text(lost.ends_us)}; at fault: {fault}. The client then pays {rule.fare_basis_points / 100:g} % of "
        f"the fare, and the courier gets {rule.pay_basis_points / 100:g} % of the pay. Call the courier and the client."
    )
