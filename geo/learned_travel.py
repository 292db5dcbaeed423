"""Travel times learned from completed trips, cell to cell, shrunk to the straight line where trips are few."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from geo.plausible_trips import DEFAULT_BOUNDS, TripBounds
from geo.travel import StraightLine, one_leg
from geo.trip_times import HOURS, Middles, Sums, TripTimes, pair_keys
from geo.units import Floats, Ints


@dataclass(frozen=True, slots=True)
class LearnedTravel:
    """The straight line, times what trips like this one took against it.

    The ratio of a pair of cells is (n m + w r) / (n + w), with n trips, m the ratio of the middle half of them
    (``geo.ratios``), w ``prior_trips``, and r the same ratio of the pair of coarse cells, which shrinks in turn to that
    of all trips, and that to 1 (Gelman et al., Bayesian Data Analysis, 2013, on partial pooling). The hour of departure
    has a factor of its own, shrunk to 1 likewise. Every trip counts once, however long it is.

    Each leg takes from ``bounds.least_ratio`` to ``bounds.most_ratio`` times the straight line's time, whatever trips
    were learned from.
    """

    straight: StraightLine
    trips: TripTimes
    prior_trips: float
    bounds: TripBounds = DEFAULT_BOUNDS
    half_pickup_service_s: float = 0.0
    half_dropoff_service_s: float = 0.0

    def __post_init__(self) -> None:
        if self.trips.sums is not Middles:
            raise ValueError("trips must hold the middles of ratios: TripTimes(resolution)")

    def legs(
        self, from_lat: Floats, from_lng: Floats, to_lat: Floats, to_lng: Floats, at_s: float
    ) -> tuple[Floats, Floats]:
        metres, seconds = self.straight.legs(from_lat, from_lng, to_lat, to_lng, at_s)
        start, start_coarse = self.trips.numbers_at(np.asarray(from_lat), np.asarray(from_lng))
        end, end_coarse = self.trips.numbers_at(np.asarray(to_lat), np.asarray(to_lng))
        ratio = np.full(seconds.size, self._all())
        ratio = self._shrunk(self.trips.coarse.at(pair_keys(start_coarse, end_coarse)), ratio)
        ratio = self._shrunk(self.trips.pairs.at(pair_keys(start, end)), ratio)
        ratio = np.clip(ratio * self._hour(at_s), self.bounds.least_ratio, self.bounds.most_ratio)
        return metres, seconds * ratio.reshape(seconds.shape)

    def leg(self, from_lat: float, from_lng: float, to_lat: float, to_lng: float, at_s: float) -> tuple[float, float]:
        return one_leg(self, from_lat, from_lng, to_lat, to_lng, at_s)

    def embed(self, lat: Floats, lng: Floats) -> Floats:
        return self.straight.embed(lat, lng)

    def radius(self, seconds: float, at_s: float) -> float:
        """By the pair of cells that was fastest against the straight line."""
        fastest = self._all()
        for sums in (self.trips.coarse, self.trips.pairs):
            fastest = min(fastest, float(sums.columns[: len(sums.row_of), 1].min(initial=fastest)))
        least = np.clip(fastest * self._hour(at_s), self.bounds.least_ratio, self.bounds.most_ratio)
        return self.straight.radius(seconds / float(least), at_s)

    def _shrunk(self, known: Ints | Floats, towards: Floats) -> Floats:
        """``known``: trips and their ratio, shape (n, 2)."""
        ratio: Floats = (known[:, 0] * known[:, 1] + self.prior_trips * towards) / (known[:, 0] + self.prior_trips)
        return ratio

    def _all(self) -> float:
        return self._of_key(self.trips.all, 0, 1.0)

    def _hour(self, at_s: float) -> float:
        """How much slower this hour is than the day."""
        row = self.trips.all.row_of.get(0)
        if row is None:
            return 1.0
        general = max(float(self.trips.all.columns[row, 1]), self.bounds.least_ratio)
        return self._of_key(self.trips.hours, int(at_s // 3600) % HOURS, general) / general

    def _of_key(self, sums: Sums, key: int, towards: float) -> float:
        return float(self._shrunk(sums.at(np.array([key])), np.array([towards]))[0])
