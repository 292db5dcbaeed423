"""A courier on the road: where they stand or how far they have come, and what they are heading for."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

from gig.v1 import types_pb2 as types_pb


class Stop(NamedTuple):
    job_id: str
    kind: int


@dataclass(slots=True)
class Driver:
    """``number``: of the trace, the same under every policy. ``latitude``, ``longitude``: where they stand, or set out
    at ``left_us``. ``trip``: counts what they set out for, so that an arrival that was overtaken is known. ``serving``:
    at a stop, handing over. ``came_from``: the row and kind of the stop that they have just left."""

    courier_id: str
    number: int
    vehicle: types_pb.VehicleType = types_pb.VEHICLE_TYPE_CAR
    shift_end_us: int = 0
    on_shift: bool = False
    online: bool = False
    leaving: bool = False
    latitude: float = 0.0
    longitude: float = 0.0
    to_latitude: float = 0.0
    to_longitude: float = 0.0
    left_us: int = 0
    arrive_us: int = 0
    heading: Stop | None = None
    trip: int = 0
    serving: bool = False
    came_from: tuple[int, int] | None = None
    free_us: int = 0
    # How often they were free since the day began.
    spell: int = 0

    def stand(self, latitude: float, longitude: float) -> None:
        self.latitude = self.to_latitude = latitude
        self.longitude = self.to_longitude = longitude
        self.left_us = self.arrive_us = 0

    def set_out(self, stop: Stop | None, latitude: float, longitude: float, now: int, arrive_us: int) -> None:
        self.heading, self.to_latitude, self.to_longitude = stop, latitude, longitude
        self.left_us, self.arrive_us = now, arrive_us
        self.trip += 1

    def at(self, now: int) -> tuple[float, float]:
        """On a straight line between where they set out and where they are heading."""
        if now >= self.arrive_us:
            return self.to_latitude, self.to_longitude
        share = (now - self.left_us) / (self.arrive_us - self.left_us)
        return (
            self.latitude + share * (self.to_latitude - self.latitude),
            self.longitude + share * (self.to_longitude - self.longitude),
        )
