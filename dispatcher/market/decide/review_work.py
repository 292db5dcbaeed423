"""A reviewer's commands: claim a review, and decide it; and what follows from a decision."""

from __future__ import annotations

from collections import Counter

from dispatcher import commands
from dispatcher.deciders import deciders, set_deciders
from dispatcher.errors import InvalidField, NotFound, NotYours, WrongState
from dispatcher.market.accounts import level_of
from dispatcher.market.conflicts import is_party
from dispatcher.market.decide.drafts import Drafts
from dispatcher.market.decide.standing import human_decides
from dispatcher.market.opinions import opinions_needed
from dispatcher.market.state import MarketState
from dispatcher.messages import copied
from dispatcher.pay import ledger
from dispatcher.times import SECOND, duration, micros, span, timestamp
from gig.v1 import events_pb2 as events_pb
from gig.v1 import job_pb2 as job_pb
from gig.v1 import policy_pb2 as policy_pb
from gig.v1 import rating_service_pb2 as rating_pb
from gig.v1 import transparency_service_pb2 as pb
from gig.v1 import types_pb2 as types_pb

UPHELD, OVERTURNED = pb.REVIEW_OUTCOME_UPHELD, pb.REVIEW_OUTCOME_OVERTURNED
GOOD, UNSPECIFIED = policy_pb.STANDING_LEVEL_GOOD, policy_pb.STANDING_LEVEL_UNSPECIFIED
# What a human may make of an account where a concern is upheld.
SANCTIONS = (
    policy_pb.STANDING_LEVEL_WATCH,
    policy_pb.STANDING_LEVEL_RESTRICTED,
    policy_pb.STANDING_LEVEL_ENDED,
)


def claim(state: MarketState, command: commands.ClaimReview, now_us: int, drafts: Drafts) -> str:
    for held in state.reviews.values():
        if _holds(held, command.reviewer_id, now_us) and held.review_id != command.review_id:
            raise WrongState("CLAIMS_ANOTHER", f"decide {held.review_id!r} first", review_id=held.review_id)
    if command.review_id:
        review = _open(state, command.review_id)
        fault = _why_not(state, review, command, now_us)
        if fault is not None:
            raise fault
    else:
        queue = sorted(state.reviews.values(), key=lambda kept: micros(kept.answer_by_time))
        fit = (kept for kept in queue if _why_not(state, kept, command, now_us) is None)
        found = next(fit, None)
        if found is None:
            raise NotFound("review", "that waits for this reviewer")
        review = found
    drafts.add(
        review_claimed=events_pb.ReviewClaimed(
            review_id=review.review_id,
            reviewer_id=command.reviewer_id,
            expire_time=timestamp(now_us + span(state.policy.reviews.claim_limit)),
        )
    )
    return str(review.review_id)


def decide(state: MarketState, command: commands.DecideReview, now_us: int, drafts: Drafts) -> str:
    """One opinion, paid by the piece; with enough that agree, the review's end and what follows from it."""
    review = _open(state, command.review_id)
    if not _holds(review, command.reviewer_id, now_us):
        raise WrongState(
            "NOT_CLAIMED", "claim the review first; a claim lapses after a while", review_id=review.review_id
        )
    fault = _why_not(state, review, command, now_us)
    if fault is not None:
        raise fault
    _check(state, review, command)
    opinion = pb.ReviewOpinion(
        reviewer_id=command.reviewer_id,
        outcome=command.outcome,
        reason=command.reason,
        level=_level(review, command),
        time_spent=duration(now_us - micros(review.claim_time)),
        time=timestamp(now_us),
        compensation_minor_units=command.compensation_minor_units,
    )
    piece = ledger.piece(
        command.reviewer_id,
        state.policy.currency_code,
        state.policy.reviews.piece_minor_units,
        f"review {review.review_id}",
    )
    drafts.add(
        review_opinion_given=events_pb.ReviewOpinionGiven(review_id=review.review_id, opinion=opinion, postings=piece)
    )
    opinions = [*review.opinions, opinion]
    if len(opinions) >= opinions_needed(review.opinions_needed, opinions):
        _end(state, review, opinions, now_us, drafts)
    return str(review.review_id)


def _open(state: MarketState, review_id: str) -> pb.Review:
    review = state.reviews.get(review_id)
    if review is None:
        raise NotFound("open review", review_id)
    return review


def _holds(review: pb.Review, reviewer_id: str, now_us: int) -> bool:
    return review.claimed_by == reviewer_id and now_us < micros(review.claim_expire_time)


def _why_not(
    state: MarketState, review: pb.Review, command: commands.ClaimReview | commands.DecideReview, now_us: int
) -> WrongState | NotYours | None:
    """Why this reviewer may not have this review: nobody judges their own case, nor twice."""
    reviewer_id = command.reviewer_id
    if reviewer_id == review.subject_id:
        return NotYours("OWN_CASE", "nobody decides a review about themselves", review_id=review.review_id)
    if any(opinion.reviewer_id == reviewer_id for opinion in review.opinions):
        return WrongState("DECIDED_BEFORE", "this reviewer has given their opinion", review_id=review.review_id)
    if reviewer_id in deciders(review):
        return NotYours("OWN_DECISION", "nobody reviews their own decision", review_id=review.review_id)
    if review.review_id in command.part_of or is_party(state, review, reviewer_id):
        text = "nobody decides a review about a job or a rating that they were part of"
        return NotYours("PARTY", text, review_id=review.review_id)
    if review.claimed_by and review.claimed_by != reviewer_id and now_us < micros(review.claim_expire_time):
        return WrongState("CLAIMED", "another reviewer has claimed it", review_id=review.review_id)
    return None


