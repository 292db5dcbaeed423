"""Personal data: who looked at whose by office; and erasure, after which all stays under a pseudonym."""

from __future__ import annotations

from dispatcher import commands
from dispatcher.deciders import deciders
from dispatcher.errors import WrongState
from dispatcher.market import lifecycle
from dispatcher.market.decide.drafts import Drafts
from dispatcher.market.state import MarketState
from gig.v1 import courier_service_pb2 as courier_pb
from gig.v1 import events_pb2 as events_pb
from gig.v1 import transparency_service_pb2 as transparency_pb


def note_access(state: MarketState, command: commands.NoteAccess, now_us: int, drafts: Drafts) -> str:  # noqa: ARG001
    drafts.add(
        data_accessed=events_pb.DataAccessed(
            reader_id=command.reader_id, role=command.role, method=command.method, subject_id=command.subject_id
        )
    )
    return command.subject_id


def erase(state: MarketState, command: commands.ErasePerson, now_us: int, drafts: Drafts) -> str:  # noqa: ARG001
    """Refused while anything of the person's is under way. The event does not name the person."""
    check_erasable(state, command.person_id)
    drafts.add(person_erased=events_pb.PersonErased(pseudonym=command.pseudonym))
    return command.pseudonym


def complete_erasure(state: MarketState, command: commands.CompleteErasure, now_us: int, drafts: Drafts) -> str:  # noqa: ARG001
    """Once for each erasure."""
    if command.pseudonym not in state.erasures:
        completed = events_pb.ErasureCompleted(pseudonym=command.pseudonym, events=command.events)
        drafts.add(erasure_completed=completed)
    return command.pseudonym


def check_erasable(state: MarketState, person: str) -> None:
    """Raises WrongState while the person is at work, waits for a job, or for the answer to a review."""
    courier = state.couriers.get(person)
    if courier is not None and courier.state != courier_pb.COURIER_STATE_OFFLINE:
        raise WrongState("ONLINE", "go offline first: the data of somebody at work is in use", person_id=person)
    live = (job for job in state.jobs.values() if job.client_id == person and job.state not in lifecycle.TERMINAL)
    job = next(live, None)
    if job is not None:
        raise WrongState(
            "LIVE_JOB", f"job {job.job_id!r} is under way: wait for its end, or cancel it", job_id=job.job_id
        )
    check_not_reviewed(state, person)


def check_not_reviewed(state: MarketState, person: str) -> None:
    """Raises WrongState while a review waits that is about the person, or in which the person has judged: without the
    name the same reviewer could judge it again. A review of flagged reports goes on under the pseudonym: nothing else
    follows from a flag, and so no delay of an erasure."""
    for review in state.reviews.values():
        if review.subject_id == person and review.kind != transparency_pb.REVIEW_KIND_PROGRESS:
            text = "a review of this account waits for its answer"
            raise WrongState("OPEN_REVIEW", text, review_id=review.review_id)
        if person in deciders(review) or any(opinion.reviewer_id == person for opinion in review.opinions):
            text = f"review {review.review_id!r} of what you decided waits for its answer"
            raise WrongState("OPEN_REVIEW", text, review_id=review.review_id)
