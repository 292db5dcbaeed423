"""Polygons from the coordinates of GeoJSON geometries: all features of a document at once, in arrays."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import chain
from typing import Any

import numpy as np
import numpy.typing as npt
import shapely

from geo.faults import Faults, ZoneError
from geo.meridian import WIDEST, crosses_as_before, unwrap, unwrap_as_before
from geo.repairs import Geometries, Repairs
from geo.units import Floats, Ints

POSITION = "each position must be a list of two or more numbers"


@dataclass(frozen=True, slots=True)
class Rings:
    """The rings of all features, one after the other.

    ``x``, ``y`` (points,): longitude and latitude, degrees. ``first`` (rings + 1,): ring r's points are first[r] to
    first[r + 1]. ``part`` (rings,): the polygon that a ring belongs to, its outer ring first. ``feature`` (parts,): the
    feature that a polygon belongs to. ``multi`` (features,): whether the feature has several parts.
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


@dataclass(frozen=True, slots=True)
class Drawn:
    """What the geometries of a document draw. Shapes (features,).

    ``polygons``: a shapely Polygon or MultiPolygon within -180 to 180 degrees; None for a feature without a place.
    ``changed``: whether the polygon is not drawn as the document has it, because it was repaired or cut at the
    antimeridian. ``repairs``: by feature, what was repaired.
    """

    polygons: Geometries
    changed: npt.NDArray[np.bool_]
    repairs: dict[int, list[str]]


class _Wrong(Exception):
    """Features that cannot be drawn, each with its fault."""

    def __init__(self, faults: dict[int, str]) -> None:
        super().__init__("features cannot be drawn")
        self.faults = faults


def draw(geometries: Sequence[object], faults: Faults, most_points: int | None = None, repair: bool = True) -> Drawn:
    """Draw all GeoJSON geometries of a document; add a fault for each one that cannot be drawn.

    Without ``most_points`` the document comes from a log: its geometries are valid, and are read as they were then.
    Without ``repair`` an invalid geometry is a fault.
    Raises ZoneError for more than ``most_points`` points in all.
    """
    parts: dict[int, list[list[list[Any]]]] = {}
    repairs: dict[int, list[str]] = {}
    for index, geometry in enumerate(geometries):
        try:
            given = _parts(geometry)
            kept, dropped = without_short_rings(given) if most_points is not None else (given, 0)
        except ValueError as fault:
            faults.add(index, str(fault))
            continue
        if dropped:
            repairs[index] = [f"repaired: {dropped} rings of fewer than three points left out"]
        if kept:
            parts[index] = kept
    drawn = Drawn(np.full(len(geometries), None, object), np.zeros(len(geometries), bool), repairs)
    drawn.changed[list(repairs)] = True
    points = sum(len(ring) for polygons in parts.values() for polygon in polygons for ring in polygon)
    if most_points is not None and points > most_points:
        raise ZoneError(f"{points} points: at most {most_points} are read; draw the zones with fewer")
    while parts:
        try:
            _draw(parts, drawn, faults, checked=most_points is not None, repair=repair)
        except _Wrong as wrong:
            # Each step finds all features at which it fails: they are left out of the next attempt.
            faults.add_all(wrong.faults)
            parts = {index: polygons for index, polygons in parts.items() if index not in wrong.faults}
        else:
            break
    return drawn


def _draw(parts: dict[int, list[list[list[Any]]]], drawn: Drawn, faults: Faults, checked: bool, repair: bool) -> None:
    features = np.array(list(parts), np.int64)
    rings = _rings(list(parts.values()), features)
    _check_coordinates(rings, features)
    crossing = _unwrap(rings, features, checked)
    polygons = _built(rings, features)
    wrong = ~shapely.is_valid(polygons) | ~(shapely.area(polygons) > 0) if checked else ~shapely.is_valid(polygons)
    repairs = Repairs()
    for row in np.flatnonzero(wrong).tolist():
        feature = int(features[row])
        if not (checked and repair):
            faults.add(feature, f"invalid: {shapely.is_valid_reason(polygons[row])}")
            continue
        polygons[row], said = repairs.repaired(polygons[row])
        if polygons[row] is None:
            faults.add(feature, said)
        else:
            drawn.repairs.setdefault(feature, []).append(said)
            drawn.changed[feature] = True
    drawn.polygons[features], moved = _within_the_world(polygons)
    drawn.changed[features[crossing]] = True
    drawn.changed[features[moved]] = True


