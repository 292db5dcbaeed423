"""What a round decided: a courier or nobody for each job, and why."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from geo.units import Floats, Ints
from matching.problem import NOBODY, Bools, Gate

__all__ = ["MILLI", "NOBODY", "TERMS", "Assignment", "Candidates", "Gate", "Routes"]

# Costs are integers: thousandths of a second of pickup time.
MILLI = 1000

TERMS = (
    "pickup_time",
    "lateness",
    "overdue",
    "detour",
    "waiting_at_pickup",
    "deadhead",
    "shift_end",
    "courier_waiting",
    "income_gap",
    "kept_offer",
)


@dataclass(frozen=True, slots=True)
class Routes:
    """The order of stops behind each edge: edge e's are first[e] to first[e + 1].

    ``stop``: 0, 2, 4, ... pickup and 1, 3, 5, ... drop-off of the edge's first, second, third job; -1, -2, ... the
    courier's own first, second stop. ``moment_s``: when each is served, seconds from now.
    """

    first: Ints
    stop: Ints
    moment_s: Floats

    def of(self, edge: int) -> tuple[Ints, Floats]:
        """Stops and moments of one edge."""
        here = slice(int(self.first[edge]), int(self.first[edge + 1]))
        return self.stop[here], self.moment_s[here]


@dataclass(frozen=True, slots=True)
class Candidates:
    """The sparse graph of eligible pairs, sorted by first job, then cost. E edges.

    ``jobs`` (E, G) int64 indices, the first G' of a row used and the rest NOBODY; ``courier`` (E,) int64;
    ``metres``, ``seconds`` of the way to the (first) pickup; ``terms`` (E, T) int64 in the order of TERMS; ``cost``
    their sum; ``gates`` (jobs, filters) int64 couriers that each filter removed. ``routes`` None: one job an edge, and
    nobody has a plan. ``truncated`` int64: jobs for which the time did not suffice to look at as many couriers as
    needed, in the order of their turn in the next round.
    """

    jobs: Ints
    courier: Ints
    metres: Floats
    seconds: Floats
    terms: Ints
    cost: Ints
    gates: Ints
    routes: Routes | None = None
    truncated: Ints = field(default_factory=lambda: np.zeros(0, np.int64))

    def __len__(self) -> int:
        return int(self.courier.size)

    @property
    def job(self) -> Ints:
        """Shape (E,): the first (mostly the only) job of each edge."""
        first: Ints = self.jobs[:, 0]
        return first

    def part(self, edges: Ints) -> Candidates:
        """Some edges, ascending, as candidates of their own; without their routes."""
        return Candidates(
            self.jobs[edges],
            self.courier[edges],
            self.metres[edges],
            self.seconds[edges],
            self.terms[edges],
            self.cost[edges],
            self.gates,
        )

    def members(self, edge: int) -> list[int]:
        """The jobs of one edge."""
        return [job for job in self.jobs[edge].tolist() if job != NOBODY]

    def single(self, start: int = 0, stop: int | None = None) -> Bools:
        """Whether edges from ``start`` to before ``stop`` are one job each."""
        part = self.jobs[start:stop]
        alone: Bools = part[:, 1] == NOBODY if part.shape[1] > 1 else np.ones(len(part), bool)
        return alone


@dataclass(frozen=True, slots=True)
class Assignment:
    """One round's answer.

    ``courier`` (jobs,) int64 index or NOBODY; ``edge`` (jobs,) int64 index into the candidates or NOBODY, the same for
    jobs that go together; ``taken`` (couriers,) the edge that each courier was chosen for, or NOBODY;
    ``cost`` (jobs,) int64: the job's share of its edge, or of leaving it. ``held`` (jobs,): chosen, but better not
    offered yet; ``planned`` (jobs,) int64: the courier who is to take the job after other work, or NOBODY.
    ``price`` (couriers,) int64: what one more courier like this would save the round (0: not scarce). ``bound`` is a
    proved lower bound of the total cost of all choices that were looked at.
    """

    courier: Ints
    edge: Ints
    taken: Ints
    cost: Ints
    held: Bools
    planned: Ints
    price: Ints
    candidates: Candidates
    digest: int
    bound: int
    fell_back: bool = False
    # Wall seconds by stage; measured, so not part of what is decided.
    stages_s: dict[str, float] = field(default_factory=dict, compare=False)

    @property
    def matched(self) -> Bools:
        chosen: Bools = self.edge != NOBODY
        return chosen

    @property
    def total_cost(self) -> int:
        """Of all jobs, matched or left."""
        return int(self.cost.sum())

    def alternatives(self, job: int, keep: int) -> Ints:
        """Up to ``keep`` edges of the job's cheapest couriers that were not chosen, cheapest first, one a courier."""
        start, stop = np.searchsorted(self.candidates.job, [job, job + 1])
        edges = np.arange(start, stop)[self.candidates.single(start, stop)]
        edge = self.edge[job]
        chosen = self.candidates.courier[edge] if edge != NOBODY else NOBODY
        others: Ints = edges[self.candidates.courier[edges] != chosen][:keep]
        return others
