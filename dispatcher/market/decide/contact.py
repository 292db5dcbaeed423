"""Phones that fall silent with a job aboard: note it, note their return, end the jobs when their time is up."""

from __future__ import annotations

from dispatcher import commands
from dispatcher.lost_contact import LostContact, lost_contact
from dispatcher.market.contact import LostJob, aboard, lost_jobs
from dispatcher.market.decide.drafts import Drafts
from dispatcher.market.decide.shift import end_shift, put_down_work
from dispatcher.market.lifecycle import Step, next_state
from dispatcher.market.moments import moment_text, span_text
from dispatcher.market.state import MarketState
from dispatcher.pay import ledger
from dispatcher.times import timestamp
from gig.v1 import events_pb2 as events_pb
from gig.v1 import job_pb2 as job_pb
from gig.v1 import types_pb2 as types_pb

REASON = "the courier's phone was silent"


def lose(state: MarketState, command: commands.LoseContact, now_us: int, drafts: Drafts) -> str:
    """Note the silence of a courier with a job aboard; nothing for others, and nothing a second time."""
    courier = state.courier(command.courier_id)
    job_ids = aboard(state, courier)
    if job_ids and not courier.HasField("silent_since"):
        drafts.add(
            contact_lost=events_pb.ContactLost(
                courier_id=courier.courier_id,
                last_heard_time=timestamp(min(command.last_heard_us, now_us)),
                job_ids=job_ids,
            )
        )
    return courier.courier_id


def regain(state: MarketState, command: commands.RegainContact, now_us: int, drafts: Drafts) -> str:  # noqa: ARG001
    """Note the return of a courier who was silent; nothing for others."""
    courier = state.courier(command.courier_id)
    if courier.HasField("silent_since"):
        drafts.add(contact_regained=events_pb.ContactRegained(courier_id=courier.courier_id))
    return courier.courier_id


def end_lost_jobs(state: MarketState, command: commands.EndLostJobs, now_us: int, drafts: Drafts) -> str:
    """End the jobs whose time is up, with fault, charge and pay by the policy. With the last one the shift ends too."""
    courier = state.courier(command.courier_id)
    if not courier.HasField("silent_since"):
        return courier.courier_id
    lost = list(lost_jobs(state, courier.courier_id))
    over = [one for one in lost if one.ends_us <= now_us]
    rule = lost_contact(state.policy)
    paid = types_pb.Postings()
    for one in over:
        event = drafts.add(job_failed=_failed(state, one, rule, now_us))
        event.job_failed.decision_id = drafts.new_id("lost contact", event)
        paid.legs.extend(event.job_failed.postings.legs)
    if over and len(over) == len(lost):
        put_down_work(state, courier, REASON, job_pb.FAULT_NOBODY, drafts)
        end_shift(state, courier.courier_id, REASON, paid, now_us, drafts)
    return courier.courier_id


def _failed(state: MarketState, lost: LostJob, rule: LostContact, now_us: int) -> events_pb.JobFailed:
    job = state.jobs[lost.job_id]
    next_state(job, Step.LOSE)
    shares = rule.fare_basis_points, rule.pay_basis_points
    return events_pb.JobFailed(
        job_id=lost.job_id,
        courier_id=lost.courier_id,
        reason=REASON,
        postings=ledger.lost_contact(job, lost.courier_id, *shares, state.policy.tax_basis_points),
        fault=rule.fault,
        fault_reason=(
            f"the courier's phone gave no sign of life since {moment_text(lost.silent_since_us)}, for "
            f"{span_text(now_us - lost.silent_since_us)}, with the job aboard"
        ),
        by=job_pb.ACTOR_RULE,
        policy_version=state.policy.version,
    )
