"""Everything a market remembers. Changed by events alone (dispatcher.market.apply)."""

from __future__ import annotations

import heapq
from collections import OrderedDict, deque
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from enum import IntEnum

from dispatcher.errors import NotFound
from dispatcher.market import lifecycle
from dispatcher.market.accounts import GOOD_ACCOUNT, Account, score_rules_of, standing_rules_of
from dispatcher.market.backoff import Exclusion
from dispatcher.market.clocks import Clock
from dispatcher.market.couriers import CourierColumns
from dispatcher.market.queue import QueuedJob
from dispatcher.market.zone_queue import ZoneQueue
from dispatcher.pay.floor import period_end
from dispatcher.pricing.surge import SurgeField
from dispatcher.times import micros, span
from geo.cells import CellGrid, StandingCells
from geo.travel import TravelTime
from geo.zones import ZoneSet
from gig.v1 import courier_service_pb2 as courier_pb
from gig.v1 import events_pb2 as events_pb
from gig.v1 import job_pb2 as job_pb
from gig.v1 import offer_pb2 as offer_pb
from gig.v1 import oversight_service_pb2 as oversight_pb
from gig.v1 import policy_pb2 as policy_pb
from gig.v1 import rating_service_pb2 as rating_pb
from gig.v1 import snapshot_pb2 as snapshot_pb
from gig.v1 import transparency_service_pb2 as transparency_pb
from gig.v1 import types_pb2 as types_pb
from ratings.book import RatingBook, ScoreRules
from ratings.standing import StandingRule


class Due(IntEnum):
    """What may fall due, in the order in which things of the same moment are checked."""

    OFFER = 0
    QUEUE = 1
    QUOTE = 2
    WAIT = 3
    # A courier's pay period ends.
    PERIOD = 4
    # A rule on standing has found something.
    STANDING = 5
    # An announced policy comes into force.
    POLICY = 6


DueEntry = tuple[int, Due, str]
# The same with the order of entry before the name.
DueRow = tuple[int, Due, int, str]
# Kinds whose names the market makes: their order says nothing.
BY_ENTRY = frozenset({Due.OFFER, Due.QUEUE, Due.QUOTE, Due.WAIT})


@dataclass(slots=True)
class ClosedOffer:
    courier_id: str
    outcome: courier_pb.OfferOutcome
    time_us: int
    job_ids: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class KeptRequest:
    """A request on the log, and the event that carries it: market time, sequence, name of its body."""

    request: events_pb.Request
    time_us: int
    sequence: int
    kind: str


