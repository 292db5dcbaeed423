"""Subjects of events, and the jobs in progress that change when one leaves the market."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any

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
    kind, name = _SUBJECTS.get(body, (types_pb.SUBJECT_KIND_MARKET, _sequence))
    found = name(getattr(event, body)) if body is not None and name is not _sequence else ""
    return Subject(kind, found or ("" if kind == types_pb.SUBJECT_KIND_ZONES else f"event {event.sequence}"))


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


def _sequence(_body: Any) -> str:
    """Named by the event's sequence."""
    return ""


def _field(*path: str) -> Callable[[Any], str]:
    def value(body: Any) -> str:
        for name in path:
            body = getattr(body, name)
        return str(body)

    return value


_JOB = types_pb.SUBJECT_KIND_JOB, _field("job_id")
_COURIER = types_pb.SUBJECT_KIND_COURIER, _field("courier_id")
_REVIEW = types_pb.SUBJECT_KIND_REVIEW, _field("review_id")
_MARKET = types_pb.SUBJECT_KIND_MARKET, _sequence

_SUBJECTS: dict[str, tuple[Kind, Callable[[Any], str]]] = {
    "market_opened": _MARKET,
    "market_resumed": _MARKET,
    "event_skipped": _MARKET,
    "subject_quarantined": _MARKET,
    "data_accessed": _MARKET,
    "person_erased": _MARKET,
    "erasure_completed": _MARKET,
    "policy_set": (types_pb.SUBJECT_KIND_POLICY, _field("policy", "name")),
    "policy_announced": (types_pb.SUBJECT_KIND_POLICY, _field("policy", "name")),
    "zones_set": (types_pb.SUBJECT_KIND_ZONES, _sequence),
    "job_quoted": (types_pb.SUBJECT_KIND_JOB, _field("job", "job_id")),
    "job_placed": (types_pb.SUBJECT_KIND_JOB, _field("job", "job_id")),
    "job_queued": _JOB,
    "job_expired": _JOB,
    "job_cancelled": _JOB,
    "job_released": _JOB,
    "job_failed": _JOB,
    "courier_arrived": _JOB,
    "job_picked_up": _JOB,
    "job_completed": _JOB,
    "contact_lost": _COURIER,
    "contact_regained": _COURIER,
    "progress_flagged": (types_pb.SUBJECT_KIND_JOB, _field("flag", "job_id")),
    "courier_online": _COURIER,
    "courier_closing": _COURIER,
    "courier_offline": _COURIER,
    "courier_destination_set": _COURIER,
    "courier_clock_estimated": _COURIER,
    "queue_joined": (types_pb.SUBJECT_KIND_QUEUE_PLACE, _field("courier_id")),
    "queue_left": (types_pb.SUBJECT_KIND_QUEUE_PLACE, _field("courier_id")),
    "pair_blocked": (types_pb.SUBJECT_KIND_CLIENT, _field("client_id")),
    "round_settled": (types_pb.SUBJECT_KIND_ROUND, _sequence),
    "offer_made": (types_pb.SUBJECT_KIND_OFFER, _field("offer", "offer_id")),
    "offer_answered": (types_pb.SUBJECT_KIND_OFFER, _field("offer_id")),
    "surge_updated": (types_pb.SUBJECT_KIND_SURGE, _sequence),
    "nudge_sent": (types_pb.SUBJECT_KIND_NUDGE, _field("nudge", "courier_id")),
    "nudge_closed": (types_pb.SUBJECT_KIND_NUDGE, _field("courier_id")),
    "job_rated": (types_pb.SUBJECT_KIND_RATING, _field("rating", "job_id")),
    "rating_revised": (types_pb.SUBJECT_KIND_RATING, _field("rating", "job_id")),
    "tip_added": (types_pb.SUBJECT_KIND_RATING, _field("job", "job_id")),
    "period_settled": (types_pb.SUBJECT_KIND_PAY_PERIOD, _field("courier_id")),
    "standing_changed": (types_pb.SUBJECT_KIND_STANDING, _field("change", "person_id")),
    "review_opened": (types_pb.SUBJECT_KIND_REVIEW, _field("review", "review_id")),
    "review_decided": (types_pb.SUBJECT_KIND_REVIEW, _field("review", "review_id")),
    "review_statement_added": _REVIEW,
    "review_claimed": _REVIEW,
    "review_opinion_given": _REVIEW,
}
