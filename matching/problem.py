"""What a batch round knows, in columns: open jobs, couriers and their plans, travel model, weights and rules."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import Enum, IntEnum

import numpy as np
import numpy.typing as npt

from geo.travel import TravelTime
from geo.units import Floats, Ints

Masks = npt.NDArray[np.int64]
Bools = npt.NDArray[np.bool_]

# No index: nobody, no mate, no zone.
NOBODY = -1

# Bits of an int64 word that stand for skills; the sign bit stays clear.
SKILLS_PER_WORD = 63

# Rounding in the last bits must not break a promise that is kept to the second.
TOLERANCE_S = 1e-6


class Gate(IntEnum):
    """Eligibility filters, and the other reasons why a courier is not a candidate, in the order of evaluation.

    A courier counts for the first filter that removes them. For a courier with a plan, reach, capacity, shift end and
    promise depend on the route; they are evaluated last, in this order.
    """

    VEHICLE = 0
    # A zone rule bars the vehicle from the pickup or the drop-off.
    ZONE = 1
    CAPACITY = 2
    SKILLS = 3
    # Others are before the courier in the queue of the zone.
    QUEUE = 4
    REACH = 5
    # Client and courier are not to meet.
    BLOCKED = 6
    DECLINED = 7
    # The job does not lead towards the destination that the courier has set.
    DESTINATION = 8
    SHIFT_END = 9
    # No route keeps what was promised, to this client or to those who are served already.
    PROMISE = 10
    # Not compared: as many couriers as the policy compares are nearer.
    NEAREST = 11
    # Not compared: the round's time for finding candidates was over.
    TRUNCATED = 12


class Solver(Enum):
    MIN_COST_FLOW = "min_cost_flow"
    GREEDY_NEAREST = "greedy_nearest"


class Insertion(Enum):
    """What a new job may do to the stops that a courier has accepted."""

    # New stops come after all accepted ones.
    APPEND = "append"
    # New stops may come between; the accepted ones keep their order.
    INSERT = "insert"
    # Any order, for couriers who allow it.
    REORDER = "reorder"


@dataclass(frozen=True, slots=True)
class Weights:
    """Seconds of pickup time that one second of each term is worth (see matching.costs for the terms).

    ``unmatched`` is in seconds a job, ``income_gap`` in seconds for a courier who has earned nothing.
    """

    pickup_time: float
    lateness: float
    waiting_at_pickup: float
    courier_waiting: float
    job_age: float
    unmatched: float
    overdue: float = 0.0
    detour: float = 0.0
    deadhead: float = 0.0
    shift_end: float = 0.0
    income_gap: float = 0.0


@dataclass(frozen=True, slots=True)
class Requirements:
    """What jobs ask for, or couriers offer. Each column has shape (n,), int64, but for ``skills``.

    ``vehicles`` is a bit mask (a courier sets one bit). ``skills`` (n, words), int64: a bit set of any number of
    skills, SKILLS_PER_WORD in each word; jobs and couriers of a problem have equally many words, none where no skill
    matters. Loads are persons, parcels and grams.
    """

    vehicles: Masks
    skills: Masks
    persons: Ints
    parcels: Ints
    weight_g: Ints

    def stacked(self) -> Ints:
        """Shape (n, 4): vehicles, persons, parcels, grams."""
        return np.stack([self.vehicles, self.persons, self.parcels, self.weight_g], axis=-1)

    def hold(self, skills: Masks) -> Bools:
        """Return which rows have all the ``skills`` (words,), shape (n,)."""
        held = np.ones(len(self.skills), bool)
        for word in np.flatnonzero(skills).tolist():
            held &= (self.skills[:, word] & skills[word]) == skills[word]
        return held

    def loads(self) -> Ints:
        """Shape (n, 3): persons, parcels, grams."""
        return np.stack([self.persons, self.parcels, self.weight_g], axis=-1)


@dataclass(frozen=True, slots=True)
class OpenJobs:
    """Jobs that wait for a courier, shape (n,) each; all times are seconds from now.

    ``latitude``, ``longitude`` of the pickup, ``to_latitude``, ``to_longitude`` of the drop-off. ``age_s`` seconds in
    the queue; ``ready_in_s`` until the client wants the pickup, negative when overdue; ``due_in_s`` until the promised
    arrival and ``latest_pickup_s`` until the last possible pickup, or infinity; ``ride_limit_s`` the longest time
    between pickup and drop-off. ``barred`` vehicle bits that zone rules keep out. ``queue_zone`` int64, or NOBODY.
    ``unmet_skills`` int64: how many of the skills asked for no courier of the problem has; they have no bits in
    ``needs``, and a job with any of them has no candidates.
    """

    latitude: Floats
    longitude: Floats
    to_latitude: Floats
    to_longitude: Floats
    age_s: Floats
    ready_in_s: Floats
    needs: Requirements
    due_in_s: Floats
    latest_pickup_s: Floats
    ride_limit_s: Floats
    barred: Masks
    queue_zone: Ints
    unmet_skills: Ints

    def __len__(self) -> int:
        return int(self.latitude.size)


@dataclass(frozen=True, slots=True)
class Plans:
    """What couriers have accepted and not yet done: their stops in order, side by side, S in all.

    ``first`` (couriers + 1,): stops first[c] to first[c + 1] are courier c's. Times are seconds from now:
    ``earliest_s`` before which a stop cannot be served, ``latest_s`` by which it must be, ``due_s`` by which it was
    promised. ``mate`` is the index of
    the same job's pickup among all stops, or NOBODY where that is done; ``ride_limit_s`` then counts from now.
    ``pickup`` tells the two kinds of stop apart, ``load`` (S, 3) is what each adds or takes: persons, parcels, grams;
    ``aboard`` (couriers, 3) is what is loaded now. ``reorder`` (couriers,): the order of stops may be changed.
    """

    first: Ints
    latitude: Floats
    longitude: Floats
    earliest_s: Floats
    latest_s: Floats
    due_s: Floats
    mate: Ints
    ride_limit_s: Floats
    pickup: Bools
    load: Ints
    aboard: Ints
    reorder: Bools

    @classmethod
    def none(cls, couriers: int) -> Plans:
        floats, ints = np.zeros(0), np.zeros(0, np.int64)
        return cls(
            first=np.zeros(couriers + 1, np.int64),
            latitude=floats,
            longitude=floats,
            earliest_s=floats,
            latest_s=floats,
            due_s=floats,
            mate=ints,
            ride_limit_s=floats,
            pickup=np.zeros(0, bool),
            load=np.zeros((0, 3), np.int64),
            aboard=np.zeros((couriers, 3), np.int64),
            reorder=np.zeros(couriers, bool),
        )

    def __len__(self) -> int:
        return int(self.latitude.size)

    @property
    def lengths(self) -> Ints:
        """Shape (couriers,): stops of each plan."""
        return np.diff(self.first)


@dataclass(frozen=True, slots=True)
class Couriers:
    """Couriers who may be given a job, shape (n,) each.

    They leave from ``latitude``, ``longitude`` when ``starts_in_s`` have passed. ``later``: still at work, so that
    they count as supply but cannot be offered anything yet. ``free_s`` seconds since they were last free of work;
    ``shift_left_s`` to the end of the shift, or infinity. ``income_gap`` 0 to 1: how far the courier's hourly
    earnings lie below the market's. ``home_latitude``, ``home_longitude``: where they want to end up, or NaN.
    ``queue_zone`` int64 index of the queue in which they stand with ``queue_rank`` 0, 1, ..., or NOBODY.
    """

    latitude: Floats
    longitude: Floats
    free_s: Floats
    shift_left_s: Floats
    offers: Requirements
    starts_in_s: Floats
    later: Bools
    income_gap: Floats
    home_latitude: Floats
    home_longitude: Floats
    queue_zone: Ints
    queue_rank: Ints
    plans: Plans

    def __len__(self) -> int:
        return int(self.latitude.size)


@dataclass(frozen=True, slots=True)
class Exclusions:
    """Pairs that must not be offered, shape (n,) each: job and courier indices, and which gate says so."""

    job: Ints
    courier: Ints
    gate: Ints

    @classmethod
    def none(cls) -> Exclusions:
        empty = np.zeros(0, np.int64)
        return cls(empty, empty, empty)


@dataclass(frozen=True, slots=True)
class OpenOffers:
    """Offers without an answer yet, whose jobs and couriers the round may match anew.

    ``offer`` (jobs,): index of the offer that a job is in, or NOBODY; ``courier``, ``size`` (offers,): to whom it was
    made, and for how many jobs. To keep an offer is worth ``worth_s`` seconds.
    """

    offer: Ints
    courier: Ints
    size: Ints
    worth_s: float

    def kept(self, jobs: Ints, courier: Ints) -> Bools:
        """Shape (E,): which sets of jobs (E, m), NOBODY where unused, with which couriers are an open offer."""
        offer = self.offer[jobs[:, 0]]
        same: Bools = (offer != NOBODY) & (self.courier[offer] == courier)
        members = (jobs == NOBODY) | (self.offer[jobs] == offer[:, None])
        same &= members.all(axis=1) & ((jobs != NOBODY).sum(axis=1) == self.size[offer])
        return same


@dataclass(frozen=True, slots=True)
class Sharing:
    """When one courier may serve several jobs at a time.

    Up to ``jobs_per_offer`` new jobs go together whose pickups lie within ``pickup_spread_s`` of travel and whose ready
    times within ``ready_spread_s``. ``insertion`` rules over accepted stops, of which the first ``frozen_stops`` of a
    plan never move. ``lookahead_loads``: loads one after the other that are planned for a courier; only the first is
    offered.
    """

    jobs_per_offer: int = 1
    pickup_spread_s: float = 0.0
    ready_spread_s: float = 0.0
    insertion: Insertion = Insertion.APPEND
    frozen_stops: int = 0
    lookahead_loads: int = 1


@dataclass(frozen=True, slots=True)
class Commitment:
    """When a chosen pair is offered. ``wait_while_safe``: not before the courier must leave to be at the pickup
    ``slack_s`` before the job is ready; until then later rounds may find a better one."""

    wait_while_safe: bool = False
    slack_s: float = 0.0
    # The time until the next round: a pair that is safe now, but not then, is offered now.
    next_round_s: float = 0.0


@dataclass(frozen=True, slots=True)
class Problem:
    """Everything that decides a round; the same problem always gives the same assignment.

    ``keep_promises``: no route may arrive after ``due_in_s``. ``budget_s``: wall time that the choice among
    shared routes may take before the best one so far counts; finding them stops after half of it, and looking at
    more couriers than the nearest after SEARCH_TIME of it. ``truncated``, int64 job indices: jobs for which the last
    round had no time to look at as many couriers as needed; they come first, in this order.
    """

    jobs: OpenJobs
    couriers: Couriers
    exclusions: Exclusions
    travel: TravelTime
    weights: Weights
    solver: Solver
    candidates_per_job: int
    max_reach_s: float
    at_s: float
    sharing: Sharing = field(default_factory=Sharing)
    commitment: Commitment = field(default_factory=Commitment)
    open_offers: OpenOffers | None = None
    keep_promises: bool = False
    budget_s: float = 1.0
    truncated: Ints = field(default_factory=lambda: np.zeros(0, np.int64))

    @property
    def has_routes(self) -> bool:
        """Whether a courier may serve several jobs at a time, or one after the other."""
        sharing = self.sharing
        return sharing.jobs_per_offer > 1 or sharing.lookahead_loads > 1 or bool(len(self.couriers.plans))
