"""What a round decided: a courier or nobody for each job, and why."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import IntEnum

import numpy as np
import numpy.typing as npt

from geo.units import Floats, Ints

# Costs are integers: thousandths of a second of pickup time.
MILLI = 1000

NOBODY = -1


class Gate(IntEnum):
    """Why a courier was not a candidate, in the order in which the gates stand."""

    VEHICLE = 0
    CAPACITY = 1
    SKILLS = 2
    REACH = 3
    DECLINED = 4
    NEAREST = 5
    SHIFT_END = 6


TERMS = ("pickup_time", "lateness", "waiting_at_pickup", "courier_waiting")


@dataclass(frozen=True, slots=True)
class Candidates:
    """The sparse graph of eligible pairs, sorted by job, then cost. E pairs.

    ``job``, ``courier`` int64 indices; ``metres``, ``seconds`` of the way to the pickup; ``terms`` (E, T) int64
    in the order of TERMS; ``cost`` their sum; ``gates`` (jobs, gates) int64 couriers that each gate removed.
    """

    job: Ints
    courier: Ints
    metres: Floats
    seconds: Floats
    terms: Ints
    cost: Ints
    gates: Ints

    def __len__(self) -> int:
        return int(self.job.size)


@dataclass(frozen=True, slots=True)
class Assignment:
    """One round's answer.

    ``courier`` (jobs,) int64 index or NOBODY; ``job`` (couriers,) the same seen from the couriers;
    ``edge`` (jobs,) int64 index into the candidates or NOBODY;
    ``cost`` (jobs,) int64 of the chosen pair, or of leaving the job.
    """

    courier: Ints
    job: Ints
    edge: Ints
    cost: Ints
    candidates: Candidates
    digest: int
    fell_back: bool = False
    # Wall seconds by stage; measured, so not part of what is decided.
    stages_s: dict[str, float] = field(default_factory=dict, compare=False)

    @property
    def matched(self) -> npt.NDArray[np.bool_]:
        chosen: npt.NDArray[np.bool_] = self.edge != NOBODY
        return chosen

    def alternatives(self, job: int, keep: int) -> Ints:
        """Up to ``keep`` edges of the job's cheapest couriers that were not chosen, cheapest first."""
        start, stop = np.searchsorted(self.candidates.job, [job, job + 1])
        edges = np.arange(start, min(stop, start + keep + 1))
        others: Ints = edges[edges != self.edge[job]][:keep]
        return others
