"""What can be asked of a market. Commands are imperative and may be refused; events are past tense, on the log."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from operator import attrgetter
from typing import Any

from dispatcher.complete import complete
from dispatcher.subclasses import subclasses_in
from geo.sightings import Sightings
from geo.units import Ints
from gig.v1 import courier_service_pb2 as courier_pb
from gig.v1 import job_pb2 as job_pb
from gig.v1 import policy_pb2 as policy_pb
from gig.v1 import rating_service_pb2 as rating_pb
from gig.v1 import transparency_service_pb2 as transparency_pb
from gig.v1 import types_pb2 as types_pb


@dataclass(frozen=True, slots=True)
class Request:
    """Identify a mutating call by its caller, its ``method`` (Service/Method) and its name.

    ``name``: the request_id alone; for a message on a courier's stream, "stream", its session and its number.
    ``digest``: 64 bits over the content.
    """

    role: str
    caller_id: str
    method: str
    name: tuple[str, ...]
    digest: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Command:
    request: Request | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class QuoteJob(Command):
    job_id: str
    client_id: str
    spec: job_pb.JobSpec


@dataclass(frozen=True, slots=True, kw_only=True)
class PlaceJob(Command):
    """Price and place at once."""

    job_id: str
    client_id: str
    spec: job_pb.JobSpec


@dataclass(frozen=True, slots=True, kw_only=True)
class TakeQuote(Command):
    """Place at the price of an earlier quote."""

    quote_id: str
    client_id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class CancelJob(Command):
    job_id: str
    client_id: str
    reason: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class GoOnline(Command):
    courier_id: str
    online: courier_pb.GoOnline


@dataclass(frozen=True, slots=True, kw_only=True)
class GoOffline(Command):
    """``fault``: whose it is that accepted jobs go back to the queue."""

    courier_id: str
    reason: str = ""
    fault: job_pb.Fault = job_pb.FAULT_COURIER


@dataclass(frozen=True, slots=True, kw_only=True)
class AnswerOffer(Command):
    courier_id: str
    answer: courier_pb.OfferAnswer


@dataclass(frozen=True, slots=True)
class SeenAt:
    """A position that a courier's device reported: degrees, and when, in microseconds of the market's clock."""

    latitude: float
    longitude: float
    time_us: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ReportProgress(Command):
    """``seen``: the courier's newest position, where one is known besides that on the log. ``sightings``: where the
    courier was lately, where the report says when the step happened."""

    courier_id: str
    progress: courier_pb.Progress
    seen: SeenAt | None = None
    sightings: Sightings = field(default_factory=Sightings.none)


@dataclass(frozen=True, slots=True, kw_only=True)
class PastJob:
    """A job that has left the market's memory, and the stars that each side gave (None: nothing), from the tables."""

    job: job_pb.Job
    by_client: int | None = None
    by_courier: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class RateJob(Command):
    """``past``: only needed where the job may have left the market's memory; likewise below."""

    rating: rating_pb.Rating
    past: PastJob | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class AddTip(Command):
    client_id: str
    job_id: str
    minor_units: int
    past: PastJob | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class SetPolicy(Command):
    """``effective_us`` None: as soon as the present policy's notice period allows."""

    policy: policy_pb.Policy
    operator_id: str
    effective_us: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ContestDecision(Command):
    """``decision``: as explained from the log; ``contested_before``: a review of it was opened earlier."""

    person_id: str
    decision: transparency_pb.Decision
    statement: str
    contested_before: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenReview(Command):
    operator_id: str
    subject_id: str
    statement: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ClaimReview(Command):
    """``review_id`` empty: the most urgent one that the reviewer may decide. ``part_of``: reviews about something that
    the reviewer was part of, beyond what the market remembers."""

    reviewer_id: str
    review_id: str = ""
    part_of: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True, kw_only=True)
class DecideReview(Command):
    """``part_of``: as of ClaimReview."""

    reviewer_id: str
    review_id: str
    outcome: transparency_pb.ReviewOutcome
    reason: str
    level: policy_pb.StandingLevel = policy_pb.STANDING_LEVEL_UNSPECIFIED
    compensation_minor_units: int = 0
    part_of: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True, kw_only=True)
class ErasePerson(Command):
    person_id: str
    pseudonym: str


@dataclass(frozen=True, slots=True, kw_only=True)
class CompleteErasure(Command):
    """``events``: records of the log in which the id was replaced."""

    pseudonym: str
    events: int


@dataclass(frozen=True, slots=True, kw_only=True)
class NoteAccess(Command):
    """``subject_id`` empty: everybody."""

    reader_id: str
    role: str
    method: str
    subject_id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class SetZones(Command):
    geojson: str
    operator_id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class SetBlock(Command):
    client_id: str
    courier_id: str
    blocked: bool
    operator_id: str
    reason: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class SetDestination(Command):
    """``destination`` None: none any more."""

    courier_id: str
    destination: types_pb.Position | None


@dataclass(frozen=True, slots=True, kw_only=True)
class NoteClock(Command):
    """``offset_us``: how far the clock of the courier's device is behind the market's, negative where it is ahead."""

    courier_id: str
    offset_us: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ObserveQueues(Command):
    """Who is seen in which queue zone now: courier numbers, and for each the zone's index or -1."""

    numbers: Ints
    zones: Ints


@dataclass(frozen=True, slots=True, kw_only=True)
class LoseContact(Command):
    """Note that a courier's phone has been silent for the policy's time with a job aboard.

    ``last_heard_us``: market time of its last sign of life, microseconds.
    """

    courier_id: str
    last_heard_us: int


@dataclass(frozen=True, slots=True, kw_only=True)
class RegainContact(Command):
    """Note a sign of life of a phone that was silent."""

    courier_id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class EndLostJobs(Command):
    """End the jobs aboard a courier whose phone is silent, as far as their time is up."""

    courier_id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckDue(Command):
    """Time-outs, expiries and scheduled jobs that are due: each is checked against the state of this moment.

    ``skip``: (kind of entry, name) of the entries to leave out.
    """

    skip: frozenset[tuple[int, str]] = frozenset()


COMMANDS = subclasses_in(vars(), Command)

# Fields that name the author of a command; the first one that it has counts.
_ACTORS = ("operator_id", "reviewer_id", "reader_id", "client_id", "courier_id", "person_id")
# Commands that the market gives itself.
BY_THE_MARKET = frozenset({CheckDue, ObserveQueues, CompleteErasure})


def _author_field(command: type[Command]) -> str | None:
    return next((name for name in _ACTORS if name in command.__dataclass_fields__), None)


_AUTHORS: dict[type[Command], Callable[[Any], str]] = complete(
    {
        RateJob: attrgetter("rating.rater_id"),
        **{command: attrgetter(name) for command in COMMANDS if (name := _author_field(command)) is not None},
    },
    COMMANDS,
    "authors of commands",
    without=BY_THE_MARKET,
)


def actor_of(command: Command) -> str:
    """Return the id of the person who gives the command; empty where the market acts by itself."""
    read = _AUTHORS.get(type(command))
    return "" if read is None else read(command)
