"""Read the zones that traces name instead of positions: outlines from a shapefile or GeoJSON, or a table of centroids.

This module imports libraries for geometry, which take long to load: import it where zones are read.
"""

from __future__ import annotations

import csv
import struct
import warnings
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import shapefile
import shapely
from pyproj import CRS, Transformer
from pyproj.exceptions import ProjError
from shapely.geometry import shape

from geo.documents import read_document
from geo.faults import Faults, ZoneError
from geo.features import Feature, read_features
from geo.geojson import MOST_POINTS, MOST_ZONES
from geo.rings import draw
from geo.units import Floats
from load_tests.traces.errors import TraceError
from load_tests.traces.zone_points import LARGEST_ZONE, METRES_A_DEGREE, ZonePoints

# Names under which published zones keep their number.
ID_NAMES = ("locationid", "location_id", "zone_id", "objectid", "area_numbe", "area_num_1")
POINTS_A_ZONE = 256
# Of a zone of which only the centroid is known.
RADIUS_M = 400.0
# Coordinates of any projection: feet around the globe.
FARTHEST = 1e9
# Of a shapefile, and of all that an archive holds.
MOST_BYTES = 256 << 20
# pyshp logs remarks about the direction of rings, which does not matter here.
shapefile.VERBOSE = False
UNREADABLE = (
    *(OSError, EOFError, zipfile.BadZipFile, NotImplementedError, RuntimeError),
    *(shapefile.ShapefileException, shapely.errors.ShapelyError, struct.error, ProjError),
    *(ValueError, LookupError, TypeError, AttributeError, OverflowError, ArithmeticError, AssertionError),
)


def read_zones(path: Path, seed: int) -> ZonePoints:
    """Outlines where the file has them (.shp, .zip, .geojson, .json), centroids from .csv.

    Raises TraceError with the file, and the zone or feature.
    """
    rng = np.random.default_rng(seed)
    try:
        if path.suffix.lower() == ".csv":
            return _from_centroids(path, rng)
        repairs: tuple[str, ...] = ()
        if path.suffix.lower() in (".geojson", ".json"):
            outlines, repairs = _from_geojson(path)
        else:
            outlines = _from_shapefile(path)
        return from_outlines(_in_degrees(outlines), rng, repairs)
    except TraceError as fault:
        raise TraceError(f"{path}: {fault}") from fault
    except UNREADABLE as fault:
        raise TraceError(f"{path}: cannot be read as zones: {fault}") from fault


def from_outlines(
    outlines: dict[int, shapely.Geometry], rng: np.random.Generator, repairs: tuple[str, ...] = ()
) -> ZonePoints:
    """Zone number -> outline in degrees (x is longitude). Raises TraceError for one without area."""
    ids = sorted(outlines)
    points = np.empty((len(ids), POINTS_A_ZONE, 2))
    for row, zone in enumerate(ids):
        if not shapely.area(outlines[zone]) > 0:
            raise TraceError(f"zone {zone} has no area")
        points[row] = _points_inside(outlines[zone], rng)[:, ::-1]
    return ZonePoints(np.array(ids, np.int64), points, repairs)


def _points_inside(outline: shapely.Geometry, rng: np.random.Generator) -> Floats:
    """Uniform over the outline, shape (POINTS_A_ZONE, 2): longitude, latitude. Drawn in its triangles by their area,
    so that a thin outline takes no longer than a square."""
    parts = shapely.get_parts(shapely.constrained_delaunay_triangles(outline))
    areas = shapely.area(parts)
    corners = shapely.get_coordinates(parts[areas > 0]).reshape(-1, 4, 2)[:, :3]
    if not corners.size:  # too thin for triangles: along its middle
        return np.repeat(shapely.get_coordinates(shapely.point_on_surface(outline)), POINTS_A_ZONE, axis=0)
    share = areas[areas > 0] / areas.sum()
    chosen = corners[rng.choice(len(corners), POINTS_A_ZONE, p=share)]
    along, across = rng.uniform(size=(2, POINTS_A_ZONE, 1))
    over = along + across > 1
    along, across = np.where(over, 1 - along, along), np.where(over, 1 - across, across)
    found: Floats = chosen[:, 0] + along * (chosen[:, 1] - chosen[:, 0]) + across * (chosen[:, 2] - chosen[:, 0])
    return found