@dataclass(slots=True)
class MarketState:
    market_id: str = ""
    # Keys the hashes of this market; empty until the log holds one.
    secret: bytes = b""
    sequence: int = 0
    time_us: int = 0
    policy: policy_pb.Policy = field(default_factory=policy_pb.Policy)
    # Road networks that are loaded here, by name; not part of what the log says.
    networks: Mapping[str, TravelTime] = field(default_factory=dict)
    travel: TravelTime | None = None
    # Jobs on board whose courier has had nothing else to do since the pickup.
    direct: set[str] = field(default_factory=set)
    zones: ZoneSet = field(default_factory=ZoneSet)
    zones_geojson: str = ""
    jobs: dict[str, job_pb.Job] = field(default_factory=dict)
    queue: dict[str, QueuedJob] = field(default_factory=dict)
    # Jobs for which the last round had no time to look at as many couriers as needed; the first has the first turn.
    truncated: tuple[str, ...] = ()
    offers: dict[str, offer_pb.Offer] = field(default_factory=dict)
    # In order of time, as all that is forgotten from the front is: the first of a plain dict is found ever more slowly.
    closed_offers: OrderedDict[str, ClosedOffer] = field(default_factory=OrderedDict)
    couriers: dict[str, courier_pb.Courier] = field(default_factory=dict)
    numbers: dict[str, int] = field(default_factory=dict)
    # Couriers with silent_since in their record: the phone is silent, and a job is aboard.
    silent: dict[str, None] = field(default_factory=dict)
    columns: CourierColumns = field(default_factory=CourierColumns)
    # job id -> courier id -> until when, and why for so long, the job is not offered to the courier again
    exclusions: dict[str, dict[str, Exclusion]] = field(default_factory=dict)
    # zone name -> courier id -> place; in the order of rank
    zone_queues: dict[str, ZoneQueue] = field(default_factory=dict)
    # courier id -> zone in whose queue the courier stands; follows from zone_queues
    queue_zone_of: dict[str, str] = field(default_factory=dict)
    # client id -> couriers whom they are not to meet
    blocked: dict[str, set[str]] = field(default_factory=dict)
    # By call_key, or by the textual key of an earlier version; in order of time
    requests: OrderedDict[bytes | str, KeptRequest] = field(default_factory=OrderedDict)
    # pseudonym of an erased person -> (events rewritten, market time); in order of time
    erasures: OrderedDict[str, tuple[int, int]] = field(default_factory=OrderedDict)
    ended: deque[tuple[int, str]] = field(default_factory=deque)
    ratings_of_couriers: RatingBook = field(default_factory=RatingBook)
    ratings_of_clients: RatingBook = field(default_factory=RatingBook)
    # (job id, actor) of ratings given lately -> (stars, market time); in order of time
    rated: OrderedDict[tuple[str, int], tuple[int, int]] = field(default_factory=OrderedDict)
    # (from, until) in market time, when the market was away; for as long as a job of then can be rated
    outages: deque[tuple[int, int]] = field(default_factory=deque)
    accounts: dict[str, Account] = field(default_factory=dict)
    # person -> what a rule has found, to be decided in the next moment
    found: dict[str, rating_pb.StandingChange] = field(default_factory=dict)
    # Those that wait for a human, in the order of opening.
    reviews: dict[str, transparency_pb.Review] = field(default_factory=dict)
    # review id -> who was part of what it is about, sorted
    parties: dict[str, tuple[str, ...]] = field(default_factory=dict)
    announced: oversight_pb.AnnouncedPolicy | None = None
    clocks: dict[str, Clock] = field(default_factory=dict)
    surge: SurgeField = field(default_factory=SurgeField)
    # courier -> the open nudge; courier -> market time of the last one, in order of time
    nudges: dict[str, courier_pb.Nudge] = field(default_factory=dict)
    last_nudges: dict[str, int] = field(default_factory=dict)
    # Jobs that joined the queue within the surge policy's window: (market time, H3 cell); in order of time
    recent_demand: OrderedDict[str, tuple[int, int]] = field(default_factory=OrderedDict)
    # Of no state: what follows from cells alone.
    grid: CellGrid = field(default_factory=CellGrid)
    standing_cells: StandingCells = field(default_factory=StandingCells)
    # (kind, id) of what is kept out of the market -> why; in the order of quarantine
    quarantined: dict[tuple[types_pb.SubjectKind, str], snapshot_pb.QuarantinedSubject] = field(default_factory=dict)
    due: list[DueRow] = field(default_factory=list)
    due_entries: int = 0
    # What the policy says, in the form in which each event needs it.
    score_rules: ScoreRules = field(init=False)
    standing_rules: tuple[StandingRule, ...] = field(init=False)
    memory_us: int = field(init=False)
    max_wait_us: int = field(init=False)
    fares: dict[int, policy_pb.Tariff] = field(init=False)
    pays: dict[int, policy_pb.Tariff] = field(init=False)
    # Until then nothing kept is older than the policy's memory.
    forget_us: int = field(init=False)

    def __post_init__(self) -> None:
        self.follow(self.policy)

    def follow(self, policy: policy_pb.Policy) -> None:
        """The policy is in force from now on."""
        self.policy = policy
        self.score_rules = score_rules_of(policy.ratings)
        self.standing_rules = standing_rules_of(policy.standing)
        self.memory_us, self.max_wait_us = span(policy.jobs.memory), span(policy.jobs.max_wait)
        self.fares = {tariff.kind: tariff for tariff in policy.fares}
        self.pays = {tariff.kind: tariff for tariff in policy.pays}
        self.forget_us = 0

    def job(self, job_id: str) -> job_pb.Job:
        found = self.jobs.get(job_id)
        if found is None:
            raise NotFound("job", job_id)
        return found

    def courier(self, courier_id: str) -> courier_pb.Courier:
        found = self.couriers.get(courier_id)
        if found is None:
            raise NotFound("courier", courier_id)
        return found

    def account(self, person_id: str) -> Account:
        return self.accounts.get(person_id, GOOD_ACCOUNT)

    def book_of(self, person_id: str) -> RatingBook:
        """The book that holds a person's ratings: the couriers' for everyone who was ever online."""
        return self.ratings_of_couriers if person_id in self.numbers else self.ratings_of_clients

    def push_due(self, at_us: int, kind: Due, name: str) -> None:
        """Add an entry. Those of one kind and moment are checked in order of entry, couriers and accounts by id."""
        self.due_entries += 1
        heapq.heappush(self.due, (at_us, kind, self.due_entries if kind in BY_ENTRY else 0, name))

    def next_due(self, skip: Collection[tuple[int, str]] = ()) -> int | None:
        """Market time of the next thing that falls due; what is not current any more leaves the heap here.

        An entry that cannot be checked counts as current.
        """
        skipped = []
        while self.due and (_entry(self.due[0])[1:] in skip or not self._may_be_current(_entry(self.due[0]))):
            row = heapq.heappop(self.due)
            if _entry(row)[1:] in skip:
                skipped.append(row)
        found = self.due[0][0] if self.due else None
        for row in skipped:
            heapq.heappush(self.due, row)
        return found

    def _may_be_current(self, entry: DueEntry) -> bool:
        """Return whether an entry is current; True where any failure keeps that from being computed, so that the check
        of what is due meets the failure and sets the entry aside."""
        try:
            return self.is_current(entry)
        except Exception:
            return True

    def is_current(self, entry: DueEntry) -> bool:
        """Whether a due entry still speaks of the state as it is."""
        at_us, kind, name = entry
        if kind is Due.OFFER:
            offer = self.offers.get(name)
            return offer is not None and micros(offer.expire_time) == at_us
        if kind is Due.STANDING:
            return name in self.found
        if kind is Due.PERIOD:
            return self.period_end(name) == at_us
        if kind is Due.POLICY:
            return self.announced is not None and micros(self.announced.effective_time) == at_us
        job = self.jobs.get(name)
        if job is None:
            return False
        if kind is Due.QUEUE:
            return job.state == lifecycle.SCHEDULED and self.queue_moment(job) == at_us
        if kind is Due.QUOTE:
            return job.state == lifecycle.QUOTED
        return job.state == lifecycle.QUEUED and self.wait_limit(job) == at_us

    def queue_moment(self, job: job_pb.Job) -> int:
        """When a scheduled job joins the queue."""
        return micros(job.spec.pickup_after) - span(self.policy.matching.lead_time)

    def wait_limit(self, job: job_pb.Job) -> int:
        """When a queued job stops waiting, counted from its (latest) entry into the queue."""
        return micros(job.queue_time) + self.max_wait_us

    def period_end(self, courier_id: str) -> int | None:
        """When the courier's open pay period ends, or None."""
        clock, floor = self.clocks[courier_id], self.policy.floor
        if not clock.period_us or not floor.HasField("engaged"):
            return None
        return period_end(floor.engaged, clock.period_us)

    def due_by(self, now_us: int, skip: Collection[tuple[int, str]] = (), *, lenient: bool = False) -> list[DueEntry]:
        """The current entries due by now but for those to skip, earliest first; the heap stays as it is.

        ``lenient``: an entry that cannot be checked counts as current; else its exception is raised.
        """
        is_current = self._may_be_current if lenient else self.is_current
        found, look = [], [0]
        while look:
            index = look.pop()
            if index < len(self.due) and self.due[index][0] <= now_us:
                entry = _entry(self.due[index])
                if entry[1:] not in skip and is_current(entry):
                    found.append(self.due[index])
                look += [2 * index + 1, 2 * index + 2]
        return list(dict.fromkeys(_entry(row) for row in sorted(found)))


def _entry(row: DueRow) -> DueEntry:
    at_us, kind, _order, name = row
    return at_us, kind, name
