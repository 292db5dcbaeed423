"""A courier's commands: go online, answer an offer, report progress, go offline."""

from __future__ import annotations

from dispatcher import commands
from dispatcher.errors import InvalidField, NotFound, NotYours, WrongState
from dispatcher.market import learning, lifecycle
from dispatcher.market.contact import aboard
from dispatcher.market.decide.barred import check_barred
from dispatcher.market.decide.drafts import Drafts
from dispatcher.market.decide.flags import flag_progress
from dispatcher.market.decide.occurred import occurred
from dispatcher.market.decide.shift import end_shift, ends_shift, put_down_work
from dispatcher.market.decide.zone_queues import leave_zone_queues
from dispatcher.market.lifecycle import PROGRESS_STEPS, Step, next_state
from dispatcher.market.limits import check_at_most, longest_shift_us
from dispatcher.market.moments import moment_text
from dispatcher.market.state import MarketState
from dispatcher.messages import copied
from dispatcher.occurred import STEPS
from dispatcher.pay import floor, ledger
from dispatcher.pay.cancellation import consequence
from dispatcher.pricing.job_price import client_waits_from, waiting
from dispatcher.times import SECOND, duration, micros, span
from geo.units import to_e7
from gig.v1 import courier_service_pb2 as courier_pb
from gig.v1 import events_pb2 as events_pb
from gig.v1 import job_pb2 as job_pb
from gig.v1 import types_pb2 as types_pb

OFFLINE, FREE = courier_pb.COURIER_STATE_OFFLINE, courier_pb.COURIER_STATE_FREE


def go_online(state: MarketState, command: commands.GoOnline, now_us: int, drafts: Drafts) -> str:
    online = command.online
    check_barred(state.account(command.courier_id))
    courier = state.couriers.get(command.courier_id)
    if courier is not None and courier.state != OFFLINE:
        raise WrongState("ALREADY_ONLINE", "the courier is online already", courier_id=command.courier_id)
    if online.HasField("shift_end") and micros(online.shift_end) <= now_us:
        raise InvalidField("online.shift_end", "lies in the past", "PAST_SHIFT_END")
    if online.HasField("shift_end"):
        latest_us = now_us + longest_shift_us(state.policy)
        check_at_most("online.shift_end", micros(online.shift_end), latest_us, "SHIFT_TOO_LONG")
    profile = copied(online.profile)
    if not profile.HasField("capacity"):
        profile.capacity.CopyFrom(_usual_capacity(state, profile.vehicle_type))
    event = events_pb.CourierOnline(
        courier_id=command.courier_id,
        courier_number=state.numbers.get(command.courier_id, len(state.columns.ids)),
        profile=profile,
        latitude_e7=to_e7(online.position.latitude),
        longitude_e7=to_e7(online.position.longitude),
    )
    if online.HasField("shift_end"):
        event.shift_end.CopyFrom(online.shift_end)
    if online.HasField("destination"):
        event.destination.CopyFrom(online.destination)
    event.may_reorder = online.may_reorder
    drafts.add(courier_online=event)
    return command.courier_id


def _usual_capacity(state: MarketState, vehicle: types_pb.VehicleType) -> types_pb.Load:
    """What the policy gives this type of vehicle."""
    for row in state.policy.capacities:
        if row.vehicle_type == vehicle:
            usual: types_pb.Load = row.capacity
            return usual
    raise InvalidField("online.profile.capacity", "the policy has no usual capacity for this vehicle: state it")


def go_offline(state: MarketState, command: commands.GoOffline, now_us: int, drafts: Drafts) -> str:
    courier = _online(state, command.courier_id)
    if courier.closing:
        raise WrongState("ALREADY_CLOSING", "the shift ends with the jobs on board", job_id=courier.job_ids[0])
    put_down_work(state, courier, "the courier went offline", command.fault, drafts)
    if aboard(state, courier):
        drafts.add(courier_closing=events_pb.CourierClosing(courier_id=courier.courier_id, reason=command.reason))
        return courier.courier_id
    end_shift(state, courier.courier_id, command.reason, None, now_us, drafts)
    return courier.courier_id


def set_destination(state: MarketState, command: commands.SetDestination, now_us: int, drafts: Drafts) -> str:  # noqa: ARG001
    """Only jobs that end nearer to the destination are offered from now on; what is offered already stays."""
    courier = _online(state, command.courier_id)
    drafts.add(
        courier_destination_set=events_pb.CourierDestinationSet(
            courier_id=courier.courier_id, destination=command.destination
        )
    )
    return courier.courier_id


