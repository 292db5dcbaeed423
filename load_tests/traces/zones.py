"""Zones that traces name instead of positions: outlines from a shapefile or GeoJSON, or a table of centroids; and the
points, drawn from a seed, that stand for somewhere in a zone."""

from __future__ import annotations

import csv
import json
import zipfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import shapefile
import shapely
from pyproj import CRS, Transformer
from shapely.geometry import shape

from geo.units import Floats, Ints
from load_tests.traces.errors import TraceError

# Names under which published zones keep their number.
ID_NAMES = ("locationid", "location_id", "zone_id", "objectid", "area_numbe", "area_num_1")
POINTS_A_ZONE = 256
# Of a zone of which only the centroid is known.
RADIUS_M = 400.0
METRES_A_DEGREE = 111_195.0
NOWHERE = -1
# ValueError: no JSON, no UTF-8, no number.
UNREADABLE = (OSError, zipfile.BadZipFile, shapefile.ShapefileException, ValueError, KeyError, TypeError)


@dataclass(frozen=True, slots=True)
class ZonePoints:
    """``ids``: zone numbers, ascending; ``points``: shape (zones, points, 2), latitude and longitude inside each."""

    ids: Ints
    points: Floats

    def rows(self, zones: Ints) -> Ints:
        """Row of each zone, NOWHERE for those that are not known."""
        place = np.minimum(np.searchsorted(self.ids, zones), max(self.ids.size - 1, 0))
        known = self.ids[place] == zones if self.ids.size else np.zeros(zones.size, bool)
        rows: Ints = np.where(known, place, NOWHERE)
        return rows

    def somewhere(self, rows: Ints, rng: np.random.Generator) -> Floats:
        """A point in each zone, shape (n, 2); the rows must be known."""
        found: Floats = self.points[rows, rng.integers(self.points.shape[1], size=rows.size)]
        return found


def read_zones(path: Path, seed: int) -> ZonePoints:
    """Outlines where the file has them (.shp, .zip, .geojson, .json), centroids from .csv. Raises TraceError."""
    rng = np.random.default_rng(seed)
    try:
        if path.suffix.lower() == ".csv":
            return _from_centroids(path, rng)
        outlines = _from_geojson(path) if path.suffix.lower() in (".geojson", ".json") else _from_shapefile(path)
    except (
        OSError,
        zipfile.BadZipFile,
        shapefile.ShapefileException,
        json.JSONDecodeError,
        UnicodeDecodeError,
        KeyError,
    ) as fault:
        raise TraceError(f"{path}: cannot be read as zones: {fault}") from fault
    return from_outlines(outlines, rng)


def from_outlines(outlines: dict[int, shapely.Geometry], rng: np.random.Generator) -> ZonePoints:
    """Zone number -> outline in degrees (x is longitude)."""
    ids = sorted(outlines)
    points = np.empty((len(ids), POINTS_A_ZONE, 2))
    for row, zone in enumerate(ids):
        points[row] = _points_inside(outlines[zone], rng)[:, ::-1]
    return ZonePoints(np.array(ids, np.int64), points)


def _points_inside(outline: shapely.Geometry, rng: np.random.Generator) -> Floats:
    """Uniform over the outline, shape (POINTS_A_ZONE, 2): longitude, latitude."""
    x_1, y_1, x_2, y_2 = outline.bounds
    shapely.prepare(outline)
    found = np.empty((0, 2))
    while len(found) < POINTS_A_ZONE:
        drawn = rng.uniform((x_1, y_1), (x_2, y_2), (4 * POINTS_A_ZONE, 2))
        found = np.concatenate([found, drawn[shapely.contains_xy(outline, drawn[:, 0], drawn[:, 1])]])
    return found[:POINTS_A_ZONE]


def _from_shapefile(path: Path) -> dict[int, shapely.Geometry]:
    with shapefile.Reader(str(path)) as reader:
        names = [str(name).lower() for name, *_ in reader.fields[1:]]
        column = _id_column(path, names)
        projection = _projection(path)
        to_degrees = None
        if projection:
            crs = CRS.from_wkt(projection)
            to_degrees = None if crs.is_geographic else Transformer.from_crs(crs, 4326, always_xy=True)
        found: dict[int, list[shapely.Geometry]] = {}
        for row in reader.iterShapeRecords():
            outline = shapely.make_valid(shape(row.shape.__geo_interface__))
            found.setdefault(int(row.record[column]), []).append(outline)
    outlines = {zone: shapely.union_all(parts) for zone, parts in found.items()}
    if to_degrees is not None:
        outlines = {zone: _projected(outline, to_degrees) for zone, outline in outlines.items()}
    return _in_degrees(path, outlines)


