"""Travel times on an OpenStreetMap extract, by the OSRM engine: the extra ``gig-dispatch[roads]``.

``gig travel roads`` prepares an extract; ``Roads`` opens what it has written. The engine's files are mapped into
memory, so that several processes share them.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from geo.travel import StraightLine, one_leg
from geo.units import Floats, Ints

# No road is driven faster (m/s): it bounds how far away someone within reach can be.
FASTEST_MPS = 39.0
# One large table is worth its superfluous cells up to this many for each that is asked for.
SPARE_CELLS = 8
MISSING = (
    "road networks need the extra gig-dispatch[roads] (the wheel osrm-bindings, for Python 3.12 and newer):"
    " pip install 'gig-dispatch[roads]'"
)


class RoadsError(RuntimeError):
    """A road network that cannot be used; the message says why."""


class Roads:
    """A prepared network, ``path`` without the endings of its files. Satisfies geo.travel.TravelTime.

    Points are taken to the nearest road. Where no way leads, distance and time are infinite. Raises RoadsError.
    """

    half_pickup_service_s = 0.0
    half_dropoff_service_s = 0.0

    def __init__(self, path: str) -> None:
        try:
            import osrm
        except ImportError as fault:
            raise RoadsError(MISSING) from fault
        self._path = path
        self._osrm = osrm
        self._straight = StraightLine(1.0, (FASTEST_MPS,))
        if not Path(f"{path}.osrm.mldgr").exists():
            raise RoadsError(f"{path}: no prepared road network; make one with `gig travel roads EXTRACT --out {path}`")
        try:
            self._engine = osrm.OSRM(
                algorithm="MLD",
                storage_config=f"{path}.osrm",
                use_shared_memory=False,
                use_mmap=True,
                max_locations_distance_table=-1,
            )
        except RuntimeError as fault:
            raise RoadsError(f"{path}: {fault}") from fault

    def __reduce__(self) -> tuple[type[Roads], tuple[str]]:
        """Other processes open the files themselves."""
        return Roads, (self._path,)

    def legs(
        self,
        from_lat: Floats,
        from_lng: Floats,
        to_lat: Floats,
        to_lng: Floats,
        at_s: float,  # noqa: ARG002 - the network knows one speed a road
    ) -> tuple[Floats, Floats]:
        start_lat, start_lng, end_lat, end_lng = np.broadcast_arrays(from_lat, from_lng, to_lat, to_lng)
        shape = start_lat.shape
        starts, start = _unique(start_lat.ravel(), start_lng.ravel())
        ends, end = _unique(end_lat.ravel(), end_lng.ravel())
        metres, seconds = np.empty(start.size), np.empty(start.size)
        if len(starts) * len(ends) <= SPARE_CELLS * start.size:
            tables = self._table(starts, ends)
            metres[:], seconds[:] = tables[0][start, end], tables[1][start, end]
            return metres.reshape(shape), seconds.reshape(shape)
        order = np.argsort(end, kind="stable")
        for mine in np.split(order, np.flatnonzero(np.diff(end[order])) + 1):
            tables = self._table(starts[start[mine]], ends[end[mine[:1]]])
            metres[mine], seconds[mine] = tables[0][:, 0], tables[1][:, 0]
        return metres.reshape(shape), seconds.reshape(shape)

    def leg(self, from_lat: float, from_lng: float, to_lat: float, to_lng: float, at_s: float) -> tuple[float, float]:
        return one_leg(self, from_lat, from_lng, to_lat, to_lng, at_s)

    def embed(self, lat: Floats, lng: Floats) -> Floats:
        return self._straight.embed(lat, lng)

    def radius(self, seconds: float, at_s: float) -> float:
        return self._straight.radius(seconds, at_s)

    def _table(self, starts: Floats, ends: Floats) -> tuple[Floats, Floats]:
        """Metres and seconds of every way, shape (starts, ends); points are rows of longitude, latitude."""
        points = np.concatenate([starts, ends])
        answer = self._engine.Table(
            self._osrm.TableParameters(
                coordinates=[(lng, lat) for lng, lat in points.tolist()],
                sources=list(range(len(starts))),
                destinations=list(range(len(starts), len(points))),
                annotations=["duration", "distance"],
            )
        )
        return _matrix(answer["distances"]), _matrix(answer["durations"])


def _unique(latitude: Floats, longitude: Floats) -> tuple[Floats, Ints]:
    """Different points as rows of longitude, latitude, and which of them each is."""
    points, which = np.unique(np.stack([longitude, latitude], axis=-1), axis=0, return_inverse=True)
    return points, which.reshape(-1)


def _matrix(rows: Any) -> Floats:
    """The engine's rows as an array; None, where no way leads, as infinity."""
    return np.array([[np.inf if cell is None else cell for cell in row] for row in rows], np.float64)
