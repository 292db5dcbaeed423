"""Skipped events, and the subjects that leave the market with them. Nothing here may fail, in any state."""

from __future__ import annotations

from collections.abc import Callable

from dispatcher.complete import complete, numbers_of
from dispatcher.market import lifecycle, plans
from dispatcher.market.apply.records import end_job, enqueue, refresh, replan
from dispatcher.market.state import ClosedOffer, MarketState
from gig.v1 import courier_service_pb2 as courier_pb
from gig.v1 import events_pb2 as events_pb
from gig.v1 import job_pb2 as job_pb
from gig.v1 import snapshot_pb2 as snapshot_pb
from gig.v1 import types_pb2 as types_pb

Event = events_pb.Event
_WITHOUT_JOB = (courier_pb.COURIER_STATE_FREE, courier_pb.COURIER_STATE_OFFERED)


def event_skipped(state: MarketState, event: Event) -> None:
    """Do nothing: the event that stood here cannot be applied."""


def subject_quarantined(state: MarketState, event: Event) -> None:
    body = event.subject_quarantined
    # Couriers whose jobs or offers change, in order.
    couriers: dict[str, None] = {}
    for one in body.jobs:
        _withdraw(state, one, couriers)
    for one in body.jobs:
        _move_job(state, event, one)
    if body.kind == types_pb.SUBJECT_KIND_COURIER:
        couriers[body.subject_id] = None
    for courier_id in couriers:
        _tidy_courier(state, event, courier_id, offline=body.kind == types_pb.SUBJECT_KIND_COURIER)
    _remove(state, body)
    key = body.kind, body.subject_id
    before = state.quarantined.pop(key, None)
    kept = snapshot_pb.QuarantinedSubject(quarantine=body, time=event.time, sequence=event.sequence)
    if before is not None:
        sequences = {*before.quarantine.skipped_sequences, *body.skipped_sequences}
        kept.quarantine.skipped_sequences[:] = sorted(sequences)
    state.quarantined[key] = kept


def release(state: MarketState, kind: types_pb.SubjectKind, subject_id: str | None = None) -> None:
    """Let a subject take part again: remove it from the list. ``subject_id`` None: all subjects of the kind."""
    for key in [key for key in state.quarantined if key[0] == kind and subject_id in (None, key[1])]:
        del state.quarantined[key]


def _withdraw(state: MarketState, one: events_pb.QuarantinedJob, couriers: dict[str, None]) -> None:
    """Take the job from its courier and out of its open offer."""
    offer = state.offers.pop(one.offer_id, None)
    if offer is not None:
        outcome = courier_pb.OFFER_OUTCOME_WITHDRAWN
        jobs = tuple(offered.job_id for offered in offer.jobs)
        state.closed_offers[one.offer_id] = ClosedOffer(offer.courier_id, outcome, state.time_us, jobs)
    for courier_id in dict.fromkeys((one.courier_id, offer.courier_id if offer is not None else "")):
        courier = state.couriers.get(courier_id)
        if courier is None:
            continue
        couriers[courier_id] = None
        if courier.offer_id == one.offer_id:
            courier.offer_id = ""
        if one.job_id in courier.job_ids:
            courier.job_ids.remove(one.job_id)


def _move_job(state: MarketState, event: Event, one: events_pb.QuarantinedJob) -> None:
    job = state.jobs.get(one.job_id)
    if job is None or job.state in lifecycle.TERMINAL:
        state.queue.pop(one.job_id, None)
        state.exclusions.pop(one.job_id, None)
        return
    if one.ended:
        reason = f"quarantined: {event.subject_quarantined.reason}"
        end_job(state, event, one.job_id, lifecycle.CANCELLED, job_pb.ACTOR_OPERATOR, reason)
    else:
        job.sequence = event.sequence
        enqueue(state, job, event)


def _tidy_courier(state: MarketState, event: Event, courier_id: str, *, offline: bool) -> None:
    """Bring the courier's plan, columns and clocks in line with the jobs left; ``offline``: end the shift."""
    courier = state.couriers.get(courier_id)
    if courier is None:
        return
    if offline:
        del courier.job_ids[:]
        courier.offer_id, courier.closing = "", False
    kept = [job_id for job_id in courier.job_ids if job_id in state.jobs]
    courier.job_ids[:] = kept
    plans.drop_what_is_done(state, courier)
    replan(state, courier)
    online = courier.state != courier_pb.COURIER_STATE_OFFLINE
    if offline and online:
        courier.ClearField("free_time")
        state.clocks[courier_id].advance(courier.state, state.time_us)
        courier.state = courier_pb.COURIER_STATE_OFFLINE
    elif online and not kept and courier.state not in _WITHOUT_JOB:
        courier.free_time.CopyFrom(event.time)
    refresh(state, courier)


def _remove(state: MarketState, body: events_pb.SubjectQuarantined) -> None:
    for remove in _REMOVE.get(body.kind, ()):
        remove(state, body.subject_id)


def _leave_queue(state: MarketState, courier_id: str) -> None:
    zone = state.queue_zone_of.pop(courier_id, None)
    if zone is not None:
        state.zone_queues[zone].leave(courier_id, state.time_us)


def _drop_nudge(state: MarketState, courier_id: str) -> None:
    state.nudges.pop(courier_id, None)


def _drop_review(state: MarketState, review_id: str) -> None:
    state.reviews.pop(review_id, None)
    state.parties.pop(review_id, None)


def _drop_finding(state: MarketState, person_id: str) -> None:
    state.found.pop(person_id, None)


def _drop_announced_policy(state: MarketState, _name: str) -> None:
    """Otherwise it would come into force, and fail again."""
    state.announced = None


# What a subject leaves beside the jobs and offers that the event lists.
_REMOVE: dict[int, tuple[Callable[[MarketState, str], None], ...]] = complete(
    {
        types_pb.SUBJECT_KIND_COURIER: (_leave_queue, _drop_nudge),
        types_pb.SUBJECT_KIND_QUEUE_PLACE: (_leave_queue,),
        types_pb.SUBJECT_KIND_NUDGE: (_drop_nudge,),
        types_pb.SUBJECT_KIND_REVIEW: (_drop_review,),
        types_pb.SUBJECT_KIND_STANDING: (_drop_finding,),
        types_pb.SUBJECT_KIND_POLICY: (_drop_announced_policy,),
    },
    numbers_of(types_pb.SubjectKind),
    "functions that remove a quarantined subject",
    without={
        types_pb.SUBJECT_KIND_JOB,
        types_pb.SUBJECT_KIND_OFFER,
        types_pb.SUBJECT_KIND_ROUND,
        types_pb.SUBJECT_KIND_RATING,
        types_pb.SUBJECT_KIND_PAY_PERIOD,
        types_pb.SUBJECT_KIND_SURGE,
        types_pb.SUBJECT_KIND_ZONES,
        types_pb.SUBJECT_KIND_CLIENT,
        types_pb.SUBJECT_KIND_MARKET,
    },
)
