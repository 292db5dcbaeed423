"""A road network made of an extract file: one-way streets count, and one leg and many agree."""

from __future__ import annotations

import pickle
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from geo.roads import Roads, RoadsError
from services.cli.main import app

pytest.importorskip("osrm", reason="the routing engine's wheels are for Python 3.12 and newer: make test-roads")

SIDE, NORTH, EAST = 6, 0.002, 0.0025
ONE_WAY = 3


def place(row: int, column: int) -> tuple[float, float]:
    return 40 + row * NORTH, -74 + column * EAST


@pytest.fixture(scope="module")
def town(tmp_path_factory) -> Path:
    """A grid of streets, one of them one-way to the north, as an OpenStreetMap file; prepared by the command."""
    folder = tmp_path_factory.mktemp("roads")
    node = {(row, column): row * SIDE + column + 1 for row in range(SIDE) for column in range(SIDE)}
    lines = ['<?xml version="1.0"?>', '<osm version="0.6">']
    for at, number in node.items():
        latitude, longitude = place(*at)
        lines.append(f'<node id="{number}" version="1" lat="{latitude}" lon="{longitude}"/>')
    streets = [([node[row, column] for column in range(SIDE)], False) for row in range(SIDE)]
    streets += [([node[row, column] for row in range(SIDE)], column == ONE_WAY) for column in range(SIDE)]
    for number, (nodes, one_way) in enumerate(streets, start=1):
        refs = "".join(f'<nd ref="{ref}"/>' for ref in nodes)
        tags = '<tag k="highway" v="residential"/>' + ('<tag k="oneway" v="yes"/>' if one_way else "")
        lines.append(f'<way id="{number}" version="1">{refs}{tags}</way>')
    (folder / "extract.osm").write_text("\n".join([*lines, "</osm>"]))
    outcome = CliRunner().invoke(app(), ["travel", "roads", str(folder / "extract.osm"), "--out", str(folder / "town")])
    assert outcome.exit_code == 0, outcome.output
    return folder / "town"


def test_a_way_against_a_one_way_street_goes_around(town) -> None:
    roads = Roads(str(town))
    up, _ = roads.leg(*place(1, ONE_WAY), *place(3, ONE_WAY), 0.0)
    down, seconds = roads.leg(*place(3, ONE_WAY), *place(1, ONE_WAY), 0.0)
    block_m = NORTH * 111_195
    assert up == pytest.approx(2 * block_m, rel=0.02)
    assert down == pytest.approx(2 * block_m + 2 * EAST * 111_195 * np.cos(np.radians(40)), rel=0.02)
    assert seconds > 0


@pytest.mark.parametrize("shape", [(5, 7), (40, 1)])
def test_many_legs_are_those_of_one_at_a_time(town, shape) -> None:
    roads, rng = Roads(str(town)), np.random.default_rng(5)
    start = 40 + rng.uniform(0, 0.01, (shape[0], 1)), -74 + rng.uniform(0, 0.0125, (shape[0], 1))
    end = 40 + rng.uniform(0, 0.01, (1, shape[1])), -74 + rng.uniform(0, 0.0125, (1, shape[1]))
    metres, seconds = roads.legs(*start, *end, 0.0)
    assert metres.shape == shape
    for row, column in ((0, 0), (shape[0] - 1, shape[1] - 1)):
        one = roads.leg(start[0][row, 0], start[1][row, 0], end[0][0, column], end[1][0, column], 0.0)
        assert one == pytest.approx((metres[row, column], seconds[row, column]))


def test_pairs_side_by_side_are_those_of_the_table(town) -> None:
    roads, rng = Roads(str(town)), np.random.default_rng(6)
    points = 40 + rng.uniform(0, 0.01, (2, 60)), -74 + rng.uniform(0, 0.0125, (2, 60))
    metres, _ = roads.legs(points[0][0], points[1][0], points[0][1], points[1][1], 0.0)
    table, _ = roads.legs(points[0][0][:, None], points[1][0][:, None], points[0][1], points[1][1], 0.0)
    assert metres == pytest.approx(np.diag(table))


def test_another_process_opens_the_same_network(town) -> None:
    roads = Roads(str(town))
    copy = pickle.loads(pickle.dumps(roads))
    assert copy.leg(*place(0, 0), *place(4, 2), 0.0) == roads.leg(*place(0, 0), *place(4, 2), 0.0)


def test_a_network_that_is_not_there_is_named(tmp_path) -> None:
    with pytest.raises(RoadsError, match="gig travel roads"):
        Roads(str(tmp_path / "nowhere"))


def test_an_extract_that_is_none_says_what_the_engine_said(tmp_path) -> None:
    (tmp_path / "bad.osm").write_text("this is no map")
    arguments = ["travel", "roads", str(tmp_path / "bad.osm"), "--out", str(tmp_path / "bad-town")]
    outcome = CliRunner().invoke(app(), arguments)
    assert outcome.exit_code == 1
    assert "extract failed" in outcome.stderr
