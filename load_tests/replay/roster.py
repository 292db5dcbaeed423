"""Who works when: recorded shifts, or shifts drawn so that supply follows demand."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from dispatcher.times import SECOND
from geo.units import Floats, Ints
from gig.v1 import types_pb2 as types_pb
from load_tests.behaviour.chance import About, draws, normal_quantiles
from load_tests.behaviour.settings import Shifts

HOUR_US = 3600 * SECOND
VEHICLES = {
    "car": types_pb.VEHICLE_TYPE_CAR,
    "van": types_pb.VEHICLE_TYPE_VAN,
    "motorcycle": types_pb.VEHICLE_TYPE_MOTORCYCLE,
    "bicycle": types_pb.VEHICLE_TYPE_BICYCLE,
    "foot": types_pb.VEHICLE_TYPE_FOOT,
}


@dataclass(frozen=True, slots=True)
class DemandColumns:
    """What shifts are drawn from: times of requests and their trips (microseconds), and where these end."""

    at_us: Ints
    trip_us: Ints
    latitude: Floats
    longitude: Floats


@dataclass(frozen=True, slots=True)
class Roster:
    """Columns by shift; somebody may have several, one after the other."""

    courier_ids: list[str]
    online_us: list[int]
    offline_us: list[int]
    latitude: list[float]
    longitude: list[float]
    vehicles: list[types_pb.VehicleType]

    def __len__(self) -> int:
        return len(self.courier_ids)


def recorded_roster(shifts: pa.Table) -> Roster:
    """By time, those of the same moment as they stand. Shifts of one courier that overlap are worked one after the
    other: the later begins where the earlier ends."""
    names = shifts["courier_id"].to_pylist()
    online, offline = (shifts[name].cast(pa.int64()).to_pylist() for name in ("online_time", "offline_time"))
    latitude, longitude = shifts["latitude"].to_pylist(), shifts["longitude"].to_pylist()
    vehicles = [VEHICLES.get(name, types_pb.VEHICLE_TYPE_CAR) for name in shifts["vehicle"].to_pylist()]
    kept = Roster([], [], [], [], [], [])
    until: dict[str, int] = {}
    for row in sorted(range(len(names)), key=online.__getitem__):
        begin = max(online[row], until.get(names[row], online[row]))
        if offline[row] <= begin:
            continue
        until[names[row]] = offline[row]
        kept.courier_ids.append(names[row])
        kept.online_us.append(begin)
        kept.offline_us.append(offline[row])
        kept.latitude.append(latitude[row])
        kept.longitude.append(longitude[row])
        kept.vehicles.append(vehicles[row])
    return kept


def drawn_roster(model: Shifts, seed: int, demand: DemandColumns) -> Roster:
    """Each courier one shift: see the model. They begin where a random trip ends."""
    count = model.couriers or couriers_needed(model, demand)
    who = np.arange(count)
    chosen = (draws(seed, About.SHIFT, 4 * who) * demand.at_us.size).astype(np.int64)
    hours = model.mean_hours + model.sd_hours * normal_quantiles(draws(seed, About.SHIFT, 4 * who + 1))
    length = np.rint(np.maximum(hours, 1.0) * HOUR_US).astype(np.int64)
    first, last = int(demand.at_us[0]), int(demand.at_us[-1])
    begin = demand.at_us[chosen] - np.rint(length * draws(seed, About.SHIFT, 4 * who + 2)).astype(np.int64)
    # Whoever would be at work before the first request is there for it.
    begin = np.clip(begin, first, max(last, first))
    home = (draws(seed, About.HOME, who) * demand.at_us.size).astype(np.int64)
    order = np.argsort(begin, kind="stable")
    return Roster(
        [f"courier-{number + 1}" for number in range(count)],
        begin[order].tolist(),
        (begin + length)[order].tolist(),
        demand.latitude[home].tolist(),
        demand.longitude[home].tolist(),
        [types_pb.VEHICLE_TYPE_CAR] * count,
    )


def couriers_needed(model: Shifts, demand: DemandColumns) -> int:
    """Shifts in all, such that in the busiest hour trips take ``utilisation`` of the time of those at work."""
    hour = demand.at_us // HOUR_US
    hour = hour - hour[0]
    busy_hours = np.bincount(hour, weights=demand.trip_us / HOUR_US)
    busiest = int(busy_hours.argmax())
    # A shift around a request covers this hour with a probability that falls linearly over the shift's length.
    covers = np.clip(1 - abs(np.arange(busy_hours.size) - busiest) / model.mean_hours, 0, 1)
    requests = np.bincount(hour)
    at_work = float((requests * covers).sum() / requests.sum())
    return max(int(np.ceil(busy_hours[busiest] / model.utilisation / at_work)), 1)
