"""A proposed plan of a courier, checked against everything that rounds respect."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from dispatcher.errors import InvalidField, WrongState
from dispatcher.market import lifecycle
from dispatcher.market.filter_sentences import PLAN_SENTENCES
from dispatcher.market.plans import DROPOFF, PICKUP
from dispatcher.market.problems import problem_of
from dispatcher.market.queue import queued
from dispatcher.market.round import MovedCouriers
from dispatcher.market.state import MarketState
from dispatcher.times import SECOND, rounded_us, timestamp
from gig.v1 import courier_service_pb2 as courier_pb
from gig.v1 import job_pb2 as job_pb
from gig.v1 import oversight_service_pb2 as pb
from matching.plan_check import Violation, check_plan


def check(
    state: MarketState, courier_id: str, stops: Sequence[job_pb.PlanStop], moved: MovedCouriers, now_us: int
) -> pb.CheckPlanResponse:
    """The stops with expected times, and each violation with its amount. Nothing is changed."""
    courier = state.courier(courier_id)
    if courier.state == courier_pb.COURIER_STATE_OFFLINE:
        raise WrongState("COURIER_OFFLINE", "the courier is offline", courier_id=courier_id)
    accepted = [(stop.job_id, stop.kind) for stop in courier.plan]
    new = _new_jobs(state, courier, stops)
    numbers = np.array([state.numbers[courier_id]], np.int64)
    rows = {job_id: queued(state.jobs[job_id], state.policy, state.zones) for job_id in new}
    problem = problem_of(state, numbers, np.array([bool(accepted)]), moved, now_us, rows)
    order = np.array([_point(stop, accepted, new) for stop in stops], np.int64)
    if np.unique(order).size < order.size:
        raise InvalidField("stops", "a stop stands in the plan twice", "STOP_TWICE")
    checked = check_plan(problem, 0, np.arange(len(new)), order)
    timed = [
        job_pb.PlanStop(
            job_id=stop.job_id, kind=stop.kind, expected_time=timestamp(now_us + rounded_us(moment * SECOND))
        )
        for stop, moment in zip(stops, checked.moment_s.tolist(), strict=True)
    ]
    found = [_told(violation, accepted, new) for violation in checked.violations]
    return pb.CheckPlanResponse(stops=timed, violations=found)


def _new_jobs(state: MarketState, courier: courier_pb.Courier, stops: Sequence[job_pb.PlanStop]) -> list[str]:
    """Jobs of the plan that the courier does not hold, in the order of their first stops."""
    new: list[str] = []
    for stop in stops:
        job = state.job(stop.job_id)
        if job.state in lifecycle.TERMINAL or job.state == lifecycle.QUOTED:
            raise WrongState("JOB_STATE", f"job {job.job_id!r} is {lifecycle.state_name(job.state)}", job_id=job.job_id)
        if stop.job_id not in courier.job_ids and stop.job_id not in new:
            new.append(stop.job_id)
    return new


def _point(stop: job_pb.PlanStop, accepted: list[tuple[str, int]], new: list[str]) -> int:
    if stop.kind not in (PICKUP, DROPOFF):
        raise InvalidField("stops.kind", "must be pickup or drop-off", "STOP_KIND")
    if stop.job_id in new:
        return len(accepted) + 2 * new.index(stop.job_id) + (stop.kind == DROPOFF)
    if (stop.job_id, stop.kind) not in accepted:
        raise InvalidField("stops", f"the pickup of {stop.job_id!r} has been made already", "STOP_DONE")
    return accepted.index((stop.job_id, stop.kind))


def _told(violation: Violation, accepted: list[tuple[str, int]], new: list[str]) -> pb.PlanViolation:
    point = violation.point
    job_id = accepted[point][0] if point < len(accepted) else new[(point - len(accepted)) // 2]
    sentence = PLAN_SENTENCES[violation.constraint].format(amount=violation.amount)
    return pb.PlanViolation(
        constraint=violation.constraint.value, job_id=job_id, amount=violation.amount, sentence=f"{job_id}: {sentence}"
    )
