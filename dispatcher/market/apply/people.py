"""Events about people: ratings, tips, standing, and the reviews that humans decide."""

from __future__ import annotations

from dataclasses import replace

from dispatcher.market.accounts import Account
from dispatcher.market.opinions import opinions_needed
from dispatcher.market.standing_rules import found_by_rules
from dispatcher.market.state import Due, MarketState
from dispatcher.messages import copied
from dispatcher.times import SECOND, micros
from gig.v1 import events_pb2 as events_pb
from gig.v1 import job_pb2 as job_pb
from gig.v1 import policy_pb2 as policy_pb
from gig.v1 import rating_service_pb2 as rating_pb
from ratings.book import RatingBook
from ratings.standing import Conduct, Level

Event = events_pb.Event
COUNTS = policy_pb.EXCLUSION_CAUSE_UNSPECIFIED


def job_rated(state: MarketState, event: Event) -> None:
    rating = event.job_rated.rating
    state.rated[rating.job_id, rating.rater] = (rating.stars, state.time_us)
    book = _book(state, rating)
    if rating.cause == COUNTS:
        book.add(rating.rated_id, rating.rater_id, rating.stars, state.time_us / SECOND, state.score_rules)
    else:
        book.exclude(rating.rated_id)
    if rating.rater == job_pb.ACTOR_CLIENT:
        safety = rating.cause == policy_pb.EXCLUSION_CAUSE_SAFETY_REPORT
        note_conduct(state, rating.rated_id, **({"safety_reports": 1.0} if safety else {}))


def rating_revised(state: MarketState, event: Event) -> None:
    rating = event.rating_revised.rating
    change = _book(state, rating).put_back if rating.cause == COUNTS else _book(state, rating).take_out
    change(rating.rated_id, rating.counted_stars, micros(rating.rate_time) / SECOND, state.score_rules)
    if rating.rater == job_pb.ACTOR_CLIENT:
        note_conduct(state, rating.rated_id)


def _book(state: MarketState, rating: rating_pb.Rating) -> RatingBook:
    return state.ratings_of_couriers if rating.rater == job_pb.ACTOR_CLIENT else state.ratings_of_clients


def note_conduct(state: MarketState, person_id: str, **counts: float) -> None:
    """Count what a courier did, and see whether a rule holds now."""
    if not state.standing_rules:
        return
    account = state.account(person_id)
    half_life_s = state.score_rules.half_life_s
    conduct = account.conduct.with_one_more(state.time_us / SECOND, half_life_s, **counts)
    state.accounts[person_id] = account.with_conduct(conduct)
    found = found_by_rules(state, person_id)
    if found is None:
        state.found.pop(person_id, None)
    else:
        state.found[person_id] = found
        state.push_due(state.time_us, Due.STANDING, person_id)


def tip_added(state: MarketState, event: Event) -> None:
    tipped = event.tip_added.job
    job = state.jobs.get(tipped.job_id)
    if job is not None:
        job.CopyFrom(tipped)


def standing_changed(state: MarketState, event: Event) -> None:
    body = event.standing_changed
    change = body.change
    state.found.pop(change.person_id, None)
    before = state.account(change.person_id)
    after = Account(
        level=Level(change.after),
        since_us=state.time_us,
        change=change,
        decision_id=body.decision_id,
        contest_by_us=micros(body.contest_by_time),
        conduct=before.conduct,
        ratings_judged=before.ratings_judged,
    )
    if change.decided_by and change.after != policy_pb.STANDING_LEVEL_UNDER_REVIEW:
        # A human has judged all that was: rules start anew.
        rated = state.ratings_of_couriers.rated.get(change.person_id)
        judged = rated.ratings if rated is not None else 0
        after = replace(after, conduct=Conduct(as_of_s=state.time_us / SECOND), ratings_judged=judged)
    state.accounts[change.person_id] = after


def review_opened(state: MarketState, event: Event) -> None:
    review = copied(event.review_opened.review)
    state.reviews[review.review_id] = review
    if event.review_opened.party_ids:
        state.parties[review.review_id] = tuple(event.review_opened.party_ids)


def review_statement_added(state: MarketState, event: Event) -> None:
    body = event.review_statement_added
    review = state.reviews[body.review_id]
    # What somebody wrote who was erased is empty.
    review.statement = "\n\n".join(filter(None, (review.statement, body.statement)))


def review_claimed(state: MarketState, event: Event) -> None:
    body = event.review_claimed
    review = state.reviews[body.review_id]
    review.claimed_by = body.reviewer_id
    review.claim_time.CopyFrom(event.time)
    review.claim_expire_time.CopyFrom(body.expire_time)


def review_opinion_given(state: MarketState, event: Event) -> None:
    body = event.review_opinion_given
    review = state.reviews[body.review_id]
    review.opinions.append(body.opinion)
    review.claimed_by = ""
    review.ClearField("claim_time")
    review.ClearField("claim_expire_time")
    review.opinions_needed = opinions_needed(review.opinions_needed, review.opinions)


def review_decided(state: MarketState, event: Event) -> None:
    del state.reviews[event.review_decided.review.review_id]
    state.parties.pop(event.review_decided.review.review_id, None)


def progress_flagged(state: MarketState, event: Event) -> None:
    """Nothing: the review that follows is what waits for a human."""


def data_accessed(state: MarketState, event: Event) -> None:
    """Nothing: it is kept for those whom it is about."""


def person_erased(state: MarketState, event: Event) -> None:
    """Nothing: where the log is folded, the pseudonym stands for the person already."""


def erasure_completed(state: MarketState, event: Event) -> None:
    """Keep the answer for a repetition of the request."""
    body = event.erasure_completed
    state.erasures[body.pseudonym] = (body.events, state.time_us)
