"""New York's taxi zones: from the file that is named, else those of Manhattan that the demonstration's data hold."""

from __future__ import annotations

import json

import numpy as np
import shapely
from pyproj import Transformer
from shapely.geometry import shape

from load_tests.cities.manhattan_data import UTM_18N_KM, data_folder
from load_tests.traces.errors import TraceError
from load_tests.traces.source import Choices
from load_tests.traces.zone_points import ZonePoints
from load_tests.traces.zones import from_outlines, read_zones


def zone_points(choices: Choices) -> ZonePoints:
    """Raises TraceError where there are none to be had."""
    if choices.zones is not None:
        return read_zones(choices.zones, choices.seed)
    folder = data_folder()
    if folder is None:
        raise TraceError(
            "this trace names taxi zones: give their outlines with --zones (taxi_zones.shp as TLC publishes it,"
            " GeoJSON, or a CSV of LocationID, latitude, longitude)"
        )
    features = json.loads((folder / "taxizones.geojson").read_text("utf-8-sig"))["features"]
    to_degrees = Transformer.from_crs(UTM_18N_KM, 4326, always_xy=True)
    outlines = {
        int(feature["properties"]["zone_id"]): shapely.transform(
            shape(feature["geometry"]), lambda xy: np.column_stack(to_degrees.transform(xy[:, 0], xy[:, 1]))
        )
        for feature in features
    }
    return from_outlines(outlines, np.random.default_rng(choices.seed))
