"""An event that the market has folded, with copies of the records right after it: what streams and tables are told."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from dispatcher.complete import known
from dispatcher.event_kinds import BODIES
from dispatcher.event_subjects import couriers_of, jobs_of
from dispatcher.market import Market
from dispatcher.market.clocks import PHASE_OF
from dispatcher.messages import copied
from gig.v1 import courier_service_pb2 as courier_pb
from gig.v1 import events_pb2 as events_pb
from gig.v1 import job_pb2 as job_pb

# What stands for nobody's phase: the tables count phases from 1, and 0 is offline.
OFFLINE = -1
# Events of a job in a courier's hands.
HELD_JOB = known(
    frozenset({"courier_arrived", "job_picked_up", "job_completed", "job_failed", "job_cancelled", "job_released"}),
    BODIES,
    "events of a job that a courier holds",
)


@dataclass(frozen=True, slots=True)
class Applied:
    """``jobs``: of the event; ``courier``: whose plan it changed; ``phases``: (courier, what their time goes into from
    now on) of each courier for whom that may have changed."""

    event: events_pb.Event
    kind: str
    jobs: tuple[job_pb.Job, ...]
    courier: courier_pb.Courier | None
    phases: tuple[tuple[str, int], ...] = ()


def applied(market: Market, event: events_pb.Event) -> Applied:
    """Right after the market has folded the event: others will read the copies when it has moved on."""
    state, kind = market.state, event.WhichOneof("body")
    jobs = tuple(copied(state.jobs[job_id]) for job_id in jobs_of(event) if job_id in state.jobs)
    if kind == "tip_added" and not jobs:  # the job has left the memory
        jobs = (event.tip_added.job,)
    courier_id = _plan_changed(event, jobs)
    courier = copied(state.couriers[courier_id]) if courier_id else None
    return Applied(event, kind, jobs, courier, _phases(market, couriers_of(event, jobs)))


def _plan_changed(event: events_pb.Event, jobs: Sequence[job_pb.Job]) -> str:
    """The courier whose plan an event changed, or nothing."""
    kind = event.WhichOneof("body")
    if kind == "offer_answered":
        accepted = event.offer_answered.outcome == courier_pb.OFFER_OUTCOME_ACCEPTED
        return str(event.offer_answered.courier_id) if accepted else ""
    if kind not in HELD_JOB:
        return ""
    return str(event.job_released.courier_id) if kind == "job_released" else jobs[0].courier_id if jobs else ""


def _phases(market: Market, courier_ids: Sequence[str]) -> tuple[tuple[str, int], ...]:
    known = ((courier_id, market.state.couriers.get(courier_id)) for courier_id in courier_ids)
    return tuple((name, PHASE_OF.get(courier.state, OFFLINE) + 1) for name, courier in known if courier is not None)
