"""Manhattan as it was in 2018: New York's taxi trip counts, speeds and zones, from the data of the package pyhailing.

The DIMACS ride-hailing challenge's data (Apache-2.0): trips by weekday (Monday to Friday), quarter hour and pair of
taxi zones; mean speeds by pair of zones and quarter hour; zone polygons in UTM zone 18N, kilometres.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import shapely
from pyproj import Transformer
from scipy.spatial import cKDTree
from shapely.geometry import mapping, shape

from load_tests.cities.city import Demand, Leg, Spot
from load_tests.cities.demand import RESTAURANTS, poisson_demands
from load_tests.cities.manhattan_data import UTM_18N_KM

# Manhattan's avenues lie this far east of north.
GRID_ANGLE = np.radians(28.9)
# A Friday from six in the evening.
WEEKDAY, START_QUARTER = 4, 72
# Points drawn in advance for each zone.
POINTS_A_ZONE = 400
# Meals do not travel far.
MEAL_REACH_KM = 3.0


class Manhattan:
    name = "Manhattan, a Friday of 2018 from 18:00"
    source = "trips drawn from New York's taxi counts of 2018, at the speeds of then; deliveries are added on top"
    policy = "city"
    length_s = None

    def __init__(self, folder: Path, rng: np.random.Generator) -> None:
        features = json.loads((folder / "taxizones.geojson").read_text("utf-8-sig"))["features"]
        to_degrees = Transformer.from_crs(UTM_18N_KM, 4326, always_xy=True)
        self._zones = [int(feature["properties"]["zone_id"]) for feature in features]
        self._row = {zone: row for row, zone in enumerate(self._zones)}
        outlines = [shape(feature["geometry"]) for feature in features]
        polygons = [
            shapely.transform(outline, lambda xy: np.column_stack(to_degrees.transform(xy[:, 0], xy[:, 1])))
            for outline in outlines
        ]
        self.zones_geojson = _geojson([feature["properties"]["zone_name"] for feature in features], polygons)
        points = [_points_inside(outline, POINTS_A_ZONE, rng) for outline in outlines]
        self._spots: dict[int, list[Spot]] = {}
        self._grid: dict[tuple[float, float], np.ndarray] = {}
        for zone, inside in zip(self._zones, points, strict=True):
            lng, lat = to_degrees.transform(inside[:, 0], inside[:, 1])
            self._spots[zone] = [Spot(float(a), float(b), zone) for a, b in zip(lat, lng, strict=True)]
            for spot, along in zip(self._spots[zone], _on_grid(inside), strict=True):
                self._grid[spot.latitude, spot.longitude] = along
        self._load_trips(folder)
        self._load_speeds(folder)
        self._kitchens = [self._ride(rng)[0] for _ in range(RESTAURANTS)]

    def _load_trips(self, folder: Path) -> None:
        """The pairs of zones, shape (n, 2), and their cumulative share of the trips, for the hour after the start."""
        hour = pl.col("t_15min").is_between(START_QUARTER, START_QUARTER + 3)
        pairs = (
            pl.scan_csv(folder / "trips.csv")
            .filter((pl.col("dow") == WEEKDAY) & hour)
            .group_by("puzone", "dozone")
            .agg(pl.col("n_trips").sum())
            .sort("puzone", "dozone")
            .collect()
        )
        trips = pairs["n_trips"].to_numpy()
        self._pairs = pairs.select("puzone", "dozone").to_numpy()
        self._shares = np.cumsum(trips / trips.sum())

    def _load_speeds(self, folder: Path) -> None:
        """Kilometres a second, (zones, zones), for the hour after the start."""
        speeds = (
            pl.scan_csv(folder / "speeds.csv")
            .filter(pl.col("min").is_between(START_QUARTER * 15, START_QUARTER * 15 + 45))
            .group_by("puzone", "dozone")
            .agg(pl.col("speed_mean").mean())
            .sort("puzone", "dozone")
            .collect()
        )
        means = speeds["speed_mean"].to_numpy()
        self._speed = np.full((len(self._zones), len(self._zones)), means.mean())
        pickups, dropoffs = ([self._row[zone] for zone in speeds[name]] for name in ("puzone", "dozone"))
        self._speed[pickups, dropoffs] = means

    def demands(self, rng: np.random.Generator, jobs_per_minute: float) -> Iterator[Demand]:
        return poisson_demands(rng, jobs_per_minute, self._ride, self._door, self._kitchens)

    def homes(self, rng: np.random.Generator, couriers: int) -> list[Spot]:
        """Where trips end: that is where vehicles are."""
        return [self._ride(rng)[1] for _ in range(couriers)]

    def nearest(self, latitude: float, longitude: float) -> Spot:
        spots, tree = self._all_spots
        return spots[int(tree.query((latitude, longitude))[1])]

    @cached_property
    def _all_spots(self) -> tuple[list[Spot], cKDTree]:
        spots = [spot for inside in self._spots.values() for spot in inside]
        return spots, cKDTree([(spot.latitude, spot.longitude) for spot in spots])

    def leg(self, start: Spot, end: Spot, at_s: float) -> Leg:  # noqa: ARG002 - one hour's speeds
        """Along the street grid, at the mean speed between the two zones."""
        km = float(np.abs(self._grid[start.latitude, start.longitude] - self._grid[end.latitude, end.longitude]).sum())
        return Leg(km * 1000, km / self._speed[self._row[start.key], self._row[end.key]])

    def _ride(self, rng: np.random.Generator) -> tuple[Spot, Spot]:
        pickup, dropoff = self._pairs[np.searchsorted(self._shares, rng.random())]
        return self._somewhere(rng, int(pickup)), self._somewhere(rng, int(dropoff))

    def _door(self, rng: np.random.Generator, kitchen: int) -> Spot:
        near = self._near_zones[self._kitchens[kitchen].key]
        return self._somewhere(rng, near[int(rng.integers(len(near)))])

    @cached_property
    def _near_zones(self) -> dict[int, list[int]]:
        centres = {
            zone: self._grid[self._spots[zone][0].latitude, self._spots[zone][0].longitude] for zone in self._row
        }
        return {
            zone: [other for other in centres if np.abs(centres[other] - centres[zone]).sum() <= MEAL_REACH_KM]
            for zone in centres
        }

    def _somewhere(self, rng: np.random.Generator, zone: int) -> Spot:
        return self._spots[zone][int(rng.integers(POINTS_A_ZONE))]


def _points_inside(outline: Any, count: int, rng: np.random.Generator) -> np.ndarray:
    """Uniform points in a polygon, shape (count, 2): drawn in its box, kept where inside."""
    west, south, east, north = outline.bounds
    found: list[np.ndarray] = []
    while sum(map(len, found)) < count:
        drawn = rng.uniform((west, south), (east, north), (4 * count, 2))
        found.append(drawn[shapely.contains_xy(outline, drawn[:, 0], drawn[:, 1])])
    return np.concatenate(found)[:count]


def _on_grid(points: np.ndarray) -> np.ndarray:
    """Kilometres along avenues and streets, shape (n, 2)."""
    sine, cosine = np.sin(GRID_ANGLE), np.cos(GRID_ANGLE)
    along: np.ndarray = points @ np.array([[cosine, sine], [-sine, cosine]])
    return along


def _part(latitude: float) -> str:
    """Of Manhattan, by the street that the zone's middle lies north of: 14th, 59th."""
    return "downtown" if latitude < 40.737 else "midtown" if latitude < 40.768 else "uptown"


def _geojson(names: list[str], polygons: list[Any]) -> str:
    """A hair wider than drawn, so that points on a border do not fall between two zones."""
    features = [
        {
            "type": "Feature",
            "properties": {"name": name, "rule": "service_area", "class": _part(polygon.centroid.y)},
            "geometry": mapping(polygon.buffer(2e-5).simplify(1e-5)),
        }
        for name, polygon in zip(names, polygons, strict=True)
    ]
    return json.dumps({"type": "FeatureCollection", "features": features})
