"""What a city is to a demonstration."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from gig.v1 import types_pb2 as types_pb


@dataclass(frozen=True, slots=True)
class Spot:
    """A point in degrees; ``key`` is the city's own name for it: a zone, a node."""

    latitude: float
    longitude: float
    key: int

    def place(self, label: str = "") -> types_pb.Place:
        position = types_pb.Position(latitude=self.latitude, longitude=self.longitude)
        return types_pb.Place(position=position, label=label)


@dataclass(frozen=True, slots=True)
class Demand:
    """Somebody wants something carried. Seconds are market seconds since the start.

    ``ready_s``: not to be picked up before. ``patience_s``: the client gives up after waiting so long for a
    courier, or never (None).
    """

    at_s: float
    kind: types_pb.JobKind
    client_id: str
    pickup: Spot
    dropoff: Spot
    ready_s: float | None = None
    patience_s: float | None = None


@dataclass(frozen=True, slots=True)
class Leg:
    metres: float
    seconds: float


class City(Protocol):
    """Draws all chance from the generator that it is given."""

    @property
    def name(self) -> str: ...

    @property
    def source(self) -> str:
        """One sentence for the summary: what is real about it."""
        ...

    @property
    def zones_geojson(self) -> str: ...

    @property
    def policy(self) -> str:
        """The preset that suits it."""
        ...

    @property
    def length_s(self) -> float | None:
        """Market seconds after which no more demand comes; None for an endless city."""
        ...

    def demands(self, rng: np.random.Generator, jobs_per_minute: float) -> Iterator[Demand]:
        """In order of time."""
        ...

    def homes(self, rng: np.random.Generator, couriers: int) -> list[Spot]:
        """Where couriers come online."""
        ...

    def nearest(self, latitude: float, longitude: float) -> Spot:
        """Where somebody stops who heads there."""
        ...

    def leg(self, start: Spot, end: Spot, at_s: float) -> Leg:
        """How far it really is, and how long it really takes."""
        ...
