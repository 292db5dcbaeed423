"""Any document is read as drawn, or refused by the feature and its fault; what was accepted once is always read."""

from __future__ import annotations

import json
import pickle
from typing import Any

import numpy as np
import pytest
import shapely
from hypothesis import given, settings
from hypothesis import strategies as st
from shapely.geometry import shape

from geo import geojson
from geo.geojson import LONGEST_NAME, MOST_POINTS, MOST_ZONES, zones_from_geojson, zones_of_log
from geo.zones import Rule, ZoneError, ZoneSet
from tests.geo.test_zones import collection, square

CITY, AIRPORT = square(0, 0, 10, name="city"), square(1, 1, 1, name="airport", rule="queue")


def grid(count: int, side: int = 100, step: float = 0.01, **properties: str) -> list[dict]:
    """Squares side by side, that share no point."""
    return [
        square(step * (index % side), step * (index // side), step / 2, name=f"z{index}", **properties)
        for index in range(count)
    ]


def named(name: str) -> str:
    """A document with two features, of which the second has this name, as it stands in JSON."""
    return collection(CITY, square(1, 1, 1, name="NAME", rule="queue")).replace('"NAME"', name)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (named(r'"a\u200bb"'), r"must not hold the character U\+200B"),
        (named(r'"a\u202eb"'), r"must not hold the character U\+202E"),
        (named(json.dumps("x" * 250)), "the name has 250 characters; at most 100"),
        (named(r'"a\ud800"'), r"must not hold the character U\+"),
        (named(r'"\udc00b"'), r"must not hold the character U\+"),
        (named(r'"a\u0000"'), r"must not hold the character U\+"),
        (named(r'"a\nb"'), r"must not hold the character U\+"),
        (named('"a\x7f"'), r"must not hold the character U\+"),
        (named(r'"a\u2028"'), r"must not hold the character U\+"),
        (named(json.dumps("x" * 1_000_000)), f"at most {LONGEST_NAME}"),
        (named('{"a": 1}'), "must be a text"),
        (named("true"), "must be a text"),
        (named("NaN"), "NaN is not a number in JSON"),
        (named("-Infinity"), "-Infinity is not a number in JSON"),
        (named("9" * 5000), "5000 digits"),
        (named("9" * 400), f"at most {LONGEST_NAME}"),
        (named('"a", "name": "b"'), "the same key twice"),
        (named('"a", "note": {"deep": [{"x": 1, "x": 2}]}'), "the same key twice"),
        (collection(CITY, AIRPORT).replace("[1, 1]", "[1, NaN]", 1), "NaN is not a number in JSON"),
        (collection(CITY, AIRPORT).replace("[1, 1]", "[1, 1e999]", 1), "not on Earth"),
        (collection(CITY, AIRPORT).replace("[1, 1]", f"[1, {'9' * 400}]", 1), "cannot be read"),
        (collection(CITY, AIRPORT).replace("[1, 1]", f"[1, {'9' * 5000}]", 1), "5000 digits"),
        (collection(CITY, AIRPORT).replace("[1, 1]", '[1, "1"]', 1), "cannot be read"),
        (collection(CITY, AIRPORT).replace("[1, 1]", "[1]", 1), "cannot be read"),
        (collection(CITY, AIRPORT).replace("[1, 1]", "[1, true]", 1), "cannot be read"),
        (collection(CITY, AIRPORT).replace("[1, 1]", "7", 1), "cannot be read"),
    ],
)
def test_odd_text_and_numbers_are_refused_by_their_feature(text: str, said: str) -> None:
    with pytest.raises(ZoneError, match=said) as refused:
        zones_from_geojson(text)
    assert str(refused.value).startswith("feature 1")
    assert str(refused.value).encode().decode() == str(refused.value)
    assert len(str(refused.value)) < 400


@pytest.mark.parametrize("depth", [500, 5_000, 500_000])
def test_deep_nesting_is_refused_or_ignored_but_never_breaks(depth: int) -> None:
    for inside in ("[" * depth + "]" * depth, '{"a":' * depth + "1" + "}" * depth):
        for text in (inside, named(inside), collection(CITY, AIRPORT).replace("[1, 1]", inside, 1)):
            with pytest.raises(ZoneError) as refused:
                zones_from_geojson(text)
            assert len(str(refused.value)) < 400


@pytest.mark.parametrize(
    ("features", "said"),
    [
        (grid(MOST_ZONES + 1), f"at most {MOST_ZONES}"),
        ([CITY] * 1000, "lie over one another"),
        ([square(0, 0, 1, name="twin", rule="queue"), CITY, square(2, 0, 1, name="twin", rule="queue")], "feature 2"),
    ],
)
def test_too_many_zones_and_queues_of_one_name_are_refused(features: list[dict], said: str) -> None:
    with pytest.raises(ZoneError, match=said):
        zones_from_geojson(collection(*features))


