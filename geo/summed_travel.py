"""Learned travel times of policies of earlier versions: every trip counts, and nothing bounds what follows from it.

Logs and snapshots of such policies are folded with it, so that what was decided by them can be recomputed. A policy
that is published now names its bounds, and uses ``geo.learned_travel``.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from geo.travel import StraightLine, one_leg
from geo.trip_times import HOURS, Sums, TripTimes, pair_keys
from geo.units import Floats, Ints


@dataclass(frozen=True, slots=True)
class SummedTravel:
    """The straight line, times what trips like this one took against it.

    The ratio of a pair of cells is (seconds taken + w t r) / (straight seconds + w t), with w ``prior_trips``, t the
    straight line's seconds for the leg in question, and r the same ratio of the pair of coarse cells, which shrinks in
    turn to that of all trips, and that to 1: the ratio estimator with a prior of w trips (Gelman et al., Bayesian Data
    Analysis, 2013, on partial pooling). The hour of departure has a factor of its own, shrunk to 1 likewise.
    """

    straight: StraightLine
    trips: TripTimes
    prior_trips: float
    half_pickup_service_s: float = 0.0
    half_dropoff_service_s: float = 0.0

    def legs(
        self, from_lat: Floats, from_lng: Floats, to_lat: Floats, to_lng: Floats, at_s: float
    ) -> tuple[Floats, Floats]:
        metres, seconds = self.straight.legs(from_lat, from_lng, to_lat, to_lng, at_s)
        start, start_coarse = self.trips.numbers_at(np.asarray(from_lat), np.asarray(from_lng))
        end, end_coarse = self.trips.numbers_at(np.asarray(to_lat), np.asarray(to_lng))
        flat = seconds.ravel()
        general = self._all()
        ratio = self._shrunk(self.trips.coarse, pair_keys(start_coarse, end_coarse), flat, np.full(flat.size, general))
        ratio = self._shrunk(self.trips.pairs, pair_keys(start, end), flat, ratio)
        return metres, (flat * ratio).reshape(seconds.shape) * self._hour(at_s)

    def leg(self, from_lat: float, from_lng: float, to_lat: float, to_lng: float, at_s: float) -> tuple[float, float]:
        return one_leg(self, from_lat, from_lng, to_lat, to_lng, at_s)

    def embed(self, lat: Floats, lng: Floats) -> Floats:
        return self.straight.embed(lat, lng)

    def radius(self, seconds: float, at_s: float) -> float:
        """By the pair of cells that was fastest against the straight line."""
        fastest = min(1.0, self._all())
        for sums in (self.trips.coarse, self.trips.pairs):
            known = sums.columns[: len(sums.row_of)]
            fastest = min(fastest, float((known[:, 1] / np.maximum(known[:, 2], 1e-9)).min(initial=1.0)))
        return self.straight.radius(seconds / max(fastest * self._hour(at_s), 1e-3), at_s)

    def _shrunk(self, sums: Sums, keys: Ints, seconds: Floats, towards: Floats) -> Floats:
        known = sums.at(keys)
        weight = self.prior_trips * np.maximum(seconds, 1.0) * 1000
        ratio: Floats = (known[:, 1] + weight * towards) / (known[:, 2] + weight)
        return ratio

    def _all(self) -> float:
        return self._of_kind(self.trips.all, 0, 1.0)

    def _hour(self, at_s: float) -> float:
        """How much slower this hour is than the day."""
        row = self.trips.all.row_of.get(0)
        if row is None:
            return 1.0
        _, observed, straight = self.trips.all.columns[row].tolist()
        general: float = max(observed, 1) / max(straight, 1)
        return self._of_kind(self.trips.hours, int(at_s // 3600) % HOURS, general) / general

    def _of_kind(self, sums: Sums, key: int, towards: float) -> float:
        row = sums.row_of.get(key)
        if row is None:
            return towards
        trips, observed, straight = sums.columns[row].tolist()
        weight = self.prior_trips * max(straight, 1) / trips
        return float((observed + weight * towards) / (straight + weight))