def _check(state: MarketState, review: pb.Review, command: commands.DecideReview) -> None:
    limit = state.policy.reviews.compensation_limit_minor_units
    if not command.reason.strip():
        raise InvalidField("reason", "a decision needs its reason in writing")
    if command.compensation_minor_units and command.outcome != OVERTURNED:
        raise InvalidField("compensation_minor_units", "only a decision that is overturned is made good")
    if command.compensation_minor_units > limit:
        raise InvalidField("compensation_minor_units", f"a reviewer awards up to {limit}")
    if review.kind != pb.REVIEW_KIND_STANDING:
        if command.level != UNSPECIFIED:
            raise InvalidField("level", "only a review of standing sets one")
    elif command.outcome == UPHELD and command.level not in SANCTIONS:
        raise InvalidField("level", "say what the account becomes: watch, restricted or ended")
    elif command.outcome == OVERTURNED and command.level not in (UNSPECIFIED, GOOD):
        raise InvalidField("level", "an account whose concern is overturned is in good standing")


def _level(review: pb.Review, command: commands.DecideReview) -> policy_pb.StandingLevel:
    if review.kind != pb.REVIEW_KIND_STANDING:
        return UNSPECIFIED
    return command.level if command.outcome == UPHELD else GOOD


def _end(state: MarketState, review: pb.Review, opinions: list[pb.ReviewOpinion], now_us: int, drafts: Drafts) -> None:
    """The answer that most gave; among as many, the milder one."""
    votes = Counter((opinion.outcome, opinion.level) for opinion in opinions)
    outcome, level = min(votes, key=lambda vote: (-votes[vote], vote[1], -vote[0]))
    agreeing = [opinion for opinion in opinions if (opinion.outcome, opinion.level) == (outcome, level)]
    decided = copied(review)
    del decided.opinions[:]
    decided.opinions.extend(opinions)
    decided.opinions_needed = len(opinions)
    decided.claimed_by = ""
    decided.ClearField("claim_time")
    decided.ClearField("claim_expire_time")
    decided.outcome, decided.answer = outcome, agreeing[0].reason
    decided.decide_time.CopyFrom(timestamp(now_us))
    decided.compensation_minor_units = max(opinion.compensation_minor_units for opinion in agreeing)
    names = [opinion.reviewer_id for opinion in agreeing]
    event = drafts.add(review_decided=events_pb.ReviewDecided(review=decided, postings=_made_good(state, decided)))
    if decided.kind == pb.REVIEW_KIND_CONTEST:
        event.review_decided.decision_id = drafts.new_id("contest", event)
    _follow(state, decided, level, names, now_us, drafts)


def _made_good(state: MarketState, review: pb.Review) -> types_pb.Postings | None:
    book = ledger.adjustment if review.subject_id in state.numbers else ledger.refund
    rule = f"made good by review {review.review_id}"
    return book(review.subject_id, state.policy.currency_code, review.compensation_minor_units, rule)


def _follow(
    state: MarketState, review: pb.Review, level: policy_pb.StandingLevel, names: list[str], now_us: int, drafts: Drafts
) -> None:
    """What a decided review changes: the standing, or whether a rating counts."""
    account = state.account(review.subject_id)
    overturned = review.outcome == OVERTURNED
    if review.kind == pb.REVIEW_KIND_CONTEST and review.decision_id == account.decision_id and overturned:
        level = GOOD  # an older decision about the account has no effect any more that could be undone
    if level != UNSPECIFIED:
        change = rating_pb.StandingChange(
            person_id=review.subject_id,
            before=level_of(account.level),
            after=level,
            reason=review.answer,
            review_id=review.review_id,
            policy_version=state.policy.version,
        )
        set_deciders(change, names)
        human_decides(state, change, now_us, drafts)
    elif review.HasField("rating") and overturned:
        _revise(state, review, names, now_us, drafts)


def _revise(state: MarketState, review: pb.Review, names: list[str], now_us: int, drafts: Drafts) -> None:
    """A rating that counted does so no more, or the other way round."""
    counts_now = review.rating.cause == policy_pb.EXCLUSION_CAUSE_UNSPECIFIED
    event = drafts.add(
        rating_revised=events_pb.RatingRevised(rating=review.rating, review_id=review.review_id, reason=review.answer)
    )
    set_deciders(event.rating_revised, names)
    rating = event.rating_revised.rating
    by_client = rating.rater == job_pb.ACTOR_CLIENT
    book = state.ratings_of_couriers if by_client else state.ratings_of_clients
    rules, now_s = state.score_rules, now_us / SECOND
    rated_at_s = micros(rating.rate_time) / SECOND
    rating.score_before = book.score(rating.rated_id, now_s, rules)
    change = rating.rated_id, rating.counted_stars, -1 if counts_now else 1
    rating.score_after = book.score_if(*change, rated_at_s, now_s, rules)
    if counts_now:
        rating.cause, rating.excluded_because = policy_pb.EXCLUSION_CAUSE_REVIEW, review.answer
    else:
        rating.ClearField("cause")
        rating.ClearField("excluded_because")
    rating.decision_id = drafts.new_id("rating", event)