def _projection(path: Path) -> str:
    """What the .prj file beside the shapes says, or in the same archive; empty without one."""
    if path.suffix.lower() != ".zip":
        beside = path.with_suffix(".prj")
        return beside.read_text("utf-8") if beside.exists() else ""
    with zipfile.ZipFile(path) as archive:
        names = [name for name in archive.namelist() if name.lower().endswith(".prj")]
        return archive.read(names[0]).decode() if names else ""


def _projected(outline: shapely.Geometry, to_degrees: Transformer) -> shapely.Geometry:
    return shapely.transform(outline, lambda xy: np.column_stack(to_degrees.transform(xy[:, 0], xy[:, 1])))


def _from_geojson(path: Path) -> dict[int, shapely.Geometry]:
    features = json.loads(path.read_text("utf-8"))["features"]
    found: dict[int, list[shapely.Geometry]] = {}
    for feature in features:
        values = {str(name).lower(): value for name, value in feature["properties"].items()}
        name = list(values)[_id_column(path, list(values))]
        found.setdefault(int(values[name]), []).append(shapely.make_valid(shape(feature["geometry"])))
    return _in_degrees(path, {zone: shapely.union_all(parts) for zone, parts in found.items()})


def _in_degrees(path: Path, outlines: dict[int, shapely.Geometry]) -> dict[int, shapely.Geometry]:
    if not outlines:
        raise TraceError(f"{path}: holds no zones")
    low, high = shapely.bounds(list(outlines.values())).min(axis=0), shapely.bounds(list(outlines.values())).max(axis=0)
    if low[0] < -180 or high[2] > 180 or low[1] < -90 or high[3] > 90:
        raise TraceError(f"{path}: its coordinates are not degrees, and no .prj file beside it says what they are")
    return outlines


def _id_column(path: Path, names: list[str]) -> int:
    for wanted in ID_NAMES:
        if wanted in names:
            return names.index(wanted)
    raise TraceError(
        f"{path}: no column with the zone's number; one of {', '.join(ID_NAMES)} is needed, found: {names}"
    )


def _from_centroids(path: Path, rng: np.random.Generator) -> ZonePoints:
    """Columns: the number (LocationID), latitude, longitude, and radius_m where it is known."""
    with path.open(encoding="utf-8-sig", newline="") as file:
        rows = [{str(name).strip().lower(): value for name, value in row.items()} for row in csv.DictReader(file)]
    if not rows:
        raise TraceError(f"{path}: holds no zones")
    names = list(rows[0])
    number = names[_id_column(path, names)]
    for wanted in ("latitude", "longitude"):
        if wanted not in names:
            raise TraceError(f"{path}: no column {wanted!r}; found: {', '.join(names)}")
    found: dict[int, Floats] = {}
    for line, row in enumerate(rows, start=2):
        try:
            centre = np.array([float(row["latitude"]), float(row["longitude"])])
            spread = float(row.get("radius_m") or RADIUS_M) / METRES_A_DEGREE
            zone = int(row[number])
        except (ValueError, TypeError) as fault:
            raise TraceError(f"{path}, line {line}: {fault}") from fault
        if not (abs(centre) <= (90, 180)).all() or not 0 <= spread <= 180 or not 0 <= zone < 2**31:
            raise TraceError(f"{path}, line {line}: no zone of this world: {zone}, {centre[0]:g}, {centre[1]:g}")
        east = spread / max(np.cos(np.radians(centre[0])), 0.05)
        angle, far = rng.uniform(0, 2 * np.pi, POINTS_A_ZONE), np.sqrt(rng.uniform(0, 1, POINTS_A_ZONE))
        found[zone] = centre + np.column_stack([spread * far * np.sin(angle), east * far * np.cos(angle)])
    ids = sorted(found)
    return ZonePoints(np.array(ids, np.int64), np.stack([found[zone] for zone in ids]))
