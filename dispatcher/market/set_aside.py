"""What a round or a surge tick leaves out, because it could not be computed."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from geo.units import Ints
from gig.v1 import events_pb2 as events_pb


@dataclass(frozen=True, slots=True)
class SetAside:
    """Job ids, courier numbers and H3 cells."""

    jobs: frozenset[str] = frozenset()
    couriers: frozenset[int] = frozenset()
    cells: frozenset[int] = frozenset()

    @classmethod
    def of_round(cls, body: events_pb.RoundSettled) -> SetAside:
        """What a round on the log had left out."""
        return cls(frozenset(body.set_aside_job_ids), frozenset(body.set_aside_numbers))

    def present(self, numbers: Ints) -> Ints:
        """The numbers without the couriers who are set aside, in their order."""
        if not self.couriers:
            return numbers
        found: Ints = numbers[~np.isin(numbers, list(self.couriers))]
        return found

    def without(self, cells: Ints) -> Ints:
        """The cells without those that are set aside, in their order."""
        if not self.cells:
            return cells
        found: Ints = cells[~np.isin(cells, list(self.cells))]
        return found


NOTHING = SetAside()
