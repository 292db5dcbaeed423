"""Subjects of events, and the jobs in progress that change when one leaves the market."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from dispatcher.event_kinds import EVENT_KINDS, reader
from dispatcher.market import lifecycle
from dispatcher.market.state import MarketState
from gig.v1 import events_pb2 as events_pb
from gig.v1 import job_pb2 as job_pb
from gig.v1 import types_pb2 as types_pb

Kind = types_pb.SubjectKind


@dataclass(frozen=True, slots=True, order=True)
class Subject:
    """What an event is about. ``id`` is empty where the kind has no ids (zones)."""

    kind: Kind
    id: str

    @property
    def kind_name(self) -> str:
        return str(types_pb.SubjectKind.Name(self.kind)).removeprefix("SUBJECT_KIND_").lower()


def subject_of(event: events_pb.Event) -> Subject:
    """Return the subject to quarantine where an event cannot be applied: the smallest one that contains its effect."""
    body = event.WhichOneof("body")
    by_sequence = f"event {event.sequence}"
    if body is None:
        return Subject(types_pb.SUBJECT_KIND_MARKET, by_sequence)
    kind = EVENT_KINDS[body]
    found = reader(kind.subject_id)(getattr(event, body))[0] if kind.subject_id else ""
    return Subject(kind.subject, found or ("" if kind.subject == types_pb.SUBJECT_KIND_ZONES else by_sequence))


def jobs_affected(state: MarketState, subject: Subject) -> list[events_pb.QuarantinedJob]:
    """Return the jobs that end, queue again or leave a courier when ``subject`` is quarantined. Changes nothing."""
    found: dict[str, events_pb.QuarantinedJob] = {}
    match subject.kind:
        case types_pb.SUBJECT_KIND_JOB:
            for job in _present(state, (subject.id,)):
                found[job.job_id] = _affected(state, job, ended=True)
        case types_pb.SUBJECT_KIND_OFFER:
            for job in state.jobs.values():
                if job.state == lifecycle.OFFERED and job.offer_id == subject.id:
                    found[job.job_id] = _affected(state, job, ended=False)
        case types_pb.SUBJECT_KIND_COURIER:
            for job in state.jobs.values():
                if job.courier_id == subject.id and job.state in lifecycle.HELD | {lifecycle.OFFERED}:
                    found[job.job_id] = _affected(state, job, ended=job.state == lifecycle.PICKED_UP)
    # The other jobs of an offer that is withdrawn.
    withdrawn = {one.offer_id for one in found.values() if one.offer_id}
    if withdrawn:
        for offer_id in withdrawn & state.offers.keys():
            for job in _present(state, (offered.job_id for offered in state.offers[offer_id].jobs)):
                if job.job_id not in found:
                    found[job.job_id] = _affected(state, job, ended=False)
    return list(found.values())


def _present(state: MarketState, job_ids: Iterable[str]) -> Iterator[job_pb.Job]:
    """The live jobs among these."""
    for job_id in job_ids:
        job = state.jobs.get(job_id)
        if job is not None and job.state not in lifecycle.TERMINAL:
            yield job


def _affected(state: MarketState, job: job_pb.Job, *, ended: bool) -> events_pb.QuarantinedJob:
    holders = [courier_id for courier_id, courier in state.couriers.items() if job.job_id in courier.job_ids]
    offers = [offer_id for offer_id, offer in state.offers.items() if any(o.job_id == job.job_id for o in offer.jobs)]
    offered = job.offer_id if job.state == lifecycle.OFFERED else ""
    return events_pb.QuarantinedJob(
        job_id=job.job_id,
        courier_id=holders[0] if holders else job.courier_id,
        offer_id=offers[0] if offers else offered,
        ended=ended,
    )
