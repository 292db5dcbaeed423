"""Both sides rate a job, once each, within a window; what does not count is set aside with its reason."""

from __future__ import annotations

from dispatcher import commands
from dispatcher.complete import mirrored
from dispatcher.errors import NotFound, NotYours, WrongState
from dispatcher.market import lifecycle
from dispatcher.market.decide.drafts import Drafts
from dispatcher.market.decide.reviews import open_review
from dispatcher.market.queue import wanted_us
from dispatcher.market.state import MarketState
from dispatcher.messages import copied
from dispatcher.occurred import known_end_us
from dispatcher.times import SECOND, micros, span, timestamp
from gig.v1 import events_pb2 as events_pb
from gig.v1 import job_pb2 as job_pb
from gig.v1 import policy_pb2 as policy_pb
from gig.v1 import rating_service_pb2 as rating_pb
from gig.v1 import transparency_service_pb2 as transparency_pb
from gig.v1 import types_pb2 as types_pb
from ratings.exclusions import Cause, Circumstances, Exclusion, ExclusionRules, exclusion

CLIENT, COURIER = job_pb.ACTOR_CLIENT, job_pb.ACTOR_COURIER
# A human looks at these before they count.
FLAGGED = (Cause.SAFETY_REPORT, Cause.RETALIATION)


def rate(state: MarketState, command: commands.RateJob, now_us: int, drafts: Drafts) -> str:
    rating = copied(command.rating)
    job = ended_job(state, rating.job_id, command.past)
    by_client = rating.rater == CLIENT
    if rating.rater_id != (job.client_id if by_client else job.courier_id):
        raise NotYours("NOT_YOUR_JOB", "only the client and the courier of a job can rate it", job_id=job.job_id)
    if job.state != lifecycle.COMPLETED:
        raise WrongState("JOB_STATE", "a job can be rated when it is completed", job_id=job.job_id)
    if now_us > known_end_us(job) + span(state.policy.ratings.window):
        raise WrongState("RATING_WINDOW_CLOSED", "the time to rate this job is over", job_id=job.job_id)
    if _stars_given(state, job.job_id, rating.rater, command.past) is not None:
        raise WrongState("ALREADY_RATED", "this side has rated the job already", job_id=job.job_id)
    others = _stars_given(state, job.job_id, COURIER if by_client else CLIENT, command.past)
    rating.rated_id = job.courier_id if by_client else job.client_id
    rating.rate_time.CopyFrom(timestamp(now_us))
    rating.policy_version = state.policy.version
    book = state.ratings_of_couriers if by_client else state.ratings_of_clients
    rules = state.score_rules
    rating.leniency = book.leniency(rating.rater_id, rules)
    rating.counted_stars = book.preview(rating.rater_id, rating.stars, rules)
    found = _exclusion(state, job, rating, others)
    now_s = now_us / SECOND
    rating.score_before = rating.score_after = book.score(rating.rated_id, now_s, rules)
    if found is None:
        rating.score_after = book.score_with(rating.rated_id, rating.counted_stars, now_s, rules)
    event = drafts.add(job_rated=events_pb.JobRated(rating=rating))
    made = event.job_rated.rating
    made.decision_id = drafts.new_id("rating", event)
    if found is not None:
        made.cause = policy_pb.ExclusionCause.Value(f"EXCLUSION_CAUSE_{found.cause.name}")
        made.excluded_because = found.reason
        if found.cause in FLAGGED:
            open_review(
                state,
                drafts,
                now_us,
                transparency_pb.Review(
                    kind=transparency_pb.REVIEW_KIND_RATING,
                    subject_id=made.rated_id,
                    decision_id=made.decision_id,
                    decision_kind=transparency_pb.DECISION_KIND_EXCLUSION,
                    job_id=job.job_id,
                    statement=found.reason,
                    rating=made,
                ),
            )
    return job.job_id


def ended_job(state: MarketState, job_id: str, past: commands.PastJob | None) -> job_pb.Job:
    """From memory, or as the tables have it. Raises NotFound."""
    job = state.jobs.get(job_id)
    if job is not None:
        return job
    if past is None:
        raise NotFound("job", job_id)
    return past.job


def _stars_given(state: MarketState, job_id: str, side: job_pb.Actor, past: commands.PastJob | None) -> int | None:
    given = state.rated.get((job_id, side))
    if given is not None:
        return given[0]
    return None if past is None else past.by_client if side == CLIENT else past.by_courier


def _exclusion(state: MarketState, job: job_pb.Job, rating: rating_pb.Rating, others: int | None) -> Exclusion | None:
    policy = state.policy.ratings.exclusions
    goods = job.spec.kind == types_pb.JOB_KIND_DELIVERY and job.HasField("arrive_time")
    waited = micros(job.pickup_time) - micros(job.arrive_time) if goods else 0
    wanted = max(wanted_us(job) - span(state.policy.matching.lead_time), micros(job.place_time))
    began, ended = micros(job.place_time), micros(job.end_time)
    away = sum(max(min(end, ended) - max(start, began), 0) for start, end in state.outages)
    seen = Circumstances(waited / SECOND, (micros(job.assign_time) - wanted) / SECOND, away / SECOND, others)
    rules = ExclusionRules(
        span(policy.preparation_wait) / SECOND if policy.HasField("preparation_wait") else None,
        span(policy.assignment_wait) / SECOND if policy.HasField("assignment_wait") else None,
        span(policy.outage) / SECOND if policy.HasField("outage") else None,
        {row.tag: cause_of(row.cause) for row in policy.tags},
        policy.retaliation_stars,
    )
    return exclusion(rating.stars, list(rating.tags), rating.rater == CLIENT, seen, rules)


# A human's review is no rule's finding.
mirrored(Cause, policy_pb.ExclusionCause, "EXCLUSION_CAUSE_", without={"REVIEW"})


def cause_of(cause: policy_pb.ExclusionCause) -> Cause:
    return Cause[policy_pb.ExclusionCause.Name(cause).removeprefix("EXCLUSION_CAUSE_")]
