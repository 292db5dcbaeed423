"""Cargo ridesharing instances: real taxi requests and vehicles on a road network.

Format: Pan, Li, Hu, "A Ridesharing Simulation Platform That Considers Dynamic Supply-Demand Interactions",
the Cargo benchmark (PVLDB 2019). ``NAME.instance`` with ``NETWORK.rnet`` and ``NETWORK.edges`` beside it.
"""

from __future__ import annotations

import re
import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from scipy.sparse import csr_array

from geo.road_graph import RoadGraph
from gig.v1 import types_pb2 as types_pb
from load_tests.cities.city import Demand, Leg, Spot
from load_tests.traces.errors import TraceError

SPEED_MPS = 10.0
# More than any city has: a damaged number must not ask for all the memory.
NETWORK = re.compile(r"\w[\w.-]*")
MOST_NODES = 10_000_000


@dataclass(frozen=True, slots=True)
class Customer:
    """Times in seconds; ``latest`` is the latest arrival."""

    name: str
    origin: int
    destination: int
    seats: int
    early: float
    late: float


@dataclass(frozen=True, slots=True)
class Vehicle:
    name: str
    node: int
    seats: int
    early: float


@dataclass(frozen=True, slots=True)
class CargoInstance:
    name: str
    vehicles: tuple[Vehicle, ...]
    customers: tuple[Customer, ...]
    network: str
    roads: RoadGraph


def read_instance(path: Path) -> CargoInstance:
    lines = _lines(path)
    if len(lines) < 4 or not lines[2].startswith("VEHICLES") or not lines[3].startswith("CUSTOMERS"):
        raise TraceError(f"{path}: must begin with name, network, VEHICLES and CUSTOMERS")
    vehicles, customers = [], []
    for number, line in enumerate(lines[4:], start=5):
        fields = line.split()
        if not fields or fields[0] == "ID":
            continue
        try:
            name, origin, destination, seats, early, late = fields[0], *map(int, fields[1:6])
        except ValueError as fault:
            raise TraceError(f"{path}, line {number}: must be six whole numbers: {line!r}") from fault
        if seats < 0:
            vehicles.append(Vehicle(name, origin, -seats, early))
        else:
            customers.append(Customer(name, origin, destination, seats, early, late))
    declared = _declared(path, lines[2]), _declared(path, lines[3])
    if (len(vehicles), len(customers)) != declared:
        raise TraceError(f"{path}: holds {len(vehicles)} vehicles and {len(customers)} customers, not {declared}")
    network = (lines[1].split() or [""])[0]
    if not NETWORK.fullmatch(network):
        raise TraceError(f"{path}: the second line must begin with the network's name: {lines[1][:80]!r}")
    roads = read_roads(path.with_name(f"{network}.rnet"), path.with_name(f"{network}.edges"))
    nodes = roads.latitude.size
    for stop in (*(v.node for v in vehicles), *(n for c in customers for n in (c.origin, c.destination))):
        if not 0 <= stop < nodes:
            raise TraceError(f"{path}: node {stop} is not in the road network of {nodes} nodes")
    return CargoInstance(lines[0], tuple(vehicles), tuple(customers), network, roads)


def _declared(path: Path, line: str) -> int:
    try:
        return int(line.split()[-1])
    except ValueError as fault:
        raise TraceError(f"{path}: must end with a number: {line[:80]!r}") from fault


