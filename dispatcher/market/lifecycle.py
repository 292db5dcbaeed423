"""The state machine of a job, as one table: state, step, who may take it, next state."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

from dispatcher.complete import complete, numbers_of
from dispatcher.errors import WrongState
from gig.v1 import courier_service_pb2 as courier_pb
from gig.v1 import job_pb2 as job_pb

QUOTED, SCHEDULED, QUEUED, OFFERED = (
    job_pb.JOB_STATE_QUOTED,
    job_pb.JOB_STATE_SCHEDULED,
    job_pb.JOB_STATE_QUEUED,
    job_pb.JOB_STATE_OFFERED,
)
ASSIGNED, AT_PICKUP, PICKED_UP = (
    job_pb.JOB_STATE_ASSIGNED,
    job_pb.JOB_STATE_AT_PICKUP,
    job_pb.JOB_STATE_PICKED_UP,
)
COMPLETED, CANCELLED, EXPIRED, FAILED = (
    job_pb.JOB_STATE_COMPLETED,
    job_pb.JOB_STATE_CANCELLED,
    job_pb.JOB_STATE_EXPIRED,
    job_pb.JOB_STATE_FAILED,
)

TERMINAL = frozenset({COMPLETED, CANCELLED, EXPIRED, FAILED})
# The courier who holds the job is named in it.
HELD = frozenset({ASSIGNED, AT_PICKUP, PICKED_UP})


class Step(Enum):
    """What moves a job on."""

    PLACE = "place"
    QUEUE = "queue"
    OFFER = "offer"
    ACCEPT = "accept"
    # The offer was declined, timed out or withdrawn.
    RETURN = "return"
    # The courier gave the job up before the pickup.
    RELEASE = "release"
    ARRIVE = "arrive"
    PICK_UP = "pick up"
    COMPLETE = "complete"
    FAIL = "fail"
    CANCEL = "cancel"
    EXPIRE = "expire"
    # The client did not come to the pickup.
    NO_SHOW = "leave the client of"
    # The courier's phone was silent for too long with the job aboard.
    LOSE = "end for lost contact"


CLIENT, COURIER, RULE = job_pb.ACTOR_CLIENT, job_pb.ACTOR_COURIER, job_pb.ACTOR_RULE


@dataclass(frozen=True, slots=True)
class Transition:
    state: job_pb.JobState
    step: Step
    actor: job_pb.Actor
    next: job_pb.JobState


TRANSITIONS = (
    Transition(QUOTED, Step.PLACE, CLIENT, QUEUED),
    Transition(QUOTED, Step.CANCEL, CLIENT, CANCELLED),
    Transition(QUOTED, Step.EXPIRE, RULE, EXPIRED),
    Transition(SCHEDULED, Step.QUEUE, RULE, QUEUED),
    Transition(SCHEDULED, Step.CANCEL, CLIENT, CANCELLED),
    Transition(QUEUED, Step.OFFER, RULE, OFFERED),
    Transition(QUEUED, Step.CANCEL, CLIENT, CANCELLED),
    Transition(QUEUED, Step.EXPIRE, RULE, EXPIRED),
    Transition(OFFERED, Step.ACCEPT, COURIER, ASSIGNED),
    Transition(OFFERED, Step.RETURN, COURIER, QUEUED),
    Transition(OFFERED, Step.CANCEL, CLIENT, CANCELLED),
    Transition(ASSIGNED, Step.ARRIVE, COURIER, AT_PICKUP),
    # An app that skips the arrival is not punished for it.
    Transition(ASSIGNED, Step.PICK_UP, COURIER, PICKED_UP),
    Transition(ASSIGNED, Step.RELEASE, COURIER, QUEUED),
    Transition(ASSIGNED, Step.CANCEL, CLIENT, CANCELLED),
    Transition(AT_PICKUP, Step.PICK_UP, COURIER, PICKED_UP),
    Transition(AT_PICKUP, Step.RELEASE, COURIER, QUEUED),
    Transition(AT_PICKUP, Step.CANCEL, CLIENT, CANCELLED),
    Transition(AT_PICKUP, Step.NO_SHOW, COURIER, CANCELLED),
    Transition(PICKED_UP, Step.COMPLETE, COURIER, COMPLETED),
    Transition(PICKED_UP, Step.FAIL, COURIER, FAILED),
    Transition(PICKED_UP, Step.LOSE, RULE, FAILED),
)

_NEXT = {(row.state, row.step): row.next for row in TRANSITIONS}

# What a courier reports, as a step, once the pickup has been made or not.
PROGRESS_STEPS = complete(
    {
        courier_pb.PROGRESS_STEP_ARRIVED: Step.ARRIVE,
        courier_pb.PROGRESS_STEP_PICKED_UP: Step.PICK_UP,
        courier_pb.PROGRESS_STEP_COMPLETED: Step.COMPLETE,
        courier_pb.PROGRESS_STEP_NO_SHOW: Step.NO_SHOW,
    },
    numbers_of(courier_pb.ProgressStep),
    "steps of a job by what a courier reports",
    without={courier_pb.PROGRESS_STEP_FAILED},
)


def state_name(state: job_pb.JobState) -> str:
    return str(job_pb.JobState.Name(state)).removeprefix("JOB_STATE_").lower()


def allowed(state: job_pb.JobState, step: Step) -> bool:
    return (state, step) in _NEXT


def next_state(job: job_pb.Job, step: Step) -> job_pb.JobState:
    """The state that ``step`` leads to. Raises WrongState where the table has no such row."""
    found = _NEXT.get((job.state, step))
    if found is None:
        raise WrongState(
            "JOB_STATE",
            f"job {job.job_id!r} is {state_name(job.state)}: it is not possible to {step.value} it now",
            job_id=job.job_id,
            state=state_name(job.state),
            step=step.name,
        )
    return found
