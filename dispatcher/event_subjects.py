"""The jobs and couriers that an event is about."""

from __future__ import annotations

from collections.abc import Sequence

from gig.v1 import courier_service_pb2 as courier_pb
from gig.v1 import events_pb2 as events_pb
from gig.v1 import job_pb2 as job_pb
from gig.v1 import types_pb2 as types_pb

# Bodies that are about one job, besides those that hold it whole.
_ABOUT_A_JOB = frozenset(
    {
        "job_queued",
        "job_expired",
        "job_cancelled",
        "job_released",
        "job_failed",
        "courier_arrived",
        "job_picked_up",
        "job_completed",
    }
)


def jobs_of(event: events_pb.Event) -> list[str]:
    """Return the ids of the jobs that an event is about."""
    body = event.WhichOneof("body")
    if body in ("job_quoted", "job_placed"):
        return [getattr(event, body).job.job_id]
    if body == "offer_made":
        return [offered.job_id for offered in event.offer_made.offer.jobs]
    if body == "offer_answered":
        return list(event.offer_answered.job_ids)
    if body == "job_rated":
        return [event.job_rated.rating.job_id]
    if body == "tip_added":
        return [event.tip_added.job.job_id]
    if body == "subject_quarantined":
        return [one.job_id for one in event.subject_quarantined.jobs]
    return [getattr(event, body).job_id] if body in _ABOUT_A_JOB else []


def couriers_of(event: events_pb.Event, jobs: Sequence[job_pb.Job]) -> list[str]:
    """Return the ids of the couriers whose activity may change with this event. ``jobs``: its jobs right after it."""
    body = event.WhichOneof("body")
    if body in ("courier_online", "courier_offline", "job_released"):
        return [getattr(event, body).courier_id]
    if body == "offer_answered":
        accepted = event.offer_answered.outcome == courier_pb.OFFER_OUTCOME_ACCEPTED
        return [event.offer_answered.courier_id] if accepted else []
    if body in ("courier_arrived", "job_picked_up", "job_completed", "job_failed", "job_cancelled"):
        return [jobs[0].courier_id] if jobs else []
    if body == "subject_quarantined":
        quarantine = event.subject_quarantined
        offline = [quarantine.subject_id] if quarantine.kind == types_pb.SUBJECT_KIND_COURIER else []
        return [*dict.fromkeys([*(one.courier_id for one in quarantine.jobs), *offline])]
    return []
