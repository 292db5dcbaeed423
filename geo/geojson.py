"""Zones from GeoJSON (RFC 7946): each fault is named with its feature.

A document may hold at most MOST_ZONES zones and MOST_POINTS points, whose bounding boxes meet in at most MOST_MEETINGS
pairs. All of it is read in arrays, so that the largest document takes well below a second; parse it beside an event
loop, not in it. What was read last is kept by its text: a document is parsed once on its way to a market.
"""

from __future__ import annotations

import json
import re
import reprlib
import unicodedata
from dataclasses import dataclass, field
from typing import Any, NoReturn

import shapely

from geo.rings import Geometries, Where, polygons_of
from geo.zones import EVERY_VEHICLE, VEHICLES, Rule, Zone, ZoneError, ZoneSet

SURGE_LIMITS = (1.0, 10.0)
# Classes are labels of metrics: few, and short.
CLASS = re.compile(r"[a-z0-9_]{1,40}")
MOST_CLASSES = 50
MOST_ZONES, MOST_POINTS, LONGEST_NAME = 10_000, 200_000, 100
# Pairs of zones, each also with itself, whose bounding boxes meet: bounds how many zones one point can lie in.
MOST_MEETINGS = 250_000
# Zones whose boxes are compared with all others at a time.
MEETING_CHUNK = 256
# Documents that are kept after they were read.
KEPT = 2


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


def zones_from_geojson(text: str) -> ZoneSet:
    """Read a FeatureCollection; empty text means no zones. Raises ZoneError naming the feature and the fault."""
    if not text:
        return ZoneSet()
    found = _CHECKED.sets.get(text)
    return found if found is not None else _CHECKED.keep(text, _read(text, checked=True))


def keep_zones(text: str, zones: ZoneSet) -> None:
    """Keep what ``zones_from_geojson`` made of a text elsewhere, in another process."""
    _CHECKED.keep(text, zones)


def zones_of_log(text: str) -> ZoneSet:
    """Read a document from a log, without the present limits: its market accepted it before.

    Names that no protobuf string can hold get a question mark for each half character.
    """
    if not text:
        return ZoneSet()
    found = _CHECKED.sets.get(text) or _LOGGED.sets.get(text)
    return found if found is not None else _LOGGED.keep(text, _read(text, checked=False))


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


def _read(text: str, checked: bool) -> ZoneSet:
    oddities = _Oddities()
    features = _features(_document(text, oddities))
    if checked:
        if len(features) > MOST_ZONES:
            raise ZoneError(f"{len(features)} zones: at most {MOST_ZONES} are read; merge some, or draw fewer")
        if oddities.found:
            _refuse(features, *oddities.found[0])
    names = [_name(index, feature, checked) for index, feature in enumerate(features)]

    def where(index: int) -> str:
        own = names[index]
        return f"feature {index}" if own == f"feature {index}" else f"feature {index} ({own})"

    properties = [_properties(feature) for feature in features]
    rules = [_rule(where, index, given) for index, given in enumerate(properties)]
    kinds = [_class(where, index, given) for index, given in enumerate(properties)]
    polygons = polygons_of([feature.get("geometry") for feature in features], where, MOST_POINTS if checked else None)
    if checked:
        _check_queues(names, rules, where)
        _check_meetings(polygons)
        if len(set(kinds) - {""}) > MOST_CLASSES:
            raise ZoneError(f"{len(set(kinds) - {''})} classes of zones: at most {MOST_CLASSES} are possible")
    shapely.prepare(polygons)
    zones = ZoneSet(
        tuple(
            Zone(
                names[index],
                rule,
                polygons[index],
                _vehicles(where, index, properties[index]) if rule is Rule.NO_ENTRY else 0,
                _multiplier(where, index, properties[index]) if rule is Rule.SURGE_OVERRIDE else 1.0,
                kinds[index],
            )
            for index, rule in enumerate(rules)
        )
    )
    # The first test of a point builds the index of each polygon: do it here, not in an event loop.
    zones.warm_up()
    return zones


def _document(text: str, oddities: _Oddities) -> object:
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


def _features(document: object) -> list[dict[str, Any]]:
    if not isinstance(document, dict) or document.get("type") != "FeatureCollection":
        raise ZoneError('the document must be a GeoJSON object of type "FeatureCollection"')
    features = document.get("features")
    if not isinstance(features, list):
        raise ZoneError('"features" must be a list')
    for index, feature in enumerate(features):
        if not isinstance(feature, dict) or feature.get("type") != "Feature":
            raise ZoneError(f'feature {index}: must be an object of type "Feature"')
    return features


