"""Zones from GeoJSON (RFC 7946): one answer names all faults, each with its feature.

A document may be a FeatureCollection, a Feature or a geometry. It may hold at most MOST_ZONES zones and MOST_POINTS
points, whose bounding boxes meet in at most MOST_MEETINGS pairs. Polygons that are invalid by a trifle are repaired
(geo.repairs). All of it is read in arrays, so that the largest document takes well below a second; parse it beside an
event loop, not in it. What was read last is kept by its text: a document is parsed once on its way to a market.
"""

from __future__ import annotations

import re
import reprlib
from dataclasses import dataclass, field, replace
from typing import Any

import shapely

from geo.characters import text_fault
from geo.faults import Faults
from geo.features import Feature, read_features
from geo.repairs import Geometries
from geo.rings import Drawn, draw
from geo.zones import EVERY_VEHICLE, VEHICLES, Rule, Zone, ZoneError, ZoneSet

SURGE_LIMITS = (1.0, 10.0)
# Classes are labels of metrics: few, and short.
CLASS = re.compile(r"[a-z0-9_]{1,40}")
MOST_CLASSES = 50
MOST_ZONES, MOST_POINTS, LONGEST_NAME = 10_000, 200_000, 100
# Of a name in messages.
LONGEST_LABEL = 24
# Pairs of zones, each also with itself, whose bounding boxes meet: bounds how many zones one point can lie in.
MOST_MEETINGS = 250_000
# Zones whose boxes are compared with all others at a time.
MEETING_CHUNK = 256
# Documents that are kept after they were read.
KEPT = 4


@dataclass(slots=True)
class _Kept:
    """The documents that were read last, by their text."""

    sets: dict[str, ZoneSet] = field(default_factory=dict)

    def keep(self, text: str, zones: ZoneSet) -> ZoneSet:
        self.sets[text] = zones
        while len(self.sets) > KEPT:
            self.sets.pop(next(iter(self.sets)), None)
        return zones


_CHECKED, _LOGGED = _Kept(), _Kept()


def zones_from_geojson(text: str, repair: bool = True) -> ZoneSet:
    """Read a GeoJSON document; empty text means no zones.

    Without ``repair`` a document that needs repairs is refused, and so is read in bounded time. Raises ZoneError with
    a sentence for each fault, which names its feature.
    """
    if not text:
        return ZoneSet()
    found = _CHECKED.sets.get(text)
    if found is not None:
        return found
    zones = _read(text, checked=True, repair=repair)
    keep_zones(text, zones)
    return zones


def keep_zones(text: str, zones: ZoneSet) -> None:
    """Keep what ``zones_from_geojson`` made of a text, here or in another process."""
    _CHECKED.keep(text, zones)
    if zones.document != text:
        _LOGGED.keep(zones.document, zones)


def zones_of_log(text: str) -> ZoneSet:
    """Read a document from a log, without the present limits: its market accepted it before.

    Names that no protobuf string can hold get a question mark for each half character.
    """
    if not text:
        return ZoneSet()
    found = _CHECKED.sets.get(text) or _LOGGED.sets.get(text)
    return found if found is not None else _LOGGED.keep(text, _read(text, checked=False))


def _read(text: str, checked: bool, repair: bool = True) -> ZoneSet:
    document = read_features(text, checked)
    features = document.features
    if checked and len(features) > MOST_ZONES:
        raise ZoneError(f"{len(features)} zones: at most {MOST_ZONES} are read; merge some, or draw fewer")
    labels = [_label(feature) for feature in features]
    faults = Faults(lambda index: labels[index])
    faults.add_all(document.oddities)
    names = [_name(feature, faults, checked) for feature in features]
    read = [_zone(feature, name, faults) for feature, name in zip(features, names, strict=True)]
    drawn = draw([feature.geometry for feature in features], faults, MOST_POINTS if checked else None, repair)
    placed = [index for index, polygon in enumerate(drawn.polygons) if polygon is not None]
    if checked:
        _check_queues(read, placed, faults)
        faults.refuse()
        _check_whole(read, drawn, placed)
    faults.refuse()
    polygons = drawn.polygons[placed]
    shapely.prepare(polygons)
    repairs = tuple(f"{labels[index]}: {said}" for index in sorted(drawn.repairs) for said in drawn.repairs[index])
    zones = ZoneSet(
        tuple(replace(read[index], polygon=polygon) for index, polygon in zip(placed, polygons, strict=True)),
        document.with_drawn(drawn) if checked else text,
        repairs,
    )
    # The first test of a point builds the index of each polygon: do it here, not in an event loop.
    zones.warm_up()
    return zones


