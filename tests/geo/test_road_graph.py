"""Ways on the road graph are the shortest ones, and are driven node by node."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.sparse import csr_array
from scipy.sparse.csgraph import shortest_path

from geo.road_graph import RoadGraph

SPEED = 8.0


def grid(side: int, seed: int = 1, rows_kept: int = 8_192) -> RoadGraph:
    """Streets of random lengths, about 100 m each."""
    rng = np.random.default_rng(seed)
    node = np.arange(side * side).reshape(side, side)
    start = np.concatenate([node[:, :-1].ravel(), node[:-1].ravel()])
    end = np.concatenate([node[:, 1:].ravel(), node[1:].ravel()])
    metres = rng.integers(100, 300, start.size).astype(float)
    latitude, longitude = 40.0 + node // side * 9e-4, -74.0 + node % side * 11.7e-4
    edges = csr_array((metres, (start, end)), shape=(side * side, side * side))
    return RoadGraph(latitude.ravel(), longitude.ravel(), edges, SPEED, rows_kept)


def all_metres(roads: RoadGraph) -> np.ndarray:
    return shortest_path(roads._edges, method="FW", directed=False)


@pytest.mark.parametrize("rows_kept", [5, 8_192])
def test_distances_are_those_of_all_shortest_paths_however_few_are_kept(rows_kept) -> None:
    roads = grid(7, rows_kept=rows_kept)
    expected, rng = all_metres(roads), np.random.default_rng(2)
    for _ in range(10):
        start, end = rng.integers(0, 49, (2, 12))
        assert roads.metres_between(start, end) == pytest.approx(expected[start, end], abs=1e-2)


def test_steps_lead_to_the_end_in_as_many_metres_as_the_way_has() -> None:
    roads = grid(7)
    node, end, driven = np.array([0, 3]), np.array([48, 20]), np.zeros(2)
    expected = roads.metres_between(node, end)
    for _ in range(30):
        node, metres = roads.step_towards(node, end)
        driven += metres
    assert node.tolist() == end.tolist()
    assert driven == pytest.approx(expected, abs=1e-2)


def test_legs_between_points_are_those_between_their_nearest_nodes_for_one_and_for_many() -> None:
    roads = grid(6)
    latitude, longitude = roads.latitude[[0, 8, 30]] + 1e-5, roads.longitude[[0, 8, 30]] - 1e-5
    metres, seconds = roads.legs(latitude[:, None], longitude[:, None], latitude[None], longitude[None], 0.0)
    assert metres == pytest.approx(all_metres(roads)[np.ix_([0, 8, 30], [0, 8, 30])], abs=1e-2)
    assert seconds == pytest.approx(metres / SPEED)
    one = roads.leg(latitude[0], longitude[0], roads.latitude[8], roads.longitude[8], 0.0)
    assert one == pytest.approx((metres[0, 1], seconds[0, 1]))


def test_nobody_within_reach_lies_outside_the_search_radius() -> None:
    roads = grid(8)
    expected = all_metres(roads)
    points = roads.embed(roads.latitude, roads.longitude)
    for seconds in (20.0, 60.0, 120.0):
        reach = roads.radius(seconds, 0.0)
        apart = np.linalg.norm(points[:, None] - points[None], axis=-1)
        assert (apart[expected / SPEED <= seconds] <= reach).all()
