"""An event that the market has folded, with copies of the records right after it: what streams and tables are told."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from dispatcher.complete import complete
from dispatcher.event_kinds import Use, bodies_for
from dispatcher.event_subjects import couriers_of, jobs_of
from dispatcher.market import Market
from dispatcher.market.clocks import PHASE_OF
from dispatcher.messages import copied
from gig.v1 import courier_service_pb2 as courier_pb
from gig.v1 import events_pb2 as events_pb
from gig.v1 import job_pb2 as job_pb

# What stands for nobody's phase: the tables count phases from 1, and 0 is offline.
OFFLINE = -1


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
    find = _PLANS.get(kind)
    return "" if find is None else find(getattr(event, kind), jobs)


def _who_accepts(body: events_pb.OfferAnswered, _jobs: Sequence[job_pb.Job]) -> str:
    return str(body.courier_id) if body.outcome == courier_pb.OFFER_OUTCOME_ACCEPTED else ""


def _who_releases(body: events_pb.JobReleased, _jobs: Sequence[job_pb.Job]) -> str:
    return str(body.courier_id)


def _who_holds(_body: Any, jobs: Sequence[job_pb.Job]) -> str:
    return jobs[0].courier_id if jobs else ""


_PLANS: dict[str, Callable[[Any, Sequence[job_pb.Job]], str]] = complete(
    {
        "offer_answered": _who_accepts,
        "courier_arrived": _who_holds,
        "job_picked_up": _who_holds,
        "job_completed": _who_holds,
        "job_failed": _who_holds,
        "job_cancelled": _who_holds,
        "job_released": _who_releases,
    },
    bodies_for(Use.PLAN),
    "couriers whose plan an event changes",
)


def _phases(market: Market, courier_ids: Sequence[str]) -> tuple[tuple[str, int], ...]:
    known = ((courier_id, market.state.couriers.get(courier_id)) for courier_id in courier_ids)
    return tuple((name, PHASE_OF.get(courier.state, OFFLINE) + 1) for name, courier in known if courier is not None)
