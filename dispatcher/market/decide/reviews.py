"""The queue of reviews: opened by rules, by flags and by those who contest; claimed, decided with a reason, paid."""

from __future__ import annotations

from collections.abc import Iterable

from dispatcher.ids import keyed_hash, pack
from dispatcher.market.conflicts import parties
from dispatcher.market.decide.drafts import Drafts
from dispatcher.market.state import MarketState
from dispatcher.pricing.tariff import BASIS_POINTS
from dispatcher.times import span, timestamp
from gig.v1 import events_pb2 as events_pb
from gig.v1 import transparency_service_pb2 as transparency_pb


def open_review(
    state: MarketState, drafts: Drafts, now_us: int, review: transparency_pb.Review, named: Iterable[str] = ()
) -> transparency_pb.Review:
    """``review``: kind, subject, decision and statement; the rest is filled in. Returns it as it is on the log.

    ``named``: people whom the decision in question names.
    """
    event = drafts.add(
        review_opened=events_pb.ReviewOpened(review=review, party_ids=sorted(parties(state, review, named)))
    )
    opened: transparency_pb.Review = event.review_opened.review
    opened.review_id = drafts.new_id("review", event)
    opened.open_time.CopyFrom(timestamp(now_us))
    opened.answer_by_time.CopyFrom(timestamp(now_us + span(state.policy.reviews.answer_within)))
    opened.policy_version = state.policy.version
    drawn = _draw(state, event.sequence) < state.policy.reviews.second_opinion_basis_points
    opened.opinions_needed = 2 if drawn else 1
    return opened


def _draw(state: MarketState, sequence: int) -> int:
    """Draw a number below BASIS_POINTS by the market's secret: nobody chooses or foresees which reviews are checked."""
    data = keyed_hash(state.secret, pack(("second opinion", str(sequence))))
    return int.from_bytes(data, "big") % BASIS_POINTS