def _refuse(features: list[dict[str, Any]], odd: object, fault: str) -> NoReturn:
    """Name the feature that holds the odd value, which is found by identity."""
    for index, feature in enumerate(features):
        look: list[object] = [feature]
        while look:
            value = look.pop()
            if value is odd:
                raise ZoneError(f"feature {index}: {fault}")
            look += value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    raise ZoneError(f"the document: {fault}")


def _properties(feature: dict[str, Any]) -> dict[str, Any]:
    properties = feature.get("properties")
    return properties if isinstance(properties, dict) else {}


def _name(index: int, feature: dict[str, Any], checked: bool) -> str:
    """Return the name of a feature, or its place in the document where it has none."""
    given = _properties(feature).get("name") or f"feature {index}"
    if not checked:
        return str(given).encode("utf-8", "replace").decode() if _has_surrogate(str(given)) else str(given)
    if isinstance(given, bool) or not isinstance(given, str | int | float):
        raise ZoneError(f"feature {index}: the name must be a text, not {_shown(given)}")
    name = str(given)
    if len(name) > LONGEST_NAME:
        raise ZoneError(f"feature {index}: the name has {len(name)} characters; at most {LONGEST_NAME} are possible")
    if not name.isprintable() and any(unicodedata.category(sign) in ("Cc", "Cs", "Zl", "Zp") for sign in name):
        raise ZoneError(f"feature {index}: the name {_shown(name)} holds control characters or half characters")
    return name


def _has_surrogate(text: str) -> bool:
    return any("\ud800" <= sign <= "\udfff" for sign in text)


def _shown(value: object) -> str:
    """Return a value as a message shows it: in ASCII, and not at length."""
    return reprlib.repr(value).encode("ascii", "backslashreplace").decode()


def _check_queues(names: list[str], rules: list[Rule], where: Where) -> None:
    seen: set[str] = set()
    for index, (name, rule) in enumerate(zip(names, rules, strict=True)):
        if rule is Rule.QUEUE:
            if name in seen:
                raise ZoneError(f"{where(index)}: another queue zone has this name: give each a name of its own")
            seen.add(name)


def _check_meetings(polygons: Geometries) -> None:
    tree, found = shapely.STRtree(polygons), 0
    for start in range(0, len(polygons), MEETING_CHUNK):
        found += tree.query(polygons[start : start + MEETING_CHUNK]).shape[1]
        if found > MOST_MEETINGS:
            raise ZoneError(
                f"too many zones lie over one another: their bounding boxes meet in more than {MOST_MEETINGS} pairs;"
                " merge some, or draw fewer"
            )


def _rule(where: Where, index: int, properties: dict[str, Any]) -> Rule:
    given = properties.get("rule", Rule.SERVICE_AREA.value)
    try:
        return Rule(given)
    except ValueError as fault:
        known = ", ".join(rule.value for rule in Rule)
        raise ZoneError(f"{where(index)}: the rule must be one of {known}, not {_shown(given)}") from fault


def _class(where: Where, index: int, properties: dict[str, Any]) -> str:
    given = properties.get("class", "")
    if not isinstance(given, str) or (given and not CLASS.fullmatch(given)):
        raise ZoneError(
            f"{where(index)}: the class must be a word of a-z, 0-9 and _, up to 40 long, not {_shown(given)}"
        )
    return given


def _vehicles(where: Where, index: int, properties: dict[str, Any]) -> int:
    """Bits of the vehicles named, or of all where none are."""
    names = properties.get("vehicles")
    if names is None:
        return EVERY_VEHICLE
    if not isinstance(names, list) or not names or not all(isinstance(n, str) and n in VEHICLES for n in names):
        raise ZoneError(f"{where(index)}: vehicles must be a list out of {', '.join(VEHICLES)}, not {_shown(names)}")
    return sum(VEHICLES[name] for name in set(names))


def _multiplier(where: Where, index: int, properties: dict[str, Any]) -> float:
    value = properties.get("multiplier")
    low, high = SURGE_LIMITS
    if isinstance(value, bool) or not isinstance(value, int | float) or not low <= value <= high:
        raise ZoneError(
            f"{where(index)}: a surge override needs a multiplier from {low:g} to {high:g}, not {_shown(value)}"
        )
    return float(value)
