"""The end of a shift, whoever ends it."""

from __future__ import annotations

from dispatcher.market.decide.drafts import Drafts
from dispatcher.market.state import MarketState
from dispatcher.pay import floor, ledger
from dispatcher.times import micros
from gig.v1 import courier_service_pb2 as courier_pb
from gig.v1 import events_pb2 as events_pb
from gig.v1 import types_pb2 as types_pb


def ends_shift(courier: courier_pb.Courier) -> bool:
    """Whether the end of the one job in hand ends the shift too."""
    return courier.closing and len(courier.job_ids) == 1


def end_shift(
    state: MarketState,
    courier_id: str,
    reason: str,
    last_pay: types_pb.Postings | None,
    now_us: int,
    drafts: Drafts,
) -> None:
    """The courier goes offline; what the shift lacks to the guaranteed floor is topped up."""
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