def _rings(polygons: list[list[list[list[Any]]]], features: Ints) -> Rings:
    rings: list[list[Any]] = []
    part: list[int] = []
    feature: list[int] = []
    multi = np.array([len(parts) > 1 for parts in polygons], bool)
    for row, parts in enumerate(polygons):
        for polygon in parts:
            part += [len(feature)] * len(polygon)
            feature.append(row)
            rings += polygon
    lengths = np.fromiter(map(len, rings), np.int64, len(rings))
    of_ring = np.array(feature, np.int64)[np.array(part, np.int64)]
    first = np.concatenate([[0], np.cumsum(lengths)])
    points = _points(chain.from_iterable(rings))
    if points is None:
        wrong = [of for ring, of in zip(rings, of_ring.tolist(), strict=True) if _points(ring) is None]
        raise _Wrong({int(features[row]): f"the geometry cannot be read: {POSITION}" for row in wrong})
    return Rings(points[0], points[1], first, np.array(part, np.int64), np.array(feature, np.int64), multi)


def _parts(geometry: object) -> list[list[list[Any]]]:
    """Return the polygons of a geometry, each a list of its rings: none for a geometry without positions, which RFC
    7946 lets stand for a feature without a place. Raises ValueError with the fault."""
    if geometry is None:
        return []
    found: list[list[list[Any]]] = []
    look: list[object] = [geometry]
    while look:
        one = look.pop(0)
        kind = one.get("type") if isinstance(one, dict) else None
        if not isinstance(one, dict) or not isinstance(kind, str):
            raise ValueError("the geometry must be a Polygon or MultiPolygon")
        if kind == "GeometryCollection":
            within = one.get("geometries")
            if not isinstance(within, list):
                raise ValueError("the geometry cannot be read: geometries must be a list")
            look = [*within, *look]
            continue
        if kind not in ("Polygon", "MultiPolygon"):
            raise ValueError(f"has no area: the geometry must be a Polygon or MultiPolygon, not a {_short_name(kind)}")
        given = one.get("coordinates")
        parts: Any = given if kind == "MultiPolygon" else [given]
        if not isinstance(parts, list) or not all(isinstance(part, list) for part in parts):
            raise ValueError("the geometry cannot be read: coordinates must be lists of rings")
        if not all(isinstance(ring, list) for part in parts for ring in part):
            raise ValueError("the geometry cannot be read: a ring must be a list of positions")
        # Empty holes and empty parts draw nothing; an empty outer ring with holes in it is caught as too short.
        found += [part[:1] + [ring for ring in part[1:] if ring] for part in parts if any(part)]
    return found


def _short_name(kind: str) -> str:
    return kind[:20].encode("ascii", "backslashreplace").decode()


def without_short_rings(parts: list[list[list[Any]]]) -> tuple[list[list[list[Any]]], int]:
    """Leave out rings of one or two positions, which enclose nothing; return the others and how many were left out.

    Raises ValueError where nothing else is left, or such an outer ring has holes.
    """
    if not any(_short(ring) for part in parts for ring in part):
        return parts, 0
    kept: list[list[list[Any]]] = []
    dropped = 0
    for part in parts:
        shell, *holes = part
        wide = [ring for ring in holes if not _short(ring)]
        dropped += len(holes) - len(wide)
        if not _short(shell):
            kept.append([shell, *wide])
        elif wide:
            raise ValueError("the geometry cannot be read: an outer ring with holes has fewer than three positions")
        else:
            dropped += 1
    if not kept:
        raise ValueError("has no area: no ring has three positions")
    return kept, dropped


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


