"""Every document that RFC 7946 allows is read, by file as by call; all faults of the others come in one answer."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from geo.documents import MOST_BYTES, read_document
from geo.faults import MOST_NAMED, ZoneError
from geo.geojson import zones_from_geojson, zones_of_log
from tests.geo.test_zones import CITY, STATION, collection, square

POLYGON = CITY["geometry"]
BARE = [
    POLYGON,
    {"type": "MultiPolygon", "coordinates": [POLYGON["coordinates"]]},
    {"type": "GeometryCollection", "geometries": [POLYGON]},
    {"type": "GeometryCollection", "geometries": [{"type": "GeometryCollection", "geometries": [POLYGON]}]},
    CITY,
    {"type": "Feature", "geometry": POLYGON},
    {"type": "Feature", "properties": None, "geometry": POLYGON, "id": "Midtown", "bbox": [0, 0, 10, 10]},
    {"type": "FeatureCollection", "features": [CITY | {"id": 7.5}], "title": "foreign"},
]


@pytest.mark.parametrize("document", BARE)
def test_a_collection_a_feature_and_a_geometry_are_read(document: dict[str, Any]) -> None:
    zones = zones_from_geojson(json.dumps(document))
    for read in (zones, zones_of_log(zones.document)):
        assert [zone.name for zone in read.zones] in (["city"], ["feature 0"])
        assert read.at(5, 5)
        assert not read.at(11, 5)


NOWHERE: list[Any] = [None, {"type": "Polygon", "coordinates": []}, {"type": "MultiPolygon", "coordinates": [[]]}]


@pytest.mark.parametrize("geometry", NOWHERE)
def test_a_feature_without_a_place_is_skipped_and_the_others_keep_their_names(geometry: Any) -> None:
    nowhere = {"type": "Feature", "properties": {"name": "later", "rule": "queue"}, "geometry": geometry}
    unnamed = square(0, 0, 10)
    zones = zones_from_geojson(collection(nowhere, unnamed))
    assert [zone.name for zone in zones.zones] == ["feature 1"]
    assert [zone.name for zone in zones_of_log(zones.document).zones] == ["feature 1"]
    with pytest.raises(ZoneError, match="feature 0 has no geometry"):
        zones_from_geojson(collection(nowhere))


def with_crs(name: str) -> str:
    return json.dumps(json.loads(collection(CITY)) | {"crs": {"type": "name", "properties": {"name": name}}})


@pytest.mark.parametrize(
    "name",
    [
        *("urn:ogc:def:crs:OGC:1.3:CRS84", "urn:ogc:def:crs:OGC::CRS84", "OGC:CRS84", "urn:ogc:def:crs:OGC:2:84"),
        *("http://www.opengis.net/def/crs/OGC/1.3/CRS84", "http://www.opengis.net/def/crs/EPSG/0/4326", "epsg:4326"),
        *("EPSG:4326", "urn:ogc:def:crs:EPSG::4326", "urn:ogc:def:crs:EPSG:6.9:4326"),
    ],
)
def test_every_name_of_wgs_84_is_read(name: str) -> None:
    assert zones_from_geojson(with_crs(name)).zones


@pytest.mark.parametrize("name", ["urn:ogc:def:crs:EPSG::2263", "EPSG:3857", "EPSG:14326", "CRS842", "x"])
def test_documents_of_another_reference_system_are_refused_by_its_name(name: str) -> None:
    with pytest.raises(ZoneError, match=f'"crs" names {name}: convert'):
        zones_from_geojson(with_crs(name))


@pytest.mark.parametrize("name", ["name", "rule", "class", "vehicles", "stroke"])
@pytest.mark.parametrize("rule", ["service_area", "no_entry"])
def test_a_property_that_is_null_is_as_if_it_were_absent(name: str, rule: str) -> None:
    """Map programs write null for each attribute without a value."""
    feature = square(1, 1, 1, rule=rule)
    feature["properties"].pop(name, None)
    absent = zones_from_geojson(collection(feature)).zones
    feature["properties"][name] = None
    found = zones_from_geojson(collection(feature)).zones
    assert [replace(zone, polygon=None) for zone in found] == [replace(zone, polygon=None) for zone in absent]


BOW = [[0, 0], [1, 1], [1, 0], [0, 1], [0, 0]]
WRONG: dict[str, Any] = {
    "rule": square(0, 0, 1, rule="nowhere"),
    "class": square(0, 0, 1, **{"class": "Ü"}),
    "vehicles": square(0, 0, 1, rule="no_entry", vehicles="tank"),
    "Self-intersection": CITY | {"geometry": {"type": "Polygon", "coordinates": [BOW]}},
    "not on Earth": square(500, 0, 1),
    "no area": {"type": "Feature", "properties": {}, "geometry": {"type": "Point", "coordinates": [0, 0]}},
    "cannot be read": CITY | {"geometry": {"type": "Polygon", "coordinates": [[[0, 0], [1, "1"], [1, 1], [0, 0]]]}},
    "which side": CITY | {"geometry": {"type": "Polygon", "coordinates": [[[-100, 0], [100, 0], [0, 50], [-100, 0]]]}},
    "the name": square(0, 0, 1, name="x" * 101),
}


@settings(max_examples=40, deadline=None)
@given(st.lists(st.sampled_from(["", *WRONG]), min_size=1, max_size=40))
def test_one_answer_names_every_faulty_feature_up_to_twenty(kinds: list[str]) -> None:
    features = [WRONG[kind] if kind else STATION for kind in kinds]
    expected = [(index, kind) for index, kind in enumerate(kinds) if kind]
    if not expected:
        assert len(zones_from_geojson(collection(*features)).zones) == len(kinds)
        return
    with pytest.raises(ZoneError) as refused:
        zones_from_geojson(collection(*features))
    faults = refused.value.faults
    assert len(faults) == min(len(expected), MOST_NAMED)
    assert refused.value.count == len(expected)
    for fault, (index, kind) in zip(faults, expected, strict=False):
        assert fault.startswith((f"feature {index} ", f"feature {index}:"))
        assert kind in fault
    assert ("more faults" in str(refused.value)) == (len(expected) > MOST_NAMED)


def padded(size: int) -> str:
    text = collection(CITY | {"note": ""})
    return text.replace('"note": ""', f'"note": "{"é" * ((size - len(text)) // 2)}{"x" * ((size - len(text)) % 2)}"')


def test_the_size_limit_is_the_same_by_text_and_by_file(tmp_path: Path) -> None:
    file = tmp_path / "zones.geojson"
    for size, allowed in ((MOST_BYTES, True), (MOST_BYTES + 1, False)):
        file.write_text(padded(size), "utf-8")
        assert file.stat().st_size == size
        for read in (lambda: read_document(file), lambda size=size: zones_from_geojson(padded(size))):
            if allowed:
                assert read()
            else:
                with pytest.raises(ZoneError, match=r"4,194,305 bytes: at most 4,194,304"):
                    read()


def test_a_byte_order_mark_is_no_part_of_the_document(tmp_path: Path) -> None:
    file = tmp_path / "zones.geojson"
    file.write_text(collection(CITY), "utf-8-sig")
    assert zones_from_geojson(read_document(file)).at(5, 5)
    zones = zones_from_geojson("\ufeff" + collection(CITY))
    assert zones_of_log(zones.document).at(5, 5)