def _check_whole(read: list[Zone], drawn: Drawn, placed: list[int]) -> None:
    """Check what no single feature is at fault for. Raises ZoneError."""
    if read and not placed:
        raise ZoneError("feature 0 has no geometry, and no other feature has one: draw at least one polygon")
    _check_meetings(drawn.polygons[placed])
    classes = len({zone.kind for zone in read} - {""})
    if classes > MOST_CLASSES:
        raise ZoneError(f"{classes} classes of zones: at most {MOST_CLASSES} are possible")


def _label(feature: Feature) -> str:
    """Return how messages name a feature: its place in the document, and the beginning of its name."""
    given = feature.properties.get("name")
    if not isinstance(given, str) or not given.strip():
        return f"feature {feature.index}"
    short = given if len(given) <= LONGEST_LABEL else given[: LONGEST_LABEL - 2] + ".."
    return f"feature {feature.index} ({short.encode('ascii', 'backslashreplace').decode()})"


def _name(feature: Feature, faults: Faults, checked: bool) -> str:
    """Return the name of a feature, or its place in the document where it has none."""
    given = feature.properties.get("name") or f"feature {feature.index}"
    if not checked:
        return str(given).encode("utf-8", "replace").decode()
    name = str(given) if isinstance(given, str | int | float) and not isinstance(given, bool) else ""
    if not name:
        faults.add(feature.index, f"the name must be a text, not {_shown(given)}")
    elif len(name) > LONGEST_NAME:
        faults.add(feature.index, f"the name has {len(name)} characters; at most {LONGEST_NAME} are possible")
    elif fault := text_fault(name):
        faults.add(feature.index, f"the name {_shown(name)} {fault}")
    return name


def _zone(feature: Feature, name: str, faults: Faults) -> Zone:
    """Return the zone of a feature without its polygon; add the faults of its properties."""
    rule, kind, vehicles, multiplier = Rule.SERVICE_AREA, "", 0, 1.0
    try:
        rule = _rule(feature.properties)
        vehicles = _vehicles(feature.properties) if rule is Rule.NO_ENTRY else 0
        multiplier = _multiplier(feature.properties) if rule is Rule.SURGE_OVERRIDE else 1.0
    except ValueError as fault:
        faults.add(feature.index, str(fault))
    try:
        kind = _class(feature.properties)
    except ValueError as fault:
        faults.add(feature.index, str(fault))
    return Zone(name, rule, None, vehicles, multiplier, kind)


def _shown(value: object) -> str:
    """Return a value as a message shows it: in ASCII, and not at length."""
    return reprlib.repr(value).encode("ascii", "backslashreplace").decode()


def _check_queues(read: list[Zone], placed: list[int], faults: Faults) -> None:
    seen: set[str] = set()
    for index in placed:
        if read[index].rule is Rule.QUEUE:
            if read[index].name in seen:
                faults.add(index, "another queue zone has this name: give each a name of its own")
            seen.add(read[index].name)


def _check_meetings(polygons: Geometries) -> None:
    tree, found = shapely.STRtree(polygons), 0
    for start in range(0, len(polygons), MEETING_CHUNK):
        found += tree.query(polygons[start : start + MEETING_CHUNK]).shape[1]
        if found > MOST_MEETINGS:
            raise ZoneError(
                f"too many zones lie over one another: their bounding boxes meet in more than {MOST_MEETINGS} pairs;"
                " merge some, or draw fewer"
            )


def _rule(properties: dict[str, Any]) -> Rule:
    given = properties.get("rule")
    if given is None:  # also null, which map programs write for an attribute without a value
        return Rule.SERVICE_AREA
    try:
        return Rule(given)
    except ValueError as fault:
        known = ", ".join(rule.value for rule in Rule)
        raise ValueError(f"the rule must be one of {known}, not {_shown(given)}") from fault


def _class(properties: dict[str, Any]) -> str:
    given = properties.get("class")
    if given is None:
        return ""
    if not isinstance(given, str) or (given and not CLASS.fullmatch(given)):
        raise ValueError(f"the class must be a word of a-z, 0-9 and _, up to 40 long, not {_shown(given)}")
    return given


def _vehicles(properties: dict[str, Any]) -> int:
    """Bits of the vehicles named, or of all where none are."""
    names = properties.get("vehicles")
    if names is None:
        return EVERY_VEHICLE
    if not isinstance(names, list) or not names or not all(isinstance(n, str) and n in VEHICLES for n in names):
        raise ValueError(f"vehicles must be a list out of {', '.join(VEHICLES)}, not {_shown(names)}")
    return sum(VEHICLES[name] for name in set(names))


def _multiplier(properties: dict[str, Any]) -> float:
    value = properties.get("multiplier")
    low, high = SURGE_LIMITS
    if isinstance(value, bool) or not isinstance(value, int | float) or not low <= value <= high:
        raise ValueError(f"a surge override needs a multiplier from {low:g} to {high:g}, not {_shown(value)}")
    return float(value)