def _short(ring: list[Any]) -> bool:
    """Whether a ring has fewer than three positions, but for the last one that closes it."""
    return len(ring) < 3 or (len(ring) == 3 and ring[0] == ring[2])


def _check_coordinates(rings: Rings, features: Ints) -> None:
    """GeoJSON has longitude first; some have it the other way round."""
    wrong = ~(np.abs(rings.x) <= 360.0) | ~(np.abs(rings.y) <= 90.0)
    faults: dict[int, str] = {}
    rows = rings.feature_of_point
    for point in np.flatnonzero(wrong).tolist()[::-1]:
        faults[int(features[rows[point]])] = (
            f"[{rings.x[point]:g}, {rings.y[point]:g}] is not on Earth: positions are [longitude, latitude] in degrees"
        )
    if faults:
        raise _Wrong(faults)


def _unwrap(rings: Rings, features: Ints, checked: bool) -> Ints:
    """Make rings across the antimeridian continuous, in place; return the rows of the features that have one."""
    if not rings.x.size or rings.x.max() - rings.x.min() <= WIDEST:
        return np.zeros(0, np.int64)
    if not checked and crosses_as_before(rings.x, rings.first):
        unwrap_as_before(rings.x, rings.first, rings.feature_of_point, rings.multi.size)
        return np.zeros(0, np.int64)
    shell = np.concatenate([[True], np.diff(rings.part) > 0])
    questions, crossing = unwrap(rings.x, rings.y, rings.first, shell)
    if questions and checked:
        rows = rings.feature_of_ring
        raise _Wrong({int(features[rows[ring]]): said for ring, said in questions.items()})
    found: Ints = np.unique(rings.feature_of_ring[crossing])
    return found


def _built(rings: Rings, features: Ints) -> Geometries:
    of_point = np.repeat(np.arange(rings.part.size), rings.lengths)
    try:
        lines = shapely.linearrings(np.stack([rings.x, rings.y], axis=-1), indices=of_point)
    except (ValueError, shapely.errors.ShapelyError) as fault:
        raise _Wrong(dict(_unreadable(rings, features))) from fault
    parts = shapely.polygons(lines, indices=rings.part)
    polygons = np.empty(rings.multi.size, object)
    several = rings.multi[rings.feature]
    polygons[rings.feature[~several]] = parts[~several]
    if several.any():
        features, numbers = np.unique(rings.feature[several], return_inverse=True)
        polygons[features] = shapely.multipolygons(parts[several], indices=numbers)
    return polygons


def _unreadable(rings: Rings, features: Ints) -> Iterator[tuple[int, str]]:
    """Yield the features with a ring that is none, and its fault."""
    rows = rings.feature_of_ring.tolist()
    for row, start, end in zip(rows, rings.first[:-1].tolist(), rings.first[1:].tolist(), strict=True):
        try:
            shapely.linearrings(rings.x[start:end], rings.y[start:end])
        except (ValueError, shapely.errors.ShapelyError) as fault:
            yield int(features[row]), f"the geometry cannot be read: {fault}"


def _within_the_world(polygons: Geometries) -> tuple[Geometries, npt.NDArray[np.bool_]]:
    """Move parts beyond 180 degrees to where positions are given: -180 to 180. Return also which were moved."""
    bounds = shapely.bounds(polygons).reshape(-1, 4)
    out = (bounds[:, 0] < -180.0) | (bounds[:, 2] > 180.0)
    if out.any():
        world = shapely.box(-180.0, -90.0, 180.0, 90.0)
        pieces = [
            shapely.intersection(shapely.transform(polygons[out], partial(np.add, (turn, 0.0))), world)
            for turn in (-360.0, 0.0, 360.0)
        ]
        polygons[out] = [_areas_of(made) for made in shapely.union_all(np.stack(pieces, axis=-1), axis=-1)]
    return polygons, out


def _areas_of(geometry: Any) -> Any:
    """Return the polygons of a geometry without the lines and points in which parts touch a border."""
    parts = shapely.get_parts(geometry)
    areas = parts[shapely.get_dimensions(parts) == 2]
    return areas[0] if len(areas) == 1 else shapely.multipolygons(areas)
