"""The jobs and couriers that an event is about."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from dispatcher.complete import complete
from dispatcher.event_kinds import EVENT_KINDS, Use, bodies_for, reader
from gig.v1 import courier_service_pb2 as courier_pb
from gig.v1 import events_pb2 as events_pb
from gig.v1 import job_pb2 as job_pb
from gig.v1 import types_pb2 as types_pb

Jobs = Sequence[job_pb.Job]


def jobs_of(event: events_pb.Event) -> list[str]:
    """Return the ids of the jobs that an event is about."""
    body = event.WhichOneof("body")
    read = _JOBS.get(body)
    return [] if read is None else read(getattr(event, body))


def couriers_of(event: events_pb.Event, jobs: Jobs) -> list[str]:
    """Return the ids of the couriers whose activity may change with this event. ``jobs``: its jobs right after it."""
    body = event.WhichOneof("body")
    read = _COURIERS.get(body)
    return [] if read is None else read(getattr(event, body), jobs)


def _courier_id(body: Any, _jobs: Jobs) -> list[str]:
    return [body.courier_id]


def _courier_who_accepts(body: events_pb.OfferAnswered, _jobs: Jobs) -> list[str]:
    return [body.courier_id] if body.outcome == courier_pb.OFFER_OUTCOME_ACCEPTED else []


def _courier_of_job(_body: Any, jobs: Jobs) -> list[str]:
    return [jobs[0].courier_id] if jobs else []


def _couriers_taken_out(body: events_pb.SubjectQuarantined, _jobs: Jobs) -> list[str]:
    offline = [body.subject_id] if body.kind == types_pb.SUBJECT_KIND_COURIER else []
    return [*dict.fromkeys([*(one.courier_id for one in body.jobs), *offline])]


_JOBS = {body: reader(kind.jobs) for body, kind in EVENT_KINDS.items() if kind.jobs}
_COURIERS: dict[str, Callable[[Any, Jobs], list[str]]] = complete(
    {
        "courier_online": _courier_id,
        "courier_offline": _courier_id,
        "job_released": _courier_id,
        "offer_answered": _courier_who_accepts,
        "courier_arrived": _courier_of_job,
        "job_picked_up": _courier_of_job,
        "job_completed": _courier_of_job,
        "job_failed": _courier_of_job,
        "job_cancelled": _courier_of_job,
        "subject_quarantined": _couriers_taken_out,
    },
    bodies_for(Use.ACTIVITY),
    "couriers whose activity events may change",
)
