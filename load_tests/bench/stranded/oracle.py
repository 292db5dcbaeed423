"""Whether a courier can take a job, judged pair by pair and order by order, in plain Python.

This module shares no code with ``matching``, which it judges: it reads the columns of a problem and nothing else.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import permutations
from math import asin, cos, inf, isnan, radians, sin, sqrt
from typing import Any

EARTH_RADIUS_M = 6_371_008.8
# Times are compared to the microsecond.
SLACK_S = 1e-6
NONE = -1
# With so many stops that may change places, all orders are allowed; with more, new stops are inserted.
ALL_ORDERS = 6

Place = tuple[float, float]
Loads = tuple[int, int, int]


@dataclass(frozen=True, slots=True)
class Stop:
    """``earliest`` and ``latest`` in seconds from now; ``service`` half of the time at the stop; ``mate`` the number of
    the pickup among the stops, or NONE; ``load`` persons, parcels, grams."""

    at: Place
    earliest: float
    latest: float
    service: float
    mate: int
    ride_limit: float
    load: Loads


class Oracle:
    """``problem``: a matching problem whose travel model is the straight line."""

    def __init__(self, problem: Any) -> None:
        self.problem = problem
        excluded = problem.exclusions
        self._excluded = set(zip(excluded.job.tolist(), excluded.courier.tolist(), strict=True))
        self._metres_a_second: float = problem.travel.speed(problem.at_s) / problem.travel.circuity

    def removed_by(self, job: int, courier: int) -> str | None:
        """Return the first filter that removes a courier, or None; the line of a queue zone is not considered."""
        return (
            self._needs(job, courier)
            or self._pair(job, courier)
            or (self._route(job, courier) if self._stops(courier) else None)
        )

    def feasible(self, job: int) -> list[int]:
        """Return the couriers who can take a job."""
        return [one for one in range(len(self.problem.couriers)) if self.removed_by(job, one) is None]

    def is_feasible(self, job: int) -> bool:
        """Return whether any courier can take a job."""
        return any(self.removed_by(job, one) is None for one in range(len(self.problem.couriers)))

    def seconds(self, start: Place, end: Place) -> float:
        """Return the travel time between two places."""
        (lat_1, lng_1), (lat_2, lng_2) = start, end
        north, east = radians(lat_2 - lat_1), radians(lng_2 - lng_1)
        half = sin(north / 2) ** 2 + cos(radians(lat_1)) * cos(radians(lat_2)) * sin(east / 2) ** 2
        return 2 * EARTH_RADIUS_M * asin(sqrt(min(half, 1.0))) / self._metres_a_second

    # --- what a job needs

    def _needs(self, job: int, courier: int) -> str | None:
        jobs, offers = self.problem.jobs, self.problem.couriers.offers
        vehicle = int(offers.vehicles[courier])
        if not vehicle & int(jobs.needs.vehicles[job]):
            return "VEHICLE"
        if vehicle & int(jobs.barred[job]):
            return "ZONE"
        if any(have < need for have, need in zip(self._room(courier), self._load(job), strict=True)):
            return "CAPACITY"
        held = [int(word) for word in offers.skills[courier]]
        asked = [int(word) for word in jobs.needs.skills[job]]
        if jobs.unmet_skills[job] or any(need & ~have for have, need in zip(held, asked, strict=True)):
            return "SKILLS"
        return None

    def _load(self, job: int) -> Loads:
        needs = self.problem.jobs.needs
        return int(needs.persons[job]), int(needs.parcels[job]), int(needs.weight_g[job])

    def _room(self, courier: int) -> Loads:
        offers = self.problem.couriers.offers
        return int(offers.persons[courier]), int(offers.parcels[courier]), int(offers.weight_g[courier])

    # --- one pair

    def _pair(self, job: int, courier: int) -> str | None:
        """Everything that depends on the pair; for couriers with a plan, what does not depend on the route."""
        problem, idle = self.problem, not self._stops(courier)
        way = self.seconds(self._here(courier), self._pickup(job))
        plans = problem.couriers.plans
        places = [(float(plans.latitude[stop]), float(plans.longitude[stop])) for stop in self._stops(courier)]
        nearest = min([way, *(self.seconds(place, self._pickup(job)) for place in places)])
        if nearest > problem.max_reach_s + SLACK_S:
            return "REACH"
        if (job, courier) in self._excluded:
            return "EXCLUDED"
        home = float(problem.couriers.home_latitude[courier]), float(problem.couriers.home_longitude[courier])
        if not isnan(home[0]):
            away = self.seconds(self._dropoff(job), home)
            if away >= self.seconds(self._here(courier), home):
                return "DESTINATION"
        if not idle:
            return None
        arrival = float(problem.couriers.starts_in_s[courier]) + way
        pickup = max(arrival + problem.travel.half_pickup_service_s, float(problem.jobs.ready_in_s[job]))
        if pickup > problem.couriers.shift_left_s[courier] + SLACK_S:
            return "SHIFT_END"
        return None if self._keeps_promises(job, pickup) else "PROMISE"

    def _keeps_promises(self, job: int, pickup: float) -> bool:
        problem, jobs = self.problem, self.problem.jobs
        ride = self.seconds(self._pickup(job), self._dropoff(job))
        ride += problem.travel.half_pickup_service_s + problem.travel.half_dropoff_service_s
        if pickup > jobs.latest_pickup_s[job] + SLACK_S:
            return False
        if problem.keep_promises and pickup + ride > jobs.due_in_s[job] + SLACK_S:
            return False
        return not self._has_routes() or bool(ride <= jobs.ride_limit_s[job] + SLACK_S)

    def _has_routes(self) -> bool:
        """Longest rides are limited where couriers are shared."""
        problem = self.problem
        several = problem.sharing.jobs_per_offer > 1 or problem.sharing.lookahead_loads > 1
        return several or int(problem.couriers.plans.first[-1]) > 0

    def _here(self, courier: int) -> Place:
        return float(self.problem.couriers.latitude[courier]), float(self.problem.couriers.longitude[courier])

    def _pickup(self, job: int) -> Place:
        return float(self.problem.jobs.latitude[job]), float(self.problem.jobs.longitude[job])

    def _dropoff(self, job: int) -> Place:
        return float(self.problem.jobs.to_latitude[job]), float(self.problem.jobs.to_longitude[job])

    # --- routes of couriers with a plan

    def _stops(self, courier: int) -> range:
        first = self.problem.couriers.plans.first
        return range(int(first[courier]), int(first[courier + 1]))

    def _route(self, job: int, courier: int) -> str | None:
        """Return the first filter that no order of the stops passes together with the filters before it."""
        stops = [self._accepted(stop, courier) for stop in self._stops(courier)] + self._new(job, courier)
        passed = [self._passed(stops, order, courier) for order in self._orders(courier)]
        for count, name in enumerate(("REACH", "CAPACITY", "SHIFT_END", "PROMISE"), 1):
            if not any(all(one[:count]) for one in passed):
                return name
        return None

    def _accepted(self, stop: int, courier: int) -> Stop:
        plans, travel = self.problem.couriers.plans, self.problem.travel
        mate = int(plans.mate[stop])
        return Stop(
            at=(float(plans.latitude[stop]), float(plans.longitude[stop])),
            earliest=float(plans.earliest_s[stop]),
            latest=float(plans.latest_s[stop]),
            service=travel.half_pickup_service_s if plans.pickup[stop] else travel.half_dropoff_service_s,
            mate=NONE if mate == NONE else mate - self._stops(courier).start,
            ride_limit=float(plans.ride_limit_s[stop]),
            load=(int(plans.load[stop][0]), int(plans.load[stop][1]), int(plans.load[stop][2])),
        )

    def _new(self, job: int, courier: int) -> list[Stop]:
        jobs, travel, old = self.problem.jobs, self.problem.travel, len(self._stops(courier))
        persons, parcels, grams = self._load(job)
        due = float(jobs.due_in_s[job]) if self.problem.keep_promises else inf
        latest = float(jobs.latest_pickup_s[job])
        return [
            Stop(self._pickup(job), float(jobs.ready_in_s[job]), latest, travel.half_pickup_service_s,
                 NONE, inf, (persons, parcels, grams)),
            Stop(self._dropoff(job), -inf, due, travel.half_dropoff_service_s,
                 old, float(jobs.ride_limit_s[job]), (-persons, -parcels, -grams)),
        ]  # fmt: skip

    def _orders(self, courier: int) -> Iterator[tuple[int, ...]]:
        """Yield the orders that the policy allows; the new pickup and drop-off have the last two numbers."""
        old, sharing = len(self._stops(courier)), self.problem.sharing
        pickup, dropoff = old, old + 1
        rule = sharing.insertion.name
        frozen = old if rule == "APPEND" else min(sharing.frozen_stops, old)
        fixed, moving = tuple(range(frozen)), tuple(range(frozen, old))
        if rule == "REORDER" and self.problem.couriers.plans.reorder[courier] and len(moving) + 2 <= ALL_ORDERS:
            for order in permutations((*moving, pickup, dropoff)):
                if order.index(pickup) < order.index(dropoff):
                    yield fixed + order
            return
        for first in range(len(moving) + 1):
            for second in range(first, len(moving) + 1):
                yield (*fixed, *moving[:first], pickup, *moving[first:second], dropoff, *moving[second:])

    def _passed(self, stops: list[Stop], order: tuple[int, ...], courier: int) -> tuple[bool, bool, bool, bool]:
        """Drive an order: whether it keeps to reach, capacity, shift end and promises."""
        problem = self.problem
        start = now = float(problem.couriers.starts_in_s[courier])
        here, pickup = self._here(courier), len(stops) - 2
        moment: dict[int, float] = {}
        filled = [int(amount) for amount in problem.couriers.plans.aboard[courier]]
        room = self._room(courier)
        reach = capacity = shift = promise = True
        for number in order:
            stop = stops[number]
            there = now + self.seconds(here, stop.at)
            served = max(there + stop.service, stop.earliest)
            now, here = served + stop.service, stop.at
            moment[number] = served
            filled = [before + more for before, more in zip(filled, stop.load, strict=True)]
            capacity &= all(amount <= most for amount, most in zip(filled, room, strict=True))
            promise &= served <= stop.latest + SLACK_S
            if stop.mate == NONE:
                promise &= 0 <= served <= stop.ride_limit + SLACK_S
            else:
                promise &= stop.mate in moment and served - moment[stop.mate] <= stop.ride_limit + SLACK_S
            if number == pickup:
                reach = there - start <= problem.max_reach_s + SLACK_S
                shift = bool(served <= problem.couriers.shift_left_s[courier] + SLACK_S)
        return reach, capacity, shift, promise
