"""Flags of implausible reports: a question to a human, of which the courier learns and to which they can answer."""

from __future__ import annotations

from dispatcher import commands
from dispatcher.market.decide.drafts import Drafts
from dispatcher.market.decide.reviews import open_review
from dispatcher.market.plausibility import facts, flag_sentence
from dispatcher.market.state import MarketState
from gig.v1 import events_pb2 as events_pb
from gig.v1 import transparency_service_pb2 as pb


def flag_progress(
    state: MarketState, command: commands.ReportProgress, at_us: int, now_us: int, drafts: Drafts
) -> None:
    """Flag a report that the policy's plausibility bounds do not fit.

    ``at_us``: when the step happened, which may be before the report at ``now_us``. A courier has one review of flags
    at a time: the flags that come while it waits belong to it, and open no other.
    """
    progress, job = command.progress, state.job(command.progress.job_id)
    found = list(facts(state, job, progress.step, command.seen, at_us))
    if not found:
        return
    flag = pb.ProgressFlag(
        courier_id=command.courier_id,
        job_id=job.job_id,
        step=progress.step,
        facts=found,
        policy_version=state.policy.version,
    )
    event = drafts.add(progress_flagged=events_pb.ProgressFlagged(flag=flag))
    body = event.progress_flagged
    body.decision_id = drafts.new_id("flag", event)
    review = open_review_of_flags(state, command.courier_id)
    if review is None:
        asked = pb.Review(
            kind=pb.REVIEW_KIND_PROGRESS,
            subject_id=command.courier_id,
            decision_id=body.decision_id,
            decision_kind=pb.DECISION_KIND_FLAG,
            job_id=job.job_id,
            statement=flag_sentence(flag),
        )
        review = open_review(state, drafts, now_us, asked)
    body.review_id = review.review_id


def open_review_of_flags(state: MarketState, courier_id: str) -> pb.Review | None:
    """Return the review in which a human is asked about a courier's reports, or None."""
    return next(
        (
            review
            for review in state.reviews.values()
            if review.kind == pb.REVIEW_KIND_PROGRESS and review.subject_id == courier_id
        ),
        None,
    )
