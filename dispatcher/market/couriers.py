"""Couriers as columns by courier number: what a round needs of everyone, without a loop."""

from __future__ import annotations

import numpy as np

from dispatcher.times import micros
from geo.units import Ints
from gig.v1 import courier_service_pb2 as courier_pb

OPEN_ENDED = np.iinfo(np.int64).max


class CourierColumns:
    """int64 columns, grown by doubling; row = courier number. Number 0 is nobody.

    ``latitude_e7``, ``longitude_e7``: the position that is on the log. ``free_us``: market time of becoming free.
    ``shift_end_us``: OPEN_ENDED without one. ``vehicle``: one bit. ``available``: 1 where an offer may be made.
    """

    NAMES = (
        "latitude_e7",
        "longitude_e7",
        "free_us",
        "shift_end_us",
        "vehicle",
        "persons",
        "parcels",
        "weight_g",
        "available",
    )

    def __init__(self) -> None:
        self._rows = np.zeros((len(self.NAMES), 256), np.int64)
        self.ids: list[str] = [""]
        self.skills: dict[int, frozenset[str]] = {}

    def __getattr__(self, name: str) -> Ints:
        if name in CourierColumns.NAMES:
            column: Ints = self._rows[CourierColumns.NAMES.index(name)]
            return column
        raise AttributeError(name)

    def enter(self, number: int, courier: courier_pb.Courier) -> None:
        """A courier comes online, or is restored from a snapshot."""
        while number >= self._rows.shape[1]:
            self._rows = np.concatenate([self._rows, np.zeros_like(self._rows)], axis=1)
        while len(self.ids) <= number:
            self.ids.append("")
        self.ids[number] = courier.courier_id
        profile = courier.profile
        self.vehicle[number] = 1 << profile.vehicle_type
        self.persons[number] = profile.capacity.persons
        self.parcels[number] = profile.capacity.parcels
        self.weight_g[number] = profile.capacity.weight_grams
        self.shift_end_us[number] = micros(courier.shift_end) if courier.HasField("shift_end") else OPEN_ENDED
        self.skills.pop(number, None)
        if profile.skills:
            self.skills[number] = frozenset(profile.skills)
        self.refresh(number, courier)

    def refresh(self, number: int, courier: courier_pb.Courier) -> None:
        """Availability follows the courier's state."""
        self.available[number] = courier.state == courier_pb.COURIER_STATE_FREE and not courier.closing
        if courier.HasField("free_time"):
            self.free_us[number] = micros(courier.free_time)

    def available_numbers(self) -> Ints:
        """Numbers, ascending, of couriers who may be offered a job."""
        return np.flatnonzero(self.available[: len(self.ids)])