def test_too_many_points_are_refused() -> None:
    ring = CITY["geometry"]["coordinates"][0][:-1] * (MOST_POINTS // 4 + 1)
    with pytest.raises(ZoneError, match=f"at most {MOST_POINTS}"):
        zones_from_geojson(collection({**CITY, "geometry": {"type": "Polygon", "coordinates": [ring]}}))


def test_as_many_queue_zones_as_may_be_are_read_and_found() -> None:
    zones = zones_from_geojson(collection(*grid(MOST_ZONES, rule="queue")))
    assert len(zones.queue_names) == MOST_ZONES
    spots = np.array([[0.002, 0.002], [0.002, 0.012], [0.992, 0.992], [0.008, 0.008], [5.0, 5.0]]).T
    assert zones.queue_of(*spots).tolist() == [0, 1, MOST_ZONES - 1, -1, -1]


VALUES = st.recursive(
    st.none() | st.booleans() | st.floats() | st.integers() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=8,
)
OF_GEOMETRY, OF_PROPERTIES = ("coordinates", "type"), ("name", "rule", "class", "vehicles", "multiplier")


@given(VALUES, st.sampled_from(["geometry", "properties", *OF_GEOMETRY, *OF_PROPERTIES]))
@settings(max_examples=100)
def test_any_value_in_any_place_is_read_or_refused(value: Any, place: str) -> None:
    feature = square(1, 1, 1, name="odd", rule="no_entry")
    if place in OF_GEOMETRY + OF_PROPERTIES:
        feature["geometry" if place in OF_GEOMETRY else "properties"][place] = value
    else:
        feature[place] = value
    said = ""
    try:
        zones_from_geojson(collection(CITY, feature))
    except ZoneError as refused:
        said = str(refused)
    assert said.encode().decode() == said


CORNER = st.tuples(st.integers(-170, 160), st.integers(-80, 70))


@st.composite
def drawings(draw: st.DrawFn) -> list[dict]:
    """Squares with holes, alone and several together, some with heights."""
    features = []
    for number in range(draw(st.integers(1, 6))):
        parts = []
        for _ in range(draw(st.integers(1, 3))):
            west, south = draw(CORNER)
            rings = square(west, south, 9)["geometry"]["coordinates"]
            if draw(st.booleans()):
                rings += square(west + 2, south + 2, 3)["geometry"]["coordinates"]
            if draw(st.booleans()):
                rings = [[[*position, 5.0] for position in ring] for ring in rings]
            parts.append(rings)
        several = draw(st.booleans())
        geometry = {
            "type": "MultiPolygon" if several else "Polygon",
            "coordinates": parts if several else parts[0],
        }
        rule = draw(st.sampled_from(["queue", "no_entry", "service_area", "no_pickup"]))
        features.append({"type": "Feature", "properties": {"name": f"z{number}", "rule": rule}, "geometry": geometry})
    return features


@given(drawings(), st.lists(st.tuples(st.floats(-90, 90), st.floats(-180, 180)), min_size=1, max_size=30))
@settings(max_examples=100, deadline=None)
def test_zones_hold_what_is_drawn_one_by_one_and_all_at_once(features: list[dict], spots: list) -> None:
    drawn = [shape(feature["geometry"]) for feature in features]
    if not all(polygon.is_valid for polygon in drawn):
        with pytest.raises(ZoneError, match="invalid"):
            zones_from_geojson(collection(*features))
        return
    zones = zones_from_geojson(collection(*features))
    latitudes, longitudes = np.array(spots, float).T
    inside = [[polygon.intersects(shapely.Point(lng, lat)) for polygon in drawn] for lat, lng in spots]
    assert zones.membership(latitudes, longitudes).T.tolist() == inside
    assert [[zone.name for zone in zones.at(*spot)] for spot in spots] == [
        [f"z{index}" for index, held in enumerate(row) if held] for row in inside
    ]
    assert zones.queue_of(latitudes, longitudes).tolist() == [zones.queue_index(*spot) for spot in spots]
    assert zones.barred_of(latitudes, longitudes).tolist() == [zones.barred(*spot) for spot in spots]
    queues = [index for index, zone in enumerate(zones.zones) if zone.rule is Rule.QUEUE]
    assert zones.queue_of(latitudes, longitudes).tolist() == [
        next((number for number, index in enumerate(queues) if row[index]), -1) for row in inside
    ]
    sent: ZoneSet = pickle.loads(pickle.dumps(zones))
    assert sent.membership(latitudes, longitudes).tolist() == zones.membership(latitudes, longitudes).tolist()
    assert [(zone.name, zone.rule) for zone in sent.zones] == [(zone.name, zone.rule) for zone in zones.zones]


def test_a_document_of_an_old_log_is_read_whatever_the_limits_are_now(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(geojson, "MOST_ZONES", 1)
    monkeypatch.setattr(geojson, "MOST_POINTS", 1)
    text = named(r'"a\ud800b", "note": NaN, "note": 1').replace('"city"', json.dumps("c" * 500))
    with pytest.raises(ZoneError):
        zones_from_geojson(text)
    zones = zones_of_log(text)
    assert [zone.name for zone in zones.zones] == ["c" * 500, "a?b"]
    assert zones.queue_names == ("a?b",)


def test_a_document_is_read_once_on_its_way(monkeypatch: pytest.MonkeyPatch) -> None:
    text = collection(CITY, square(3, 3, 1, name="once", rule="queue"))
    zones = zones_from_geojson(text)
    monkeypatch.setattr(geojson, "_read", None)
    assert zones_from_geojson("".join(list(text))) is zones
    assert zones_of_log(text) is zones