def note_clock(state: MarketState, command: commands.NoteClock, now_us: int, drafts: Drafts) -> str:  # noqa: ARG001
    """Keep how far the clock of the courier's device is off: the times that the device reports are corrected by it."""
    courier = state.courier(command.courier_id)
    drafts.add(
        courier_clock_estimated=events_pb.CourierClockEstimated(
            courier_id=courier.courier_id, offset=duration(command.offset_us)
        )
    )
    return courier.courier_id


def answer_offer(state: MarketState, command: commands.AnswerOffer, now_us: int, drafts: Drafts) -> str:
    answer = command.answer
    offer = state.offers.get(answer.offer_id)
    if offer is None:
        raise _why_closed(state, answer.offer_id, command.courier_id)
    if offer.courier_id != command.courier_id:
        raise NotYours("NOT_YOUR_OFFER", "the offer was made to another courier", offer_id=answer.offer_id)
    if now_us >= micros(offer.expire_time):
        raise WrongState("OFFER_TIMED_OUT", "the time to answer this offer is over", offer_id=answer.offer_id)
    accepted = answer.answer == courier_pb.ANSWER_ACCEPT
    answered = drafts.add().offer_answered
    answered.offer_id, answered.courier_id, answered.reason = offer.offer_id, offer.courier_id, answer.reason
    answered.job_ids.extend([offered.job_id for offered in offer.jobs])
    answered.outcome = courier_pb.OFFER_OUTCOME_ACCEPTED if accepted else courier_pb.OFFER_OUTCOME_DECLINED
    if accepted:
        leave_zone_queues(state, command.courier_id, "took a job", drafts)
    return offer.offer_id


def _why_closed(state: MarketState, offer_id: str, courier_id: str) -> Exception:
    """What became of an offer that is no longer open, for the courier who answers too late."""
    closed = state.closed_offers.get(offer_id)
    if closed is None:
        return NotFound("offer", offer_id)
    if closed.courier_id != courier_id:
        return NotYours("NOT_YOUR_OFFER", "the offer was made to another courier", offer_id=offer_id)
    outcome = courier_pb.OfferOutcome.Name(closed.outcome).removeprefix("OFFER_OUTCOME_")
    texts = {
        "ACCEPTED": "the offer is accepted already; the job is yours",
        "DECLINED": "you have declined this offer",
        "TIMED_OUT": "the time to answer this offer is over",
        "WITHDRAWN": "the offer was withdrawn: the client cancelled, the shift ended, or a better courier was found",
    }
    return WrongState(f"OFFER_{outcome}", texts[outcome], offer_id=offer_id, outcome=outcome)


def report_progress(state: MarketState, command: commands.ReportProgress, now_us: int, drafts: Drafts) -> str:
    progress = command.progress
    job = state.job(progress.job_id)
    if job.courier_id != command.courier_id or job.state not in lifecycle.HELD:
        if job.courier_id == command.courier_id and job.state in lifecycle.TERMINAL:
            raise _job_ended(job)
        raise NotYours("NOT_YOUR_JOB", f"job {job.job_id!r} is not in this courier's hands", job_id=job.job_id)
    when = occurred(state, job, command, now_us)
    at_us = now_us if when is None else micros(when.time)
    _advance(state, job, progress, at_us, drafts)
    courier = state.courier(command.courier_id)
    last = drafts.events[-1]
    if ends_shift(courier) and last.WhichOneof("body") in ("job_completed", "job_failed", "job_cancelled"):
        postings = getattr(last, last.WhichOneof("body")).postings
        end_shift(state, courier.courier_id, "closed after the job", postings, at_us, drafts)
    elif courier.HasField("silent_since"):
        drafts.add(contact_regained=events_pb.ContactRegained(courier_id=courier.courier_id))
    flag_progress(state, command, at_us, now_us, drafts)
    if when is not None:
        for event in drafts.events:
            if (body := event.WhichOneof("body")) in STEPS:
                getattr(event, body).occurred.CopyFrom(when)
    return job.job_id


def _job_ended(job: job_pb.Job) -> WrongState:
    """Refuse a report on a job that has ended, and say what a courier can do whose work was ended by the rule on lost
    contact."""
    name = lifecycle.state_name(job.state)
    text = f"job {job.job_id!r} is {name}"
    if job.state == lifecycle.FAILED and job.ended_by == job_pb.ACTOR_RULE:
        text += (
            f": the market ended it at {moment_text(micros(job.end_time))} because the phone gave no sign of life. "
            "If you did the work, call ContestDecision with the decision of the notice; a human then decides"
        )
    return WrongState("JOB_ENDED", text, job_id=job.job_id, state=name)


