"""What must hold for any log, checked from the events alone, without the market's own code."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from google.protobuf.message import Message

from dispatcher.complete import known
from dispatcher.event_kinds import BODIES
from dispatcher.occurred import STEPS
from dispatcher.pay.ledger import balance
from gig.v1 import courier_service_pb2 as courier_pb
from gig.v1 import events_pb2 as events_pb
from gig.v1 import offer_pb2 as offer_pb
from gig.v1 import policy_pb2 as policy_pb
from gig.v1 import types_pb2 as types_pb

BY_HUMANS = (policy_pb.STANDING_LEVEL_RESTRICTED, policy_pb.STANDING_LEVEL_ENDED)
ACCEPTED = courier_pb.OFFER_OUTCOME_ACCEPTED

# Where a job may come from, for each event that moves it, as short words of its own.
_MOVES: dict[str, tuple[frozenset[str], str]] = known(
    {
        "job_quoted": (frozenset({"new"}), "quoted"),
        "job_placed": (frozenset({"new", "quoted"}), "waiting"),
        "job_queued": (frozenset({"waiting"}), "waiting"),
        "offer_made": (frozenset({"waiting"}), "offered"),
        "job_released": (frozenset({"held"}), "waiting"),
        "courier_arrived": (frozenset({"held"}), "held"),
        "job_picked_up": (frozenset({"held"}), "aboard"),
        "job_completed": (frozenset({"aboard"}), "ended"),
        "job_failed": (frozenset({"aboard"}), "ended"),
        "job_cancelled": (frozenset({"quoted", "waiting", "held"}), "ended"),
        "job_expired": (frozenset({"quoted", "waiting"}), "ended"),
    },
    BODIES,
    "moves of a job by the event that notes them",
)


@dataclass(slots=True)
class LogChecker:
    """Feed it every event in order; it yields a sentence for each broken invariant.

    A job is placed once, has one courier at a time and ends once; a courier has one offer at a time, and no more jobs
    than the policy lets one courier hold; an offer is answered once, for all of its jobs; a side rates a job once; no
    account is restricted or ended without a named human and their reason; postings sum to zero; sequences have no gap
    times do not run backwards, and no step happens after its report.
    """

    jobs: dict[str, str] = field(default_factory=dict)
    placed: set[str] = field(default_factory=set)
    # courier id -> the jobs in their hands; absent when offline
    hands: dict[str, set[str]] = field(default_factory=dict)
    # courier id -> their open offer
    asked: dict[str, str] = field(default_factory=dict)
    # offer id -> (jobs, courier)
    open_offers: dict[str, tuple[tuple[str, ...], str]] = field(default_factory=dict)
    most_jobs: int = 1
    holders: dict[str, str] = field(default_factory=dict)
    # (job, side) of every rating
    rated: set[tuple[str, int]] = field(default_factory=set)
    sequence: int = 0
    time: tuple[int, int] = (0, 0)
    # Jobs, couriers and offers of skipped events, until their quarantine: what follows cannot fit what is missing.
    excused: set[str] = field(default_factory=set)

    def check(self, event: events_pb.Event) -> Iterator[str]:
        name = event.WhichOneof("body")
        body = getattr(event, name)
        faults = [*self._job(name, body), *self._people(body)]
        if faults and not self.excused.isdisjoint(named := names_of(body)):
            self.excused |= named
            faults.clear()
        for fault in (*self._order(event), *faults):
            yield f"event {event.sequence} ({name}): {fault}"
        postings = getattr(body, "postings", None)
        if postings is not None and balance(postings):
            yield f"event {event.sequence} ({name}): postings sum to {balance(postings)}, not zero"

    def _order(self, event: events_pb.Event) -> Iterator[str]:
        time = (event.time.seconds, event.time.nanos)
        if event.sequence != self.sequence + 1:
            yield f"follows event {self.sequence}"
        if time < self.time:
            yield "happens before the event that it follows"
        self.sequence, self.time = event.sequence, time
        kind = event.WhichOneof("body")
        if kind in STEPS and getattr(event, kind).HasField("occurred"):
            occurred = getattr(event, kind).occurred.time
            if (occurred.seconds, occurred.nanos) > time:
                yield "reports a step that happens after the report"

    def _job(self, name: str, body: object) -> Iterator[str]:
        if isinstance(body, events_pb.OfferAnswered):
            for job_id in body.job_ids:
                if self.jobs.get(job_id) != "offered":
                    yield f"job {job_id} has no live offer"
                self.jobs[job_id] = "held" if body.outcome == ACCEPTED else "waiting"
        elif name in _MOVES:
            for job_id in _job_ids(body):
                yield from self._move(name, job_id)

    def _move(self, name: str, job_id: str) -> Iterator[str]:
        before = self.jobs.get(job_id, "new")
        allowed, after = _MOVES[name]
        if before not in allowed:
            yield f"job {job_id} is {before}"
        if name == "job_placed":
            if job_id in self.placed:
                yield f"job {job_id} is placed twice"
            self.placed.add(job_id)
        self.jobs[job_id] = after

    def _people(self, body: object) -> Iterator[str]:
        match body:
            case events_pb.EventSkipped():
                self.excused |= names_of(body)
            case events_pb.SubjectQuarantined():
                self._quarantine(body)
            case events_pb.PolicySet():
                sharing = body.policy.matching.sharing
                limit = sharing.jobs_per_courier if sharing.under_way else sharing.jobs_per_offer
                self.most_jobs = max(limit, 1)
            case events_pb.StandingChanged():
                change = body.change
                if change.after in BY_HUMANS and not (change.decided_by and change.reason):
                    yield f"the account of {change.person_id} is restricted or ended without a human and their reason"
            case events_pb.JobRated():
                given = (body.rating.job_id, body.rating.rater)
                if given in self.rated:
                    yield f"job {body.rating.job_id} is rated twice by the same side"
                self.rated.add(given)
            case events_pb.CourierOnline():
                if body.courier_id in self.hands:
                    yield f"courier {body.courier_id} is online already"
                self.hands[body.courier_id] = set()
            case events_pb.CourierOffline():
                if self.hands.pop(body.courier_id, None) != set() or body.courier_id in self.asked:
                    yield f"courier {body.courier_id} goes offline with hands full, or twice"
            case events_pb.OfferMade():
                yield from self._offered(body.offer)
            case events_pb.OfferAnswered():
                yield from self._answered(body)
            case events_pb.CourierArrived() | events_pb.JobPickedUp():
                if self.holders.get(body.job_id) != body.courier_id:
                    yield f"courier {body.courier_id} does not hold job {body.job_id}"
            case events_pb.JobReleased() | events_pb.JobCompleted() | events_pb.JobFailed():
                if self.holders.pop(body.job_id, None) != body.courier_id:
                    yield f"courier {body.courier_id} does not hold job {body.job_id}"
                self.hands.get(body.courier_id, set()).discard(body.job_id)
            case events_pb.JobCancelled():
                holder = self.holders.pop(body.job_id, None)
                if holder is not None:
                    self.hands.get(holder, set()).discard(body.job_id)
            case _:
                return

    def _quarantine(self, body: events_pb.SubjectQuarantined) -> None:
        for one in body.jobs:
            self.jobs[one.job_id] = "ended" if one.ended else "waiting"
            for courier_id in (self.holders.pop(one.job_id, ""), one.courier_id):
                self.hands.get(courier_id, set()).discard(one.job_id)
            self._withdraw(one.offer_id)
        if body.kind == types_pb.SUBJECT_KIND_OFFER:
            self._withdraw(body.subject_id)
        if body.kind == types_pb.SUBJECT_KIND_COURIER:
            self.hands.pop(body.subject_id, None)
            self._withdraw(self.asked.get(body.subject_id, ""))
        self.excused.clear()

    def _withdraw(self, offer_id: str) -> None:
        _, courier_id = self.open_offers.pop(offer_id, ((), ""))
        if courier_id:
            self.asked.pop(courier_id, None)

    def _offered(self, offer: offer_pb.Offer) -> Iterator[str]:
        jobs = tuple(offered.job_id for offered in offer.jobs)
        if offer.courier_id not in self.hands or offer.courier_id in self.asked:
            yield f"courier {offer.courier_id} is not free for an offer"
        elif len(self.hands[offer.courier_id]) + len(jobs) > self.most_jobs:
            yield f"courier {offer.courier_id} would hold more than {self.most_jobs} jobs"
        self.asked[offer.courier_id] = offer.offer_id
        self.open_offers[offer.offer_id] = (jobs, offer.courier_id)

    def _answered(self, body: events_pb.OfferAnswered) -> Iterator[str]:
        if self.open_offers.pop(body.offer_id, None) != (tuple(body.job_ids), body.courier_id):
            yield f"offer {body.offer_id} is not open for this courier and these jobs"
        self.asked.pop(body.courier_id, None)
        if body.outcome == ACCEPTED:
            self.hands.setdefault(body.courier_id, set()).update(body.job_ids)
            self.holders.update(dict.fromkeys(body.job_ids, body.courier_id))


# Fields that name the subjects that this checker follows.
_NAMES = frozenset({"job_id", "job_ids", "courier_id", "offer_id", "subject_id", "person_id"})


def names_of(body: Message) -> set[str]:
    """Return ids of the jobs, couriers and offers that an event names, at any depth, but not in an offer's reason."""
    found: set[str] = set()
    for field_, value in body.ListFields():
        if field_.name in _NAMES:
            found.update(value if field_.is_repeated else (value,))
        elif field_.message_type is not None and field_.name != "reason":
            for part in value if field_.is_repeated else (value,):
                found |= names_of(part)
    return found


def violations(events: Iterable[events_pb.Event]) -> list[str]:
    """Every broken invariant of a log in a sentence; none for a sound one."""
    checker = LogChecker()
    return [sentence for event in events for sentence in checker.check(event)]


def _job_ids(body: object) -> list[str]:
    if isinstance(body, events_pb.OfferMade):
        return [offered.job_id for offered in body.offer.jobs]
    if isinstance(body, events_pb.JobQuoted | events_pb.JobPlaced):
        return [body.job.job_id]
    return [str(getattr(body, "job_id", ""))]