def _from_shapefile(path: Path) -> dict[int, shapely.Geometry]:
    _check_size(path)
    # The reader warns of wrong lengths in headers, and reads on.
    with warnings.catch_warnings(action="ignore"), shapefile.Reader(str(path)) as reader:
        names = [str(name).lower() for name, *_ in reader.fields[1:]]
        column = _id_column(names)
        projection = _projection(path)
        to_degrees = None
        if projection:
            crs = CRS.from_wkt(projection)
            to_degrees = None if crs.is_geographic else Transformer.from_crs(crs, 4326, always_xy=True)
        found: dict[int, list[shapely.Geometry]] = {}
        for number, row in enumerate(reader.iterShapeRecords()):
            zone = _zone_number(row.record[column], f"record {number}", names[column])
            if row.shape.shapeType == shapefile.NULL:
                continue
            if not (np.abs(np.array(row.shape.points, np.float64)) <= FARTHEST).all():
                raise TraceError(f"zone {zone} is not on Earth: record {number} has coordinates beyond {FARTHEST:g}")
            outline = shape(row.shape.__geo_interface__)
            if shapely.get_dimensions(outline) != 2:
                raise TraceError(f"zone {zone} has no area: record {number} is a {outline.geom_type}")
            found.setdefault(zone, []).append(shapely.make_valid(outline, method="structure", keep_collapsed=False))
    outlines = {zone: shapely.union_all(parts) for zone, parts in found.items()}
    if to_degrees is not None:
        outlines = {zone: _projected(outline, to_degrees) for zone, outline in outlines.items()}
    return outlines


def _check_size(path: Path) -> None:
    size = path.stat().st_size
    if path.suffix.lower() == ".zip":
        with zipfile.ZipFile(path) as archive:
            size = sum(entry.file_size for entry in archive.infolist())
    if size > MOST_BYTES:
        raise TraceError(f"holds {size:,} bytes: at most {MOST_BYTES:,} are read")


def _projection(path: Path) -> str:
    """What the .prj file beside the shapes says, or in the same archive; empty without one."""
    if path.suffix.lower() != ".zip":
        beside = path.with_suffix(".prj")
        return beside.read_text("utf-8-sig") if beside.exists() else ""
    with zipfile.ZipFile(path) as archive:
        names = [name for name in archive.namelist() if name.lower().endswith(".prj")]
        return archive.read(names[0]).decode("utf-8-sig") if names else ""


def _projected(outline: shapely.Geometry, to_degrees: Transformer) -> shapely.Geometry:
    return shapely.transform(outline, lambda xy: np.column_stack(to_degrees.transform(xy[:, 0], xy[:, 1])))


def _from_geojson(path: Path) -> tuple[dict[int, shapely.Geometry], tuple[str, ...]]:
    """Return outlines by zone, and how they were repaired. A feature without a geometry has no outline."""
    try:
        document = read_features(read_document(path))
        if len(document.features) > MOST_ZONES:
            raise TraceError(f"holds {len(document.features)} zones: at most {MOST_ZONES} are read")
        numbers = list(_zone_numbers(document.features))
        faults = Faults(lambda index: f"zone {numbers[index]}")
        drawn = draw([feature.geometry for feature in document.features], faults, MOST_POINTS)
        faults.refuse(f"feature {index}: {said}" for index, said in sorted(document.oddities.items()))
    except ZoneError as fault:
        raise TraceError(str(fault)) from fault
    found: dict[int, list[Any]] = {}
    for number, polygon in zip(numbers, drawn.polygons.tolist(), strict=True):
        if polygon is not None:
            found.setdefault(number, []).append(polygon)
    if numbers and not found:
        raise TraceError(f"feature 0 (zone {numbers[0]}) has no geometry, and no other feature has one")
    repairs = tuple(
        f"zone {numbers[index]}: {said}" for index in sorted(drawn.repairs) for said in drawn.repairs[index]
    )
    return {number: shapely.union_all(parts) for number, parts in found.items()}, repairs