def read_roads(rnet: Path, edges: Path) -> RoadGraph:
    try:
        with warnings.catch_warnings(action="ignore", category=UserWarning):  # of empty files, which are refused below
            ends = np.loadtxt(rnet, ndmin=2)
            lengths = np.loadtxt(edges, skiprows=1, ndmin=2)
    except (OSError, ValueError) as fault:
        raise TraceError(f"{rnet} or {edges.name}: cannot be read: {fault}") from fault
    if ends.shape[1:] < (7,) or lengths.shape[1:] < (3,) or not ends.size or not lengths.size:
        raise TraceError(f"{rnet} must have seven columns (id, from, to, two positions), {edges.name} three")
    if not (np.isfinite(ends).all() and np.isfinite(lengths).all() and (lengths[:, 2] > 0).all()):
        raise TraceError(f"{rnet} or {edges.name}: positions and lengths must be numbers, lengths above 0")
    if not (abs(ends[:, 3:7]) <= (180, 90, 180, 90)).all():
        raise TraceError(f"{rnet}: positions must be longitudes and latitudes in degrees")
    numbered = np.concatenate([ends[:, 1:3].ravel(), lengths[:, :2].ravel()])
    if not ((numbered >= 0) & (numbered < MOST_NODES) & (numbered % 1 == 0)).all():
        raise TraceError(f"{rnet} or {edges.name}: nodes must be whole numbers from 0 to {MOST_NODES - 1}")
    nodes = int(numbered.max()) + 1
    positions = np.full((nodes, 2), np.nan)
    for node, lng in ((1, 3), (2, 5)):
        positions[ends[:, node].astype(int)] = ends[:, [lng + 1, lng]]
    if np.isnan(positions).any():
        nowhere = int(np.flatnonzero(np.isnan(positions).any(axis=1))[0])
        raise TraceError(f"{rnet}: node {nowhere}, which the roads need, has no position")
    graph = csr_array((lengths[:, 2], (lengths[:, 0].astype(int), lengths[:, 1].astype(int))), shape=(nodes, nodes))
    return RoadGraph(positions[:, 0].copy(), positions[:, 1].copy(), graph, SPEED_MPS)


class CargoCity:
    """An instance as a city: its requests at their times, its vehicles, shortest paths at 10 m/s."""

    policy = "cargo"
    zones_geojson = ""

    def __init__(self, instance: CargoInstance) -> None:
        self._instance = instance
        self.name = f"Cargo instance {instance.name}"
        self.source = f"{len(instance.customers)} recorded taxi requests, ways by the road network at 10 m/s"
        self.length_s: float | None = max((customer.early for customer in instance.customers), default=0.0)

    @property
    def couriers(self) -> int:
        return len(self._instance.vehicles)

    def demands(self, rng: np.random.Generator, jobs_per_minute: float) -> Iterator[Demand]:  # noqa: ARG002 - recorded
        for customer in sorted(self._instance.customers, key=lambda customer: customer.early):
            pickup, dropoff = self._spot(customer.origin), self._spot(customer.destination)
            direct = self.leg(pickup, dropoff, customer.early).seconds
            patience = max(customer.late - customer.early - direct, 0.0)
            yield Demand(
                customer.early,
                types_pb.JOB_KIND_RIDE,
                f"customer-{customer.name}",
                pickup,
                dropoff,
                patience_s=patience,
            )

    def homes(self, rng: np.random.Generator, couriers: int) -> list[Spot]:  # noqa: ARG002 - recorded
        return [self._spot(vehicle.node) for vehicle in self._instance.vehicles[:couriers]]

    def nearest(self, latitude: float, longitude: float) -> Spot:
        roads = self._instance.roads
        return self._spot(int(np.argmin((roads.latitude - latitude) ** 2 + (roads.longitude - longitude) ** 2)))

    def leg(self, start: Spot, end: Spot, at_s: float) -> Leg:
        return Leg(*self._instance.roads.leg(start.latitude, start.longitude, end.latitude, end.longitude, at_s))

    def _spot(self, node: int) -> Spot:
        roads = self._instance.roads
        return Spot(float(roads.latitude[node]), float(roads.longitude[node]), node)


def _lines(path: Path) -> list[str]:
    try:
        return [line.strip() for line in path.read_text("utf-8-sig").splitlines()]
    except (OSError, UnicodeDecodeError) as fault:
        raise TraceError(f"{path}: cannot be read: {fault}") from fault