def _advance(state: MarketState, job: job_pb.Job, progress: courier_pb.Progress, at_us: int, drafts: Drafts) -> None:
    """Draft the step's event. ``at_us``: when the step happened, which waiting, floors and fault are counted by."""
    step = PROGRESS_STEPS.get(progress.step)
    if step is None:
        _give_up(job, progress.reason, drafts)
        return
    next_state(job, step)
    if step is Step.ARRIVE:
        drafts.add(courier_arrived=events_pb.CourierArrived(job_id=job.job_id, courier_id=job.courier_id))
    elif step is Step.PICK_UP:
        _fill_picked_up(drafts.add().job_picked_up, state, job, at_us)
    elif step is Step.NO_SHOW:
        cancelled = drafts.add(job_cancelled=_no_show(state, job, progress.reason, at_us))
        cancelled.job_cancelled.decision_id = drafts.new_id("cancellation", cancelled)
    else:
        completed = drafts.add().job_completed
        completed.job_id, completed.courier_id = job.job_id, job.courier_id
        completed.trip_use = learning.use_of(state, job, at_us)
        top_up = _job_floor(state, job, at_us)
        if top_up is not None:
            completed.top_up.CopyFrom(top_up)
        ledger.fill_completion(completed.postings, job, job.courier_id, state.policy.tax_basis_points, top_up)


def _fill_picked_up(event: events_pb.JobPickedUp, state: MarketState, job: job_pb.Job, at_us: int) -> None:
    """With what waiting at the pickup costs the client, and brings the courier."""
    event.job_id, event.courier_id = job.job_id, job.courier_id
    if job.HasField("arrive_time"):
        fare, pay = state.fares.get(job.spec.kind), state.pays.get(job.spec.kind)
        charged = waiting(fare, client_waits_from(job), at_us)
        paid = waiting(pay, micros(job.arrive_time), at_us)
        if charged is not None:
            event.fare_waiting.CopyFrom(charged)
        if paid is not None:
            event.pay_waiting.CopyFrom(paid)


def _no_show(state: MarketState, job: job_pb.Job, reason: str, at_us: int) -> events_pb.JobCancelled:
    """The courier has waited long enough for a client who did not come."""
    policy = state.policy.jobs
    if not policy.HasField("no_show_after"):
        raise WrongState(
            "NO_SHOW_UNKNOWN", "this market has no wait after which a courier may leave", job_id=job.job_id
        )
    left_us = client_waits_from(job) + span(policy.no_show_after) - at_us
    if left_us > 0:
        raise WrongState("TOO_EARLY", f"wait {left_us // SECOND + 1} s more for the client", job_id=job.job_id)
    waited = (at_us - client_waits_from(job)) // SECOND
    row = consequence(state.policy.cancellations, job, job_pb.ACTOR_COURIER, job_pb.FAULT_CLIENT)
    return events_pb.JobCancelled(
        job_id=job.job_id,
        by=job_pb.ACTOR_COURIER,
        reason=reason or "the client did not come",
        postings=ledger.cancellation(job, row),
        fault=job_pb.FAULT_CLIENT,
        fault_reason=f"the courier waited {waited} s at the pickup, and the client did not come",
        courier_id=job.courier_id,
        policy_version=state.policy.version,
    )


def _job_floor(state: MarketState, job: job_pb.Job, at_us: int) -> types_pb.PriceLine | None:
    rule = next((row for row in state.policy.floor.per_job if row.kind == job.spec.kind), None)
    if rule is None:
        return None
    return floor.job(rule, job.trip_distance_metres, at_us - micros(job.pickup_time), job.pay.total.minor_units)


def _give_up(job: job_pb.Job, reason: str, drafts: Drafts) -> None:
    """Before the pickup the job goes back to the queue; with the job on board it ends as failed."""
    if job.state == lifecycle.PICKED_UP:
        postings = ledger.failure_after_pickup(job, job.courier_id)
        drafts.add(
            job_failed=events_pb.JobFailed(
                job_id=job.job_id,
                courier_id=job.courier_id,
                reason=reason,
                postings=postings,
                fault=job_pb.FAULT_NOBODY,
                fault_reason="the courier could not bring the job to its end",
            )
        )
    else:
        drafts.add(
            job_released=events_pb.JobReleased(
                job_id=job.job_id,
                courier_id=job.courier_id,
                reason=reason or "the courier gave the job up",
                fault=job_pb.FAULT_COURIER,
                fault_reason="the courier gave the job up after accepting it",
            )
        )


def _online(state: MarketState, courier_id: str) -> courier_pb.Courier:
    courier = state.courier(courier_id)
    if courier.state == OFFLINE:
        raise WrongState("COURIER_OFFLINE", "the courier is offline", courier_id=courier_id)
    return courier
