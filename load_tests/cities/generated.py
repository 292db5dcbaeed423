"""A city made from a seed, for where no real one is at hand: demand thick in the middle, thin at the edge."""

from __future__ import annotations

import json
from collections.abc import Iterator

import numpy as np

from geo.travel import StraightLine
from load_tests.cities.city import Demand, Leg, Spot
from load_tests.cities.demand import RESTAURANTS, poisson_demands

CENTRE = (50.0, 8.0)
HALF_SIDE = (0.06, 0.09)
SPREAD = (0.018, 0.028)
# Of the city's sides, the centre's.
INNER = 0.3
MEAL_SPREAD = (0.007, 0.011)
WAYS = StraightLine(circuity=1.3, speeds_mps=(5.5,))


class GeneratedCity:
    name = "a generated city"
    source = "everything is drawn from the seed; install the data of Manhattan (make setup) for a real one"
    policy = "city"
    length_s = None

    def __init__(self, rng: np.random.Generator) -> None:
        (lat, lng), (dlat, dlng) = CENTRE, HALF_SIDE
        features = []
        for name, part in (("centre", INNER), ("outskirts", 1.0)):
            corners = ((-1, -1), (1, -1), (1, 1), (-1, 1), (-1, -1))
            ring = [[lng + part * sx * dlng, lat + part * sy * dlat] for sx, sy in corners]
            properties = {"name": name, "rule": "service_area", "class": name}
            geometry = {"type": "Polygon", "coordinates": [ring]}
            features.append({"type": "Feature", "properties": properties, "geometry": geometry})
        self.zones_geojson = json.dumps({"type": "FeatureCollection", "features": features})
        self._kitchens = [self._spot(rng, CENTRE, SPREAD) for _ in range(RESTAURANTS)]

    def demands(self, rng: np.random.Generator, jobs_per_minute: float) -> Iterator[Demand]:
        return poisson_demands(rng, jobs_per_minute, self._ride, self._door, self._kitchens)

    def homes(self, rng: np.random.Generator, couriers: int) -> list[Spot]:
        return [self._spot(rng, CENTRE, SPREAD) for _ in range(couriers)]

    def nearest(self, latitude: float, longitude: float) -> Spot:
        return Spot(latitude, longitude, 0)

    def leg(self, start: Spot, end: Spot, at_s: float) -> Leg:
        return Leg(*WAYS.leg(start.latitude, start.longitude, end.latitude, end.longitude, at_s))

    def _ride(self, rng: np.random.Generator) -> tuple[Spot, Spot]:
        return self._spot(rng, CENTRE, SPREAD), self._spot(rng, CENTRE, SPREAD)

    def _door(self, rng: np.random.Generator, kitchen: int) -> Spot:
        start = self._kitchens[kitchen]
        return self._spot(rng, (start.latitude, start.longitude), MEAL_SPREAD)

    def _spot(self, rng: np.random.Generator, centre: tuple[float, float], spread: tuple[float, float]) -> Spot:
        """Normal around the centre, inside the city."""
        inside = 0.999 * np.array(HALF_SIDE)
        lat, lng = np.clip(rng.normal(centre, spread), np.array(CENTRE) - inside, np.array(CENTRE) + inside)
        return Spot(float(lat), float(lng), 0)
