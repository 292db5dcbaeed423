"""The features of a GeoJSON document: a FeatureCollection, a Feature, or a geometry alone (RFC 7946)."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, field
from typing import Any

import shapely

from geo.documents import MOST_BYTES, too_large
from geo.faults import ZoneError
from geo.rings import Drawn

GEOMETRIES = (
    *("Point", "MultiPoint", "LineString", "MultiLineString"),
    *("Polygon", "MultiPolygon", "GeometryCollection"),
)
# Names of WGS 84 with longitude first, which documents from before RFC 7946 may give.
DEGREES = re.compile(r"(.*[:/])?(CRS84|OGC:2:84|EPSG[:/]([\d.]*[:/])?4326)", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Feature:
    """A feature at its place in the document. ``identity``: its ``id`` member, None without one."""

    index: int
    properties: dict[str, Any]
    geometry: object
    identity: object = None


@dataclass(frozen=True, slots=True)
class Document:
    """``oddities``: by feature, what JSON or GeoJSON does not allow in it."""

    text: str
    collection: dict[str, Any]
    features: list[Feature]
    oddities: dict[int, str]

    def with_drawn(self, drawn: Drawn) -> str:
        """Return the document as a FeatureCollection with the geometries that were repaired or cut; the text itself
        where nothing is different."""
        several = self.collection["type"] == "FeatureCollection"
        if several and not drawn.changed.any() and not self.text.startswith("\ufeff"):
            return self.text
        given = self.collection["features"] if several else [_feature_of(self.collection)]
        features = [
            feature | {"geometry": json.loads(shapely.to_geojson(polygon))} if changed else feature
            for feature, polygon, changed in zip(given, drawn.polygons, drawn.changed.tolist(), strict=True)
        ]
        whole = self.collection if several else {"type": "FeatureCollection"}
        return json.dumps(whole | {"features": features}, ensure_ascii=False, separators=(",", ":"))


def read_features(text: str, checked: bool = True) -> Document:
    """Parse a document. Raises ZoneError where it is no GeoJSON; what is odd in single features is noted in it.

    Without ``checked`` the document comes from a log, and was accepted before.
    """
    if checked:
        size = len(text.encode("utf-8", "surrogatepass"))
        if size > MOST_BYTES:
            raise ZoneError(too_large(size))
    oddities = _Oddities()
    collection = _parsed(text.removeprefix("\ufeff"), oddities)
    if not isinstance(collection, dict) or collection.get("type") not in ("FeatureCollection", "Feature", *GEOMETRIES):
        raise ZoneError('the document must be GeoJSON: an object of type "FeatureCollection", "Feature" or "Polygon"')
    if checked:
        _check_reference_system(collection)
    if collection["type"] == "FeatureCollection":
        given = collection.get("features")
        if not isinstance(given, list):
            raise ZoneError('"features" must be a list')
    else:
        given = [_feature_of(collection)]
    wrong = [
        f'feature {index}: must be an object of type "Feature"'
        for index, feature in enumerate(given)
        if not isinstance(feature, dict) or feature.get("type") != "Feature"
    ]
    if wrong:
        raise ZoneError(*wrong)
    features = [
        Feature(index, _properties(feature), feature.get("geometry"), feature.get("id"))
        for index, feature in enumerate(given)
    ]
    return Document(text, collection, features, _placed(given, oddities) if checked else {})


def _feature_of(document: dict[str, Any]) -> dict[str, Any]:
    """Return a document that is no collection as a feature."""
    if document["type"] == "Feature":
        return document
    return {"type": "Feature", "properties": {}, "geometry": document}


def _properties(feature: dict[str, Any]) -> dict[str, Any]:
    properties = feature.get("properties")
    return properties if isinstance(properties, dict) else {}


def _check_reference_system(collection: dict[str, Any]) -> None:
    """Documents from before RFC 7946 may say that their coordinates are no degrees."""
    given = collection.get("crs")
    properties = given.get("properties") if isinstance(given, dict) else None
    name = properties.get("name") if isinstance(properties, dict) else None
    if isinstance(name, str) and not DEGREES.fullmatch(name):
        shown = name[:60].encode("ascii", "backslashreplace").decode()
        raise ZoneError(f'"crs" names {shown}: convert the document to WGS 84 degrees (RFC 7946, section 4)')


@dataclass(slots=True)
class _Oddities:
    """Objects with a key twice, and constants that JSON does not have, as the parser met them."""

    found: list[tuple[object, str]] = field(default_factory=list)

    def object_of(self, pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        made = dict(pairs)
        if len(made) < len(pairs):
            self.found.append((made, "an object has the same key twice"))
        return made

    def constant_of(self, name: str) -> float:
        made = float(name)
        self.found.append((made, f"{name} is not a number in JSON"))
        return made

    def whole_number_of(self, digits: str) -> Any:
        if len(digits) <= 400:
            return int(digits)
        made = float("inf")
        self.found.append((made, f"a number has {len(digits)} digits"))
        return made


def _parsed(text: str, oddities: _Oddities) -> object:
    hooks: dict[str, Any] = {"object_pairs_hook": oddities.object_of, "parse_constant": oddities.constant_of}
    try:
        try:
            return json.loads(text, **hooks)
        except json.JSONDecodeError:
            raise
        except ValueError:  # more digits than Python reads
            oddities.found.clear()
            return json.loads(text, parse_int=oddities.whole_number_of, **hooks)
    except RecursionError as fault:
        raise ZoneError("not JSON that can be read: lists or objects are nested too deeply") from fault
    except ValueError as fault:
        raise ZoneError(f"not JSON: {fault}") from fault


def _placed(features: list[dict[str, Any]], oddities: _Oddities) -> dict[int, str]:
    """Return the odd values by the feature that holds each, which is found by identity. Raises ZoneError for one that
    lies outside all features."""
    faults: dict[int, str] = {}
    odd = {id(value): fault for value, fault in oddities.found}
    for index, feature in enumerate(features if odd else ()):
        look: list[object] = [feature]
        while look:
            value = look.pop()
            fault = odd.pop(id(value), None)
            if fault is not None:
                faults.setdefault(index, fault)
            look += value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    if odd and not faults:
        raise ZoneError(f"the document: {next(iter(odd.values()))}")
    return faults
