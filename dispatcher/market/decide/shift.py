"""The end of a shift: by the courier, by a rule of the policy, or with the last job aboard."""

from __future__ import annotations

from dispatcher.market import lifecycle
from dispatcher.market.decide.drafts import Drafts
from dispatcher.market.decide.zone_queues import leave_zone_queues
from dispatcher.market.state import MarketState
from dispatcher.pay import floor, ledger
from dispatcher.times import micros
from gig.v1 import courier_service_pb2 as courier_pb
from gig.v1 import events_pb2 as events_pb
from gig.v1 import job_pb2 as job_pb
from gig.v1 import types_pb2 as types_pb

_OFFLINE_WITH_A_JOB = {
    job_pb.FAULT_COURIER: "the courier went offline with the job accepted",
    job_pb.FAULT_NOBODY: "the courier was not heard of any more",
    job_pb.FAULT_PLATFORM: "the courier's account was restricted or ended with the job accepted",
}


def put_down_work(
    state: MarketState, courier: courier_pb.Courier, reason: str, fault: job_pb.Fault, drafts: Drafts
) -> None:
    """Withdraw the courier's offer, release the jobs that are not aboard, and leave the queue zones."""
    if courier.offer_id:
        offer = state.offers[courier.offer_id]
        drafts.add(
            offer_answered=events_pb.OfferAnswered(
                offer_id=offer.offer_id,
                job_ids=[offered.job_id for offered in offer.jobs],
                courier_id=offer.courier_id,
                outcome=courier_pb.OFFER_OUTCOME_WITHDRAWN,
                reason=reason,
            )
        )
    for job_id in courier.job_ids:
        if state.jobs[job_id].state != lifecycle.PICKED_UP:
            drafts.add(
                job_released=events_pb.JobReleased(
                    job_id=job_id,
                    courier_id=courier.courier_id,
                    reason=reason,
                    fault=fault,
                    fault_reason=_OFFLINE_WITH_A_JOB[fault],
                )
            )
    leave_zone_queues(state, courier.courier_id, "went offline", drafts)


def ends_shift(courier: courier_pb.Courier) -> bool:
    """Return whether the shift ends with the one job that the courier still has."""
    return courier.closing and len(courier.job_ids) == 1


def end_shift(
    state: MarketState,
    courier_id: str,
    reason: str,
    last_pay: types_pb.Postings | None,
    now_us: int,
    drafts: Drafts,
) -> None:
    """Take the courier offline, and top the pay of the shift up to the guaranteed floor.

    ``last_pay``: postings of jobs that end in the same moment; ``now_us``: market time in microseconds.
    """
    courier = state.courier(courier_id)
    earned = courier.shift_pay_minor_units
    if last_pay is not None:
        earned += ledger.courier_amount(last_pay, courier_id)
    until = min(now_us, micros(courier.shift_end)) if courier.HasField("shift_end") else now_us
    online_us = max(until - micros(courier.online_time), 0)
    line = floor.online_hour(state.policy.floor.per_online_hour, online_us, earned)
    postings = ledger.top_up(courier_id, state.policy.currency_code, line)
    drafts.add(
        courier_offline=events_pb.CourierOffline(courier_id=courier_id, reason=reason, top_up=line, postings=postings)
    )
