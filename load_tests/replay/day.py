"""A trace made ready for replay: its requests as columns, who works when, and how long ways really take."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from dispatcher.times import SECOND
from geo.travel import TravelTime
from geo.units import Ints
from gig.v1 import types_pb2 as types_pb
from load_tests.behaviour.settings import Behaviour
from load_tests.replay.roster import DemandColumns, Roster, drawn_roster, recorded_roster
from load_tests.replay.ways import travel_of
from load_tests.traces.columns import MISSING_US, places_of, utc_us
from load_tests.traces.errors import TraceError
from load_tests.traces.reading import Trace

KINDS = {"ride": types_pb.JOB_KIND_RIDE, "delivery": types_pb.JOB_KIND_DELIVERY}


@dataclass(frozen=True, slots=True)
class Requests:
    """Columns by request, in order of time. Microseconds; 0 where there is none: ``ready_us`` (not to be picked up
    before), ``trip_us`` and ``boarding_us`` (recorded), ``tip_minor``. ``places``: shape (n, 4), pickup and drop-off,
    latitude and longitude."""

    ids: list[str]
    clients: list[str]
    kinds: list[types_pb.JobKind]
    at_us: list[int]
    ready_us: list[int]
    places: list[tuple[float, float, float, float]]
    persons: list[int]
    trip_us: list[int]
    boarding_us: list[int]
    tip_minor: list[int]

    def __len__(self) -> int:
        return len(self.ids)


@dataclass(frozen=True, slots=True)
class Day:
    """``travel``: how far and how long ways are, whatever a policy thinks. ``seats``: of every courier at least, where
    shifts are drawn: the largest party that asks for a ride."""

    trace: Trace
    requests: Requests
    roster: Roster
    travel: TravelTime
    start_us: int
    end_us: int
    seats: int = 0


def prepare(trace: Trace, behaviour: Behaviour, seed: int) -> Day:
    """Raises TraceError where there is nothing to replay.

    Where the trace records shifts, those people work, and nobody else; shifts are drawn for other traces.
    """
    if not trace.requests.num_rows:
        raise TraceError(f"{trace.about.name}: no requests to replay{_dropped(trace)}")
    travel = travel_of(trace)
    requests = _requests(trace)
    seats = 0
    if trace.shifts.num_rows or trace.about.shifts_recorded:
        roster = recorded_roster(trace.shifts)
    else:
        roster = drawn_roster(behaviour.couriers.shifts, seed, demand_columns(trace, travel))
        seats = max(requests.persons)
    start = min([requests.at_us[0], *roster.online_us])
    return Day(trace, requests, roster, travel, start, max([requests.at_us[-1], *roster.offline_us]), seats)


def _dropped(trace: Trace) -> str:
    """Return why rows were dropped, for a message."""
    reasons = [f"{count:,} rows: {why}" for why, count in trace.tally.dropped.most_common(5)]
    return f"; dropped {'; '.join(reasons)}" if reasons else ""


def demand_columns(trace: Trace, travel: TravelTime) -> DemandColumns:
    places = places_of(trace.requests)
    trip = _spans(trace.requests, "recorded_pickup_time", "recorded_dropoff_time")
    _, seconds = travel.legs(places[:, 0], places[:, 1], places[:, 2], places[:, 3], 0.0)
    trip = np.where(trip > 0, trip, np.rint(seconds * SECOND).astype(np.int64))
    return DemandColumns(utc_us(trace.requests["request_time"]), trip, places[:, 2], places[:, 3])


def _requests(trace: Trace) -> Requests:
    table = trace.requests
    ready = utc_us(table["pickup_after"])
    # Waiting for a kitchen is not boarding: it depends on when the courier comes.
    arrived, left = utc_us(table["recorded_arrive_time"]), utc_us(table["recorded_pickup_time"])
    timed = (arrived != MISSING_US) & (left != MISSING_US)
    boarding = np.where(timed, np.maximum(left - np.maximum(arrived, ready), 0), 0)
    return Requests(
        ids=table["request_id"].to_pylist(),
        clients=table["client_id"].to_pylist(),
        kinds=[KINDS[kind] for kind in table["kind"].to_pylist()],
        at_us=utc_us(table["request_time"]).tolist(),
        ready_us=np.where(ready == MISSING_US, 0, ready).tolist(),
        places=[(a, b, c, d) for a, b, c, d in places_of(table).tolist()],
        persons=table["persons"].to_pylist(),
        trip_us=_spans(table, "recorded_pickup_time", "recorded_dropoff_time").tolist(),
        boarding_us=boarding.tolist(),
        tip_minor=table["recorded_tip_minor"].fill_null(0).to_pylist(),
    )


def _spans(table: pa.Table, start: str, end: str) -> Ints:
    """Microseconds from one time to the other, 0 where either is missing, or it runs backwards."""
    span = pc.subtract(table[end].cast(pa.int64()), table[start].cast(pa.int64())).fill_null(0).to_numpy()
    found: Ints = np.maximum(span, 0)
    return found
