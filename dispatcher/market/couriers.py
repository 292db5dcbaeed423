"""Couriers as columns by courier number: what a round needs of everyone, without a loop."""

from __future__ import annotations

import numpy as np

from dispatcher.times import micros
from geo.units import Floats, Ints, to_e7
from gig.v1 import courier_service_pb2 as courier_pb
from gig.v1 import types_pb2 as types_pb

OPEN_ENDED = np.iinfo(np.int64).max
NOWHERE = np.iinfo(np.int64).min


class CourierColumns:
    """int64 columns, grown by doubling; row = courier number. Number 0 is nobody.

    ``latitude_e7``, ``longitude_e7``: the position that is on the log; ``position_us``: when the courier is there.
    ``free_us``: market time of becoming free. ``shift_end_us``: OPEN_ENDED without one. ``vehicle``: one bit.
    ``available``: 1 where the courier is free for an offer; ``under_way``: 1 where jobs are in hand and no offer open;
    ``asked``: 1 where an offer is open and nothing in hand;
    ``jobs``: how many are in hand. ``end_us``, ``end_latitude_e7``, ``end_longitude_e7``: when and where the plan ends.
    ``home_latitude_e7``, ``home_longitude_e7``: the destination set, or NOWHERE. ``online_us``, ``shift_pay``: since
    when, and what the shift has earned.
    """

    NAMES = (
        "latitude_e7",
        "longitude_e7",
        "position_us",
        "free_us",
        "shift_end_us",
        "vehicle",
        "persons",
        "parcels",
        "weight_g",
        "available",
        "under_way",
        "asked",
        "jobs",
        "end_us",
        "end_latitude_e7",
        "end_longitude_e7",
        "home_latitude_e7",
        "home_longitude_e7",
        "online_us",
        "shift_pay",
        "may_reorder",
    )

    def __init__(self) -> None:
        self._rows = np.zeros((len(self.NAMES), 256), np.int64)
        self.ids: list[str] = [""]
        self.skills: dict[int, frozenset[str]] = {}
        # Rows of dispatcher.market.plans for couriers with a plan.
        self.plans: dict[int, Floats] = {}

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
        self.online_us[number] = micros(courier.online_time)
        self.may_reorder[number] = courier.may_reorder
        self.skills.pop(number, None)
        if profile.skills:
            self.skills[number] = frozenset(profile.skills)
        self.refresh(number, courier)

    def refresh(self, number: int, courier: courier_pb.Courier) -> None:
        """Availability follows the courier's state."""
        self.available[number] = courier.state == courier_pb.COURIER_STATE_FREE and not courier.closing
        self.jobs[number] = len(courier.job_ids)
        self.under_way[number] = bool(courier.job_ids) and not courier.offer_id and not courier.closing
        self.asked[number] = bool(courier.offer_id) and not courier.job_ids and not courier.closing
        self.shift_pay[number] = courier.shift_pay_minor_units
        if courier.HasField("free_time"):
            self.free_us[number] = micros(courier.free_time)
        has_home = courier.HasField("destination")
        self.home_latitude_e7[number] = to_e7(courier.destination.latitude) if has_home else NOWHERE
        self.home_longitude_e7[number] = to_e7(courier.destination.longitude) if has_home else NOWHERE

    def set_plan(self, number: int, rows: Floats, end: types_pb.Position | None, end_us: int) -> None:
        """The plan's rows, and where and when it ends; no rows: the courier has none."""
        if end is None:
            self.plans.pop(number, None)
            self.end_us[number] = 0
            return
        self.plans[number] = rows
        self.end_us[number] = end_us
        self.end_latitude_e7[number], self.end_longitude_e7[number] = to_e7(end.latitude), to_e7(end.longitude)

    def online_numbers(self) -> Ints:
        """Numbers, ascending, of couriers who are free, asked, or have jobs in hand and no open offer."""
        count = len(self.ids)
        online = self.available[:count] | self.under_way[:count] | self.asked[:count]
        return np.flatnonzero(online)

    def available_numbers(self) -> Ints:
        """Numbers, ascending, of couriers who are free for an offer."""
        return np.flatnonzero(self.available[: len(self.ids)])

    def under_way_numbers(self) -> Ints:
        """Numbers, ascending, of couriers with jobs in hand and no open offer."""
        return np.flatnonzero(self.under_way[: len(self.ids)])
