"""Standing: rules note an account for watching or ask a human; a named human alone restricts or ends."""

from __future__ import annotations

from dispatcher import commands
from dispatcher.market.decide import couriers
from dispatcher.market.decide.drafts import Drafts
from dispatcher.market.decide.reviews import open_review
from dispatcher.market.standing_rules import rule_sentence
from dispatcher.market.state import MarketState
from dispatcher.times import span, timestamp
from gig.v1 import courier_service_pb2 as courier_pb
from gig.v1 import events_pb2 as events_pb
from gig.v1 import job_pb2 as job_pb
from gig.v1 import policy_pb2 as policy_pb
from gig.v1 import rating_service_pb2 as rating_pb
from gig.v1 import transparency_service_pb2 as transparency_pb


def rule_decides(state: MarketState, person_id: str, now_us: int, drafts: Drafts) -> None:
    """What a rule found becomes its decision: noted for watching, or a question to a human; never more."""
    change = state.found[person_id]
    decision_id = _change(state, change, now_us, drafts)
    if change.after == policy_pb.STANDING_LEVEL_UNDER_REVIEW:
        open_review(
            state,
            drafts,
            now_us,
            transparency_pb.Review(
                kind=transparency_pb.REVIEW_KIND_STANDING,
                subject_id=person_id,
                decision_id=decision_id,
                decision_kind=transparency_pb.DECISION_KIND_STANDING,
                statement=rule_sentence(change),
            ),
        )


def human_decides(state: MarketState, change: rating_pb.StandingChange, now_us: int, drafts: Drafts) -> str:
    """A named human's decision, and what follows at once: who is restricted or ended takes no more jobs."""
    decision_id = _change(state, change, now_us, drafts)
    courier = state.couriers.get(change.person_id)
    barred = change.after in (policy_pb.STANDING_LEVEL_RESTRICTED, policy_pb.STANDING_LEVEL_ENDED)
    if barred and courier is not None and courier.state != courier_pb.COURIER_STATE_OFFLINE and not courier.closing:
        reason = "the account was restricted or ended by a human"
        leave = commands.GoOffline(courier_id=change.person_id, reason=reason, fault=job_pb.FAULT_PLATFORM)
        couriers.go_offline(state, leave, now_us, drafts)
    return decision_id


def _change(state: MarketState, change: rating_pb.StandingChange, now_us: int, drafts: Drafts) -> str:
    event = drafts.add(standing_changed=events_pb.StandingChanged(change=change))
    event.standing_changed.decision_id = drafts.new_id("standing", event)
    until = timestamp(now_us + span(state.policy.standing.contest_within))
    event.standing_changed.contest_by_time.CopyFrom(until)
    return str(event.standing_changed.decision_id)
