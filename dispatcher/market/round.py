"""A round as matching sees it: live positions, and a problem with what its indices mean."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from dispatcher.market.set_aside import NOTHING, SetAside
from geo.units import Ints
from matching.problem import Problem


@dataclass(frozen=True, slots=True)
class MovedCouriers:
    """Live positions that differ from those on the log: courier numbers ascending, int64 fixed-point degrees.

    ``in_ms``: milliseconds until each courier is there (where they can next turn); None: they are there now.
    """

    numbers: Ints
    latitude_e7: Ints
    longitude_e7: Ints
    in_ms: Ints | None = None

    @classmethod
    def none(cls) -> MovedCouriers:
        empty = np.zeros(0, np.int64)
        return cls(empty, empty, empty)


@dataclass(frozen=True, slots=True)
class Round:
    """A problem, and what its indices mean: ``job_ids[i]`` is job i, ``numbers[j]`` is courier j's number.

    ``plans[j]``: the stops (job id, kind) that courier j had accepted when the round was opened; those without are
    missing. ``offers``: open ones that the round may revise. ``set_aside``: jobs and couriers that were left out.
    """

    problem: Problem
    job_ids: tuple[str, ...]
    numbers: Ints
    plans: dict[int, tuple[tuple[str, int], ...]]
    moved: MovedCouriers
    as_of_us: int
    state_sequence: int
    offers: tuple[str, ...] = ()
    set_aside: SetAside = NOTHING
