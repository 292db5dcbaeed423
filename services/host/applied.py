"""An event that the market has folded, with copies of the records right after it: what streams and tables are told."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

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
    courier_ids = couriers_of(event, jobs)
    planned = courier_ids[0] if kind in _PLAN and courier_ids else ""
    courier = copied(state.couriers[planned]) if planned else None
    return Applied(event, kind, jobs, courier, _phases(market, courier_ids))


# What changes a courier's plan changes the courier's activity too.
_PLAN = complete(
    bodies_for(Use.PLAN).keys() & bodies_for(Use.ACTIVITY).keys(),
    bodies_for(Use.PLAN),
    "events that change a courier's plan",
)


def _phases(market: Market, courier_ids: Sequence[str]) -> tuple[tuple[str, int], ...]:
    known = ((courier_id, market.state.couriers.get(courier_id)) for courier_id in courier_ids)
    return tuple((name, PHASE_OF.get(courier.state, OFFLINE) + 1) for name, courier in known if courier is not None)
