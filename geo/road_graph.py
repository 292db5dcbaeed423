"""Travel times over a road graph: shortest paths by rows, computed when first needed and kept."""

from __future__ import annotations

import numpy as np
from scipy.sparse import csr_array
from scipy.sparse.csgraph import dijkstra
from scipy.spatial import cKDTree

from geo.travel import StraightLine, great_circle_m
from geo.units import Floats, Ints, position_keys, to_e7

NO_ROW = -1
# Shortest paths of so many ends are kept; about 100 kB each for 12,000 nodes.
ROWS_KEPT = 8_192


class RoadGraph:
    """An undirected graph of roads on which everyone drives at one speed (m/s).

    ``latitude``, ``longitude`` (nodes,) degrees; ``edges`` (nodes, nodes) sparse, metres. Points are taken to their
    nearest node. Satisfies geo.travel.TravelTime.
    """

    half_pickup_service_s = 0.0
    half_dropoff_service_s = 0.0

    def __init__(
        self, latitude: Floats, longitude: Floats, edges: csr_array, speed_mps: float, rows_kept: int = ROWS_KEPT
    ) -> None:
        self.latitude, self.longitude, self.speed_mps = latitude, longitude, speed_mps
        self._edges = edges
        self._straight = StraightLine(_least_circuity(latitude, longitude, edges), (speed_mps,))
        keys = position_keys(latitude, longitude)
        self._by_key = np.argsort(keys, kind="stable")
        self._keys = keys[self._by_key]
        self._node_of_key = dict(zip(self._keys.tolist(), self._by_key.tolist(), strict=True))
        self._tree = cKDTree(self._straight.embed(latitude, longitude))
        nodes = latitude.size
        self._row_of = np.full(nodes, NO_ROW, np.int64)
        self._row_ends = np.zeros(0, np.int64)
        self._oldest = 0
        self._kept = rows_kept
        self._metres = np.zeros((0, nodes), np.float32)
        self._before = np.zeros((0, nodes), np.int32)

    def nodes_at(self, latitude: Floats, longitude: Floats) -> Ints:
        """The nearest node of each point, any shape; points that are nodes are looked up, not searched."""
        keys = position_keys(latitude, longitude)
        at = np.minimum(np.searchsorted(self._keys, keys), self._keys.size - 1)
        nodes: Ints = self._by_key[at]
        off = self._keys[at] != keys
        if off.any():
            nodes[off] = self._tree.query(self._straight.embed(latitude[off], longitude[off]))[1]
        return nodes

    def metres_between(self, start: Ints, end: Ints) -> Floats:
        """Shortest paths between nodes, shapes broadcast."""
        self._need(end)
        metres: Floats = self._metres[self._row_of[end], start].astype(np.float64)
        return metres

    def step_towards(self, node: Ints, end: Ints) -> tuple[Ints, Floats]:
        """Shape (n,) each: the next node on the shortest path to ``end``, and metres to it; ``end`` itself stays."""
        self._need(end)
        row = self._row_of[end]
        after = np.where(node == end, node, self._before[row, node]).astype(np.int64)
        return after, (self._metres[row, node] - self._metres[row, after]).astype(np.float64)

    def _need(self, ends: Ints) -> None:
        """Rows of all these ends at once."""
        self.compute(np.unique(ends[self._row_of[ends] == NO_ROW]))
        if (self._row_of[ends] == NO_ROW).any():  # some were given up for others
            self.compute(np.unique(ends))

    def compute(self, ends: Ints) -> None:
        """Rows of these ends, all different: distances and next nodes from everywhere."""
        if not ends.size:
            return
        metres, before = dijkstra(self._edges, directed=False, indices=ends, return_predecessors=True)
        slots = self._slots(ends.size)
        given_up = self._row_ends[slots]
        self._row_of[given_up[given_up != NO_ROW]] = NO_ROW
        self._metres[slots], self._before[slots] = metres, before
        self._row_ends[slots] = ends
        self._row_of[ends] = slots

    def _slots(self, count: int) -> Ints:
        """Free rows, or those that were computed first."""
        size = self._row_ends.size
        self._kept = max(self._kept, count)
        while size < self._kept and self._oldest + count > size:
            more = min(max(size, 256), self._kept - size)
            nodes = self._metres.shape[1]
            self._metres = np.concatenate([self._metres, np.zeros((more, nodes), np.float32)])
            self._before = np.concatenate([self._before, np.zeros((more, nodes), np.int32)])
            self._row_ends = np.concatenate([self._row_ends, np.full(more, NO_ROW, np.int64)])
            size += more
        slots: Ints = (self._oldest + np.arange(count)) % size
        self._oldest = int(slots[-1]) + 1
        return slots

    # --- TravelTime

    def legs(
        self,
        from_lat: Floats,
        from_lng: Floats,
        to_lat: Floats,
        to_lng: Floats,
        at_s: float,  # noqa: ARG002 - one speed at all hours
    ) -> tuple[Floats, Floats]:
        metres = self.metres_between(
            self.nodes_at(np.asarray(from_lat), np.asarray(from_lng)),
            self.nodes_at(np.asarray(to_lat), np.asarray(to_lng)),
        )
        return metres, metres / self.speed_mps

    def leg(
        self,
        from_lat: float,
        from_lng: float,
        to_lat: float,
        to_lng: float,
        at_s: float,  # noqa: ARG002 - one speed at all hours
    ) -> tuple[float, float]:
        start, end = self._node_at(from_lat, from_lng), self._node_at(to_lat, to_lng)
        if self._row_of[end] == NO_ROW:
            self.compute(np.array([end]))
        metres = float(self._metres[self._row_of[end], start])
        return metres, metres / self.speed_mps

    def _node_at(self, latitude: float, longitude: float) -> int:
        node = self._node_of_key.get((to_e7(latitude) << 32) + to_e7(longitude))
        return int(self.nodes_at(np.array([latitude]), np.array([longitude]))[0]) if node is None else node

    def embed(self, lat: Floats, lng: Floats) -> Floats:
        return self._straight.embed(lat, lng)

    def radius(self, seconds: float, at_s: float) -> float:
        return self._straight.radius(seconds, at_s)


def _least_circuity(latitude: Floats, longitude: Floats, edges: csr_array) -> float:
    """No path is shorter than this times the great circle."""
    listed = edges.tocoo()
    start, end = listed.row, listed.col
    straight = great_circle_m(latitude[start], longitude[start], latitude[end], longitude[end])
    ratio = listed.data[straight > 1.0] / straight[straight > 1.0]
    return float(ratio.min(initial=1.0))
