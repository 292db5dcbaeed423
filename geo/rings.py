"""Polygons from the coordinates of GeoJSON geometries: all features of a document at once, in arrays."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import chain
from typing import Any

import numpy as np
import numpy.typing as npt
import shapely

from geo.units import Floats, Ints
from geo.zones import ZoneError

Geometries = npt.NDArray[Any]
# Names feature ``index`` in a message.
Where = Callable[[int], str]

POSITION = "each position must be a list of two or more numbers"


@dataclass(frozen=True, slots=True)
class Rings:
    """The rings of all features, one after the other.

    ``x``, ``y`` (points,): longitude and latitude, degrees. ``first`` (rings + 1,): ring r's points are first[r] to
    first[r + 1]. ``part`` (rings,): the polygon that a ring belongs to, its outer ring first. ``feature`` (parts,): the
    feature that a polygon belongs to. ``multi`` (features,): whether the feature is a MultiPolygon.
    """

    x: Floats
    y: Floats
    first: Ints
    part: Ints
    feature: Ints
    multi: npt.NDArray[np.bool_]

    @property
    def lengths(self) -> Ints:
        """Shape (rings,): points of each ring."""
        return np.diff(self.first)

    @property
    def feature_of_ring(self) -> Ints:
        return self.feature[self.part]

    @property
    def feature_of_point(self) -> Ints:
        return np.repeat(self.feature_of_ring, self.lengths)


def polygons_of(geometries: Sequence[object], where: Where, most_points: int | None = None) -> Geometries:
    """Return a shapely Polygon or MultiPolygon for each GeoJSON geometry, within -180 to 180 degrees; shape (n,).

    Raises ZoneError for the first feature whose geometry is none, and for more than ``most_points`` points in all.
    """
    if not geometries:
        return np.empty(0, object)
    rings = _rings(geometries, where, most_points)
    _check_coordinates(rings, where)
    _unwrap(rings)
    polygons = _built(rings, where)
    wrong = ~shapely.is_valid(polygons)
    if wrong.any():
        index = int(np.argmax(wrong))
        raise ZoneError(f"{where(index)}: the geometry is invalid: {shapely.is_valid_reason(polygons[index])}")
    return _within_the_world(polygons)


def _rings(geometries: Sequence[object], where: Where, most_points: int | None) -> Rings:
    rings: list[list[Any]] = []
    part: list[int] = []
    feature: list[int] = []
    multi = np.zeros(len(geometries), bool)
    for index, geometry in enumerate(geometries):
        parts, multi[index] = _parts(geometry, where, index)
        for polygon in parts:
            part += [len(feature)] * len(polygon)
            feature.append(index)
            rings += polygon
    lengths = np.fromiter(map(len, rings), np.int64, len(rings))
    if most_points is not None and lengths.sum() > most_points:
        raise ZoneError(f"{lengths.sum()} points: at most {most_points} are read; draw the zones with fewer")
    of_ring = np.array(feature, np.int64)[np.array(part, np.int64)] if part else np.zeros(0, np.int64)
    if (lengths < 3).any():
        index = int(of_ring[np.argmax(lengths < 3)])
        raise ZoneError(f"{where(index)}: the geometry cannot be read: a ring has fewer than three positions")
    first = np.concatenate([[0], np.cumsum(lengths)])
    points = _points(chain.from_iterable(rings))
    if points is None:
        index = next(of for ring, of in zip(rings, of_ring.tolist(), strict=True) if _points(ring) is None)
        raise ZoneError(f"{where(index)}: the geometry cannot be read: {POSITION}")
    return Rings(points[0], points[1], first, np.array(part, np.int64), np.array(feature, np.int64), multi)


def _parts(geometry: object, where: Where, index: int) -> tuple[list[list[list[Any]]], bool]:
    """Return the polygons of a geometry, each a list of its rings, and whether it is a MultiPolygon."""
    kind = geometry.get("type") if isinstance(geometry, dict) else None
    if kind not in ("Polygon", "MultiPolygon"):
        raise ZoneError(f"{where(index)}: the geometry must be a Polygon or MultiPolygon with points")
    assert isinstance(geometry, dict)
    given = geometry.get("coordinates")
    parts: Any = given if kind == "MultiPolygon" else [given]
    if not isinstance(parts, list) or not all(isinstance(part, list) for part in parts):
        raise ZoneError(f"{where(index)}: the geometry cannot be read: coordinates must be lists of rings")
    if not all(isinstance(ring, list) for part in parts for ring in part):
        raise ZoneError(f"{where(index)}: the geometry cannot be read: a ring must be a list of positions")
    # Empty holes and empty parts draw nothing; an empty outer ring with holes in it is caught as too short.
    parts = [part[:1] + [ring for ring in part[1:] if ring] for part in parts if any(part)]
    if not parts:
        raise ZoneError(f"{where(index)}: the geometry must be a Polygon or MultiPolygon with points")
    return parts, kind == "MultiPolygon"


def _points(positions: Iterable[Any]) -> tuple[Floats, Floats] | None:
    """Return x and y of the positions, without a loop in Python; None where one is no position."""
    positions = list(positions)
    if set(map(type, positions)) != {list}:
        return None
    widths = set(map(len, positions))
    if min(widths) < 2:
        return None
    if len(widths) > 1:
        positions = [position[:2] for position in positions]
        widths = {2}
    numbers = list(chain.from_iterable(positions))
    if not set(map(type, numbers)) <= {int, float}:
        return None
    try:
        table = np.array(numbers, np.float64).reshape(len(positions), widths.pop())
    except OverflowError:
        return None
    return table[:, 0].copy(), table[:, 1].copy()


def _check_coordinates(rings: Rings, where: Where) -> None:
    """GeoJSON has longitude first; some have it the other way round."""
    wrong = ~(np.abs(rings.x) <= 360.0) | ~(np.abs(rings.y) <= 90.0)
    if wrong.any():
        point = int(np.argmax(wrong))
        raise ZoneError(
            f"{where(int(rings.feature_of_point[point]))}: the position [{rings.x[point]:g}, {rings.y[point]:g}]"
            " is not on Earth; GeoJSON positions are [longitude, latitude] in degrees"
        )


def _unwrap(rings: Rings) -> None:
    """Make rings that jump from one side of the antimeridian to the other continuous, in place.

    A step of more than half a turn between two corners can only mean the short way across the antimeridian: western
    longitudes of the whole feature go a turn further.
    """
    if not rings.x.size or rings.x.max() - rings.x.min() <= 180:
        return
    following = np.arange(1, rings.x.size + 1)
    following[rings.first[1:] - 1] = rings.first[:-1]
    jumps = np.abs(rings.x[following] - rings.x) > 180
    feature = rings.feature_of_point
    crossing = np.zeros(rings.multi.size, bool)
    crossing[feature[jumps]] = True
    rings.x[crossing[feature] & (rings.x < 0)] += 360.0


def _built(rings: Rings, where: Where) -> Geometries:
    of_point = np.repeat(np.arange(rings.part.size), rings.lengths)
    try:
        lines = shapely.linearrings(np.stack([rings.x, rings.y], axis=-1), indices=of_point)
    except (ValueError, shapely.errors.ShapelyError) as fault:
        raise ZoneError(f"{where(_first_unreadable(rings))}: the geometry cannot be read: {fault}") from fault
    parts = shapely.polygons(lines, indices=rings.part)
    polygons = np.empty(rings.multi.size, object)
    several = rings.multi[rings.feature]
    polygons[rings.feature[~several]] = parts[~several]
    if several.any():
        features, numbers = np.unique(rings.feature[several], return_inverse=True)
        polygons[features] = shapely.multipolygons(parts[several], indices=numbers)
    return polygons


def _first_unreadable(rings: Rings) -> int:
    for ring, (start, end) in enumerate(zip(rings.first[:-1].tolist(), rings.first[1:].tolist(), strict=True)):
        try:
            shapely.linearrings(rings.x[start:end], rings.y[start:end])
        except (ValueError, shapely.errors.ShapelyError):
            return int(rings.feature_of_ring[ring])
    return 0


def _within_the_world(polygons: Geometries) -> Geometries:
    """Parts beyond 180 degrees are moved to where positions are given: -180 to 180."""
    bounds = shapely.bounds(polygons)
    out = (bounds[:, 0] < -180.0) | (bounds[:, 2] > 180.0)
    if out.any():
        world = shapely.box(-180.0, -90.0, 180.0, 90.0)
        pieces = [
            shapely.intersection(shapely.transform(polygons[out], partial(np.add, (turn, 0.0))), world)
            for turn in (-360.0, 0.0, 360.0)
        ]
        polygons[out] = shapely.union_all(np.stack(pieces, axis=-1), axis=-1)
    return polygons
