"""What a round or a surge tick leaves out: because it could not be computed, or because a position is too old."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from geo.units import Ints
from gig.v1 import events_pb2 as events_pb


@dataclass(frozen=True)
class SetAside:
    """Job ids, courier numbers and H3 cells that could not be computed. ``stale``: numbers of couriers whose last
    position is too old."""

    jobs: frozenset[str] = frozenset()
    couriers: frozenset[int] = frozenset()
    cells: frozenset[int] = frozenset()
    stale: frozenset[int] = frozenset()

    @classmethod
    def of_round(cls, body: events_pb.RoundSettled) -> SetAside:
        """What a round on the log had left out."""
        stale = np.cumsum(np.array(body.stale_number_deltas, np.int64)).tolist()
        return cls(frozenset(body.set_aside_job_ids), frozenset(body.set_aside_numbers), stale=frozenset(stale))

    @cached_property
    def absent(self) -> frozenset[int]:
        """The numbers of all couriers who are left out."""
        return self.couriers | self.stale

    def present(self, numbers: Ints) -> Ints:
        """The numbers without the couriers who are left out, in their order."""
        if not self.absent:
            return numbers
        found: Ints = numbers[~np.isin(numbers, list(self.absent))]
        return found

    def without(self, cells: Ints) -> Ints:
        """The cells without those that are set aside, in their order."""
        if not self.cells:
            return cells
        found: Ints = cells[~np.isin(cells, list(self.cells))]
        return found


NOTHING = SetAside()
