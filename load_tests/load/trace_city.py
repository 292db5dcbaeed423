"""A trace as the city that live clients and couriers move in, at another speed than the one it was recorded at."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from load_tests.cities.city import Demand, Leg, Spot
from load_tests.replay.day import Day


@dataclass(frozen=True, slots=True)
class TraceCity:
    """``pace``: market seconds that a second of the trace takes. ``patience_s``: of each request, trace seconds."""

    day: Day
    pace: float
    patience_s: np.ndarray

    @property
    def name(self) -> str:
        return self.day.trace.about.name

    @property
    def source(self) -> str:
        return self.day.trace.about.source

    @property
    def zones_geojson(self) -> str:
        return ""

    @property
    def policy(self) -> str:
        return "plain"

    @property
    def length_s(self) -> float:
        return self._market_s(self.day.requests.at_us[-1])

    def demands(self, rng: np.random.Generator, jobs_per_minute: float) -> Iterator[Demand]:  # noqa: ARG002 - recorded
        requests = self.day.requests
        for row in range(len(requests)):
            a, b, c, d = requests.places[row]
            patience = float(self.patience_s[row]) * self.pace
            yield Demand(
                self._market_s(requests.at_us[row]),
                requests.kinds[row],
                requests.clients[row],
                Spot(a, b, row),
                Spot(c, d, row),
                self._market_s(requests.ready_us[row]) if requests.ready_us[row] else None,
                patience if np.isfinite(patience) else None,
            )

    def homes(self, rng: np.random.Generator, couriers: int) -> list[Spot]:  # noqa: ARG002 - as recorded
        roster = self.day.roster
        places = zip(roster.latitude[:couriers], roster.longitude[:couriers], strict=True)
        return [Spot(latitude, longitude, row) for row, (latitude, longitude) in enumerate(places)]

    def nearest(self, latitude: float, longitude: float) -> Spot:
        return Spot(latitude, longitude, -1)

    def leg(self, start: Spot, end: Spot, at_s: float) -> Leg:
        metres, seconds = self.day.travel.leg(start.latitude, start.longitude, end.latitude, end.longitude, at_s)
        return Leg(metres, seconds * self.pace)

    def shifts(self) -> Iterator[tuple[int, float, float]]:
        """Row of the roster, and market seconds at which the shift begins and ends."""
        for row, (online, offline) in enumerate(
            zip(self.day.roster.online_us, self.day.roster.offline_us, strict=True)
        ):
            yield row, self._market_s(online), self._market_s(offline)

    def _market_s(self, at_us: int) -> float:
        return (at_us - self.day.start_us) / 1e6 * self.pace
