"""Couriers as columns by courier number: what a round needs of everyone, without a loop."""

from __future__ import annotations

import numpy as np

from dispatcher.market.queue import vehicle_mask
from dispatcher.times import LATEST_US, micros
from geo.units import Floats, Ints, to_e7
from gig.v1 import courier_service_pb2 as courier_pb
from gig.v1 import types_pb2 as types_pb

OPEN_ENDED = np.iinfo(np.int64).max
# Largest gap between numbers, which are dense but for couriers whose first event a repair of the log skipped.
MOST_NEW_ROWS = 1 << 20
NOWHERE = np.iinfo(np.int64).min


class CourierColumns:
    """int64 columns, grown by doubling; row = courier number. Number 0 is nobody.

    ``latitude_e7``, ``longitude_e7``: the position that is on the log; ``position_us``: when the courier is there.
    ``free_us``: market time of becoming free. ``shift_end_us``: OPEN_ENDED without one, and for one at the end of time.
    All times lie in the range of dispatcher.times. ``vehicle``: one bit.
    ``available``: 1 where the courier is free for an offer; ``under_way``: 1 where jobs are in hand and no offer open;
    ``asked``: 1 where an offer is open and nothing in hand;
    ``jobs``: how many are in hand. ``end_us``, ``end_latitude_e7``, ``end_longitude_e7``: when and where the plan ends.
    ``home_latitude_e7``, ``home_longitude_e7``: the destination set, or NOWHERE. ``online_us``, ``shift_pay``: since
    when, and what the shift has earned.
    """

    latitude_e7: Ints
    longitude_e7: Ints
    position_us: Ints
    free_us: Ints
    shift_end_us: Ints
    vehicle: Ints
    persons: Ints
    parcels: Ints
    weight_g: Ints
    available: Ints
    under_way: Ints
    asked: Ints
    jobs: Ints
    end_us: Ints
    end_latitude_e7: Ints
    end_longitude_e7: Ints
    home_latitude_e7: Ints
    home_longitude_e7: Ints
    online_us: Ints
    shift_pay: Ints
    may_reorder: Ints

    def __init__(self) -> None:
        self._grow(256)
        self.ids: list[str] = [""]
        self.skills: dict[int, frozenset[str]] = {}
        # Rows of dispatcher.market.plans for couriers with a plan, once a round has asked for them.
        self.plans: dict[int, Floats] = {}

    def _grow(self, rows: int) -> None:
        for name in CourierColumns.__annotations__:
            column = np.zeros(rows, np.int64)
            before = getattr(self, name, column[:0])
            column[: before.size] = before
            setattr(self, name, column)

    def cover(self, number: int) -> None:
        """Make rows up to this number. Raises ValueError for one more than MOST_NEW_ROWS beyond the present rows."""
        if number > self.latitude_e7.size + MOST_NEW_ROWS:
            raise ValueError(f"courier number {number} does not follow those before it")
        while number >= self.latitude_e7.size:
            self._grow(2 * self.latitude_e7.size)

    def enter(self, number: int, courier: courier_pb.Courier) -> None:
        """A courier comes online, or is restored from a snapshot."""
        self.cover(number)
        while len(self.ids) <= number:
            self.ids.append("")
        self.ids[number] = courier.courier_id
        profile = courier.profile
        self.vehicle[number] = vehicle_mask([profile.vehicle_type])
        self.persons[number] = profile.capacity.persons
        self.parcels[number] = profile.capacity.parcels
        self.weight_g[number] = profile.capacity.weight_grams
        shift_end = micros(courier.shift_end) if courier.HasField("shift_end") else LATEST_US
        self.shift_end_us[number] = shift_end if shift_end < LATEST_US else OPEN_ENDED
        self.online_us[number] = micros(courier.online_time)
        self.may_reorder[number] = courier.may_reorder
        self.shift_pay[number] = courier.shift_pay_minor_units
        self.set_home(number, courier)
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
        if courier.HasField("free_time"):
            self.free_us[number] = micros(courier.free_time)

    def set_home(self, number: int, courier: courier_pb.Courier) -> None:
        """The destination that the courier has set, or none."""
        home = courier.destination if courier.HasField("destination") else None
        self.home_latitude_e7[number] = NOWHERE if home is None else to_e7(home.latitude)
        self.home_longitude_e7[number] = NOWHERE if home is None else to_e7(home.longitude)

    def set_plan(self, number: int, end: types_pb.Position | None, end_us: int) -> None:
        """The plan has changed: where and when it ends; None: the courier has none."""
        self.plans.pop(number, None)
        self.end_us[number] = end_us
        if end is None:
            return
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