def _zone_numbers(features: list[Feature]) -> Iterator[int]:
    """Yield the number of each feature: of the property that holds it, else the feature's id."""
    for feature in features:
        values = {str(name).lower(): value for name, value in feature.properties.items()}
        name = next((wanted for wanted in ID_NAMES if wanted in values), "")
        given = values[name] if name else feature.identity
        if given is None:
            raise TraceError(
                f"feature {feature.index}: no property with the zone's number; one of {', '.join(ID_NAMES)} is needed,"
                f" found: {', '.join(values) or 'no properties'}"
            )
        yield _zone_number(given, f"feature {feature.index}", name or "id")


def _zone_number(given: object, where: str, name: str) -> int:
    """Return a whole number, also of a text or a float that is one. Raises TraceError."""
    try:
        number = float(given) if isinstance(given, str | int | float) and not isinstance(given, bool) else -1.0
    except (ValueError, OverflowError):
        number = -1.0
    if not 0 <= number <= LARGEST_ZONE or number % 1:
        shown = repr(given)[:40].encode("ascii", "backslashreplace").decode()
        raise TraceError(f"{where}: {name} must be a whole number from 0 to {LARGEST_ZONE}, not {shown}")
    return int(number)


def _in_degrees(outlines: dict[int, shapely.Geometry]) -> dict[int, shapely.Geometry]:
    if not outlines:
        raise TraceError("holds no zones")
    bounds = shapely.bounds(list(outlines.values()))
    for zone, (west, south, east, north) in zip(outlines, bounds.tolist(), strict=True):
        if not (np.isfinite(west) and np.isfinite(north)):
            raise TraceError(f"zone {zone} has no area")
        if west < -180 or east > 180 or south < -90 or north > 90:
            raise TraceError("the coordinates are not degrees, and no .prj file beside it says what they are")
    return outlines


def _id_column(names: list[str]) -> int:
    for wanted in ID_NAMES:
        if wanted in names:
            return names.index(wanted)
    raise TraceError(f"no column with the zone's number; one of {', '.join(ID_NAMES)} is needed, found: {names}")


def _from_centroids(path: Path, rng: np.random.Generator) -> ZonePoints:
    """Columns: the number (LocationID), latitude, longitude, and radius_m where it is known."""
    with path.open(encoding="utf-8-sig", newline="") as file:
        rows = [{str(name).strip().lower(): value for name, value in row.items()} for row in csv.DictReader(file)]
    if not rows:
        raise TraceError("holds no zones")
    names = list(rows[0])
    number = names[_id_column(names)]
    for wanted in ("latitude", "longitude"):
        if wanted not in names:
            raise TraceError(f"no column {wanted!r}; found: {', '.join(names)}")
    found: dict[int, Floats] = {}
    for line, row in enumerate(rows, start=2):
        zone = _zone_number(row[number], f"line {line}", number)
        try:
            centre = np.array([float(row["latitude"]), float(row["longitude"])])
            spread = float(row.get("radius_m") or RADIUS_M) / METRES_A_DEGREE
        except (ValueError, TypeError) as fault:
            raise TraceError(f"line {line}: {fault}") from fault
        if not (abs(centre) <= (90, 180)).all() or not 0 <= spread <= 180:
            raise TraceError(f"line {line}: zone {zone} is not on Earth: {centre[0]:g}, {centre[1]:g}")
        east = spread / max(np.cos(np.radians(centre[0])), 0.05)
        angle, far = rng.uniform(0, 2 * np.pi, POINTS_A_ZONE), np.sqrt(rng.uniform(0, 1, POINTS_A_ZONE))
        found[zone] = centre + np.column_stack([spread * far * np.sin(angle), east * far * np.cos(angle)])
    ids = sorted(found)
    return ZonePoints(np.array(ids, np.int64), np.stack([found[zone] for zone in ids]))
