"""What falls due: offers time out, quotes and waits expire, scheduled jobs join the queue, pay periods end, rules look
at accounts, announced policies come into force."""

from __future__ import annotations

from collections.abc import Callable

from dispatcher import commands
from dispatcher.complete import complete
from dispatcher.market import lifecycle
from dispatcher.market.decide import rules
from dispatcher.market.decide.drafts import Drafts
from dispatcher.market.decide.standing import rule_decides
from dispatcher.market.state import Due, MarketState
from dispatcher.pay import floor, ledger
from dispatcher.times import duration, timestamp
from gig.v1 import courier_service_pb2 as courier_pb
from gig.v1 import events_pb2 as events_pb


def check(state: MarketState, command: commands.CheckDue, now_us: int, drafts: Drafts) -> str:
    """One event for each thing that is due and still in the state that its deadline speaks of."""
    for _, kind, name in state.due_by(now_us, command.skip):
        _DECIDE[kind](state, name, now_us, drafts)
    return ""


def _offer_times_out(state: MarketState, offer_id: str, _now_us: int, drafts: Drafts) -> None:
    offer = state.offers[offer_id]
    drafts.add(
        offer_answered=events_pb.OfferAnswered(
            offer_id=offer_id,
            job_ids=[offered.job_id for offered in offer.jobs],
            courier_id=offer.courier_id,
            outcome=courier_pb.OFFER_OUTCOME_TIMED_OUT,
            reason="no answer in time",
        )
    )


def _job_queues(_state: MarketState, job_id: str, _now_us: int, drafts: Drafts) -> None:
    drafts.add(job_queued=events_pb.JobQueued(job_id=job_id))


def _job_expires(state: MarketState, job_id: str, _now_us: int, drafts: Drafts) -> None:
    taken = state.jobs[job_id].state != lifecycle.QUOTED
    reason = "nobody was found in time" if taken else "the quote was not taken"
    drafts.add(job_expired=events_pb.JobExpired(job_id=job_id, reason=reason))


def _period_ends(state: MarketState, courier_id: str, now_us: int, drafts: Drafts) -> None:
    drafts.add(period_settled=_settled(state, courier_id, now_us))


def _policy_comes_into_force(state: MarketState, _name: str, _now_us: int, drafts: Drafts) -> None:
    announced = state.announced
    assert announced is not None, "the entry is current"
    rules.enforce(state, announced.policy, announced.operator_id, drafts)


_DECIDE: dict[Due, Callable[[MarketState, str, int, Drafts], None]] = complete(
    {
        Due.OFFER: _offer_times_out,
        Due.QUEUE: _job_queues,
        Due.QUOTE: _job_expires,
        Due.WAIT: _job_expires,
        Due.PERIOD: _period_ends,
        Due.STANDING: rule_decides,
        Due.POLICY: _policy_comes_into_force,
    },
    Due,
    "decisions about what is due",
)


def entry_of(event: events_pb.Event) -> tuple[frozenset[Due], str] | None:
    """The entry that an event of ``check`` answers: the kinds that it may be of, and its name."""
    match event.WhichOneof("body"):
        case "offer_answered":
            return frozenset({Due.OFFER}), event.offer_answered.offer_id
        case "job_queued":
            return frozenset({Due.QUEUE}), event.job_queued.job_id
        case "job_expired":
            return frozenset({Due.QUOTE, Due.WAIT}), event.job_expired.job_id
        case "period_settled":
            return frozenset({Due.PERIOD}), event.period_settled.courier_id
        case "standing_changed":
            return frozenset({Due.STANDING}), event.standing_changed.change.person_id
        case "review_opened":
            return frozenset({Due.STANDING}), event.review_opened.review.subject_id
        case "policy_set":
            return frozenset({Due.POLICY}), "announced"
    return None


def _settled(state: MarketState, courier_id: str, now_us: int) -> events_pb.PeriodSettled:
    """The pay period, up to this very moment: the next one begins here."""
    clock, courier = state.clocks[courier_id], state.couriers[courier_id]
    engaged_us = clock.engaged_until(courier.state, now_us)
    line = floor.engaged(state.policy.floor.engaged, engaged_us, clock.engaged_metres, clock.earned)
    return events_pb.PeriodSettled(
        courier_id=courier_id,
        start_time=timestamp(clock.period_us),
        end_time=timestamp(now_us),
        engaged=duration(engaged_us),
        engaged_metres=clock.engaged_metres,
        earned_minor_units=clock.earned,
        top_up=line,
        postings=ledger.top_up(courier_id, state.policy.currency_code, line),
    )
