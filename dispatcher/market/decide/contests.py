"""Asking for a review: a person contests a decision, or an operator asks another human about an account."""

from __future__ import annotations

from dispatcher import commands
from dispatcher.deciders import deciders, set_deciders
from dispatcher.errors import NotYours, WrongState
from dispatcher.market.accounts import level_of
from dispatcher.market.decide.drafts import Drafts
from dispatcher.market.decide.flags import open_review_of_flags
from dispatcher.market.decide.reviews import open_review
from dispatcher.market.decide.standing import human_decides
from dispatcher.market.state import MarketState
from dispatcher.redaction import people_in
from dispatcher.times import micros
from gig.v1 import events_pb2 as events_pb
from gig.v1 import policy_pb2 as policy_pb
from gig.v1 import rating_service_pb2 as rating_pb
from gig.v1 import transparency_service_pb2 as pb
from ratings.standing import Level


def contest(state: MarketState, command: commands.ContestDecision, now_us: int, drafts: Drafts) -> str:
    decision = command.decision
    about = decision.decision_id
    if decision.person_id != command.person_id:
        raise NotYours("NOT_YOUR_DECISION", "the decision is about somebody else", decision_id=about)
    if decision.kind == pb.DECISION_KIND_CONTEST:
        raise WrongState("ANSWERED", "this is the answer to a contest: a human has given it, and it stands")
    if not decision.HasField("contest_by_time") or now_us > micros(decision.contest_by_time):
        raise WrongState("CONTEST_CLOSED", "the time to contest this decision is over", decision_id=about)
    flag = _open_flag_review(state, command)
    if flag is not None:
        return _add_statement(flag, command, drafts)
    asked = [review for review in state.reviews.values() if review.decision_id == about]
    standing = next((review for review in asked if review.kind == pb.REVIEW_KIND_STANDING), None)
    if standing is not None and standing.subject_id == command.person_id:
        return _add_statement(standing, command, drafts)
    if command.contested_before or any(review.subject_id == command.person_id for review in asked):
        raise WrongState("CONTESTED", "a human looks or has looked at this decision already", decision_id=about)
    wanted = pb.Review(
        kind=pb.REVIEW_KIND_CONTEST,
        subject_id=command.person_id,
        decision_id=about,
        decision_kind=decision.kind,
        job_id=decision.job_id,
        statement=command.statement,
    )
    set_deciders(wanted, deciders(decision))
    if decision.HasField("rating"):
        wanted.rating.CopyFrom(decision.rating)
    return str(open_review(state, drafts, now_us, wanted, people_in(decision)).review_id)


def _open_flag_review(state: MarketState, command: commands.ContestDecision) -> pb.Review | None:
    """Return the review in which a human is asked about the person's flags, where the decision is one of these."""
    if command.decision.kind != pb.DECISION_KIND_FLAG:
        return None
    return open_review_of_flags(state, command.person_id)


def _add_statement(review: pb.Review, command: commands.ContestDecision, drafts: Drafts) -> str:
    """Put what the person has to say before the human who is asked already."""
    added = events_pb.ReviewStatementAdded(
        review_id=review.review_id, person_id=command.person_id, statement=command.statement
    )
    drafts.add(review_statement_added=added)
    return str(review.review_id)


def open_by_operator(state: MarketState, command: commands.OpenReview, now_us: int, drafts: Drafts) -> str:
    """Asks another human: the account is under review, and nothing follows for the person until they decide."""
    account = state.account(command.subject_id)
    if account.level is Level.UNDER_REVIEW:
        raise WrongState("UNDER_REVIEW", "a review of this account waits already", person_id=command.subject_id)
    change = rating_pb.StandingChange(
        person_id=command.subject_id,
        before=level_of(account.level),
        after=policy_pb.STANDING_LEVEL_UNDER_REVIEW,
        reason=command.statement,
        policy_version=state.policy.version,
    )
    set_deciders(change, [command.operator_id])
    before = deciders(account.change) if account.barred and account.change is not None else []
    # Who is restricted or ended stays so while the question is open.
    decision_id = account.decision_id if account.barred else human_decides(state, change, now_us, drafts)
    wanted = pb.Review(
        kind=pb.REVIEW_KIND_STANDING,
        subject_id=command.subject_id,
        decision_id=decision_id,
        decision_kind=pb.DECISION_KIND_STANDING,
        statement=command.statement,
    )
    set_deciders(wanted, [command.operator_id, *before])
    return str(open_review(state, drafts, now_us, wanted).review_id)
