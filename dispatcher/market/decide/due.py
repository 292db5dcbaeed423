"""What falls due: offers time out, quotes and waits expire, scheduled jobs join the queue."""

from __future__ import annotations

from dispatcher import commands
from dispatcher.market import lifecycle
from dispatcher.market.decide.drafts import Drafts
from dispatcher.market.state import Due, MarketState
from gig.v1 import courier_service_pb2 as courier_pb
from gig.v1 import events_pb2 as events_pb


def check(state: MarketState, command: commands.CheckDue, now_us: int, drafts: Drafts) -> str:  # noqa: ARG001
    """One event for each thing that is due and still in the state that its deadline speaks of."""
    for _, kind, name in state.due_by(now_us):
        if kind is Due.OFFER:
            offer = state.offers[name]
            drafts.add(
                offer_answered=events_pb.OfferAnswered(
                    offer_id=name,
                    job_ids=[offered.job_id for offered in offer.jobs],
                    courier_id=offer.courier_id,
                    outcome=courier_pb.OFFER_OUTCOME_TIMED_OUT,
                    reason="no answer in time",
                )
            )
        elif kind is Due.QUEUE:
            drafts.add(job_queued=events_pb.JobQueued(job_id=name))
        else:
            taken = state.jobs[name].state != lifecycle.QUOTED
            reason = "nobody was found in time" if taken else "the quote was not taken"
            drafts.add(job_expired=events_pb.JobExpired(job_id=name, reason=reason))
    return ""
