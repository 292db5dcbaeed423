"""The market at a moment as the live page draws it. Positions are H3 cells; points are for operators alone."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from dispatcher.currencies import digits_of
from dispatcher.measures import Measures
from dispatcher.measures.catalogue import CATALOGUE
from dispatcher.measures.catalogue.measure import Value
from dispatcher.measures.histogram import Histogram
from dispatcher.measures.records import STATES
from dispatcher.times import SECOND
from geo.cells import cell_name, cells_at
from services.host.market_host import MarketHost

# About 0.7 square kilometres a cell: enough to see where a market is busy, and no address.
PEOPLE_RESOLUTION = 8
# A job is drawn where it waits to be picked up; afterwards its courier is.
WAITING, TAKEN = ("queued", "offered"), ("assigned", "at_pickup")
E7 = 1e7
# Up to here a double holds every integer.
LARGEST_EXACT = 2**53 - 1

# Latitude, longitude, state; of couriers also whether their position is too old for matching.
Point = tuple[float, float, str] | tuple[float, float, str, bool]
Points = Mapping[str, Sequence[Point]]


def picture(host: MarketHost, points: Points) -> dict[str, Any]:
    """For everyone who looks; of the ``points`` no more than cells."""
    reading = host.reading()
    measures = reading.measures
    planar = measures.terms.planar
    return {
        "market": host.market_id,
        "time": host.clock.now() / SECOND,
        "speed": host.clock.speed,
        "accepting": host.accepting,
        "sequence": measures.sequence,
        "policy_version": measures.policy_version,
        "currency": measures.currency,
        "currency_digits": digits_of(measures.currency),
        "planar": planar,
        "jobs": measures.jobs_by_state(),
        "couriers": measures.couriers_by_state(),
        "cells": [] if planar else cells(points),
        "surge": _surge(host),
        "round": _round(host),
        "waits": {"accept": _bars(measures.wait_for_accept), "pickup": _bars(measures.wait_for_pickup)},
        "earnings": {basis: _bars(found) for basis, found in reading.figures.hourly.items()},
        "measures": {measure.number: exact(measure.value(reading)) for measure in CATALOGUE},
    }


def exact(value: Value) -> Any:
    """Return a measure's value as JSON holds it exactly: integers that a double cannot hold become text."""
    if isinstance(value, Mapping):
        return {part: exact(one) for part, one in value.items()}
    return str(value) if isinstance(value, int) and abs(value) > LARGEST_EXACT else value


def points_of(host: MarketHost) -> Points:
    """Couriers and jobs where they are: for operators alone."""
    return {"couriers": _couriers(host), "jobs": _jobs(host.measures)}


def cells(points: Points) -> list[dict[str, Any]]:
    """By H3 cell: its couriers by state, and its jobs, waiting for a courier or for a courier's arrival."""
    found: dict[int, dict[str, int]] = {}
    jobs = [(lat, lng, "waiting" if state in WAITING else "taken") for lat, lng, state, *_ in points["jobs"]]
    for rows in (points["couriers"], jobs):
        latitudes, longitudes = np.array([row[:2] for row in rows], np.float64).reshape(-1, 2).T
        where = cells_at(latitudes, longitudes, PEOPLE_RESOLUTION)
        for cell, (_, _, state, *_) in zip(where.tolist(), rows, strict=True):
            counts = found.setdefault(cell, {})
            counts[state] = counts.get(state, 0) + 1
    return [{"cell": cell_name(cell), **counts} for cell, counts in sorted(found.items())]


def _couriers(host: MarketHost) -> list[Point]:
    measures, known = host.measures, host.market.state.numbers
    online = [courier_id for courier_id in measures.online if courier_id in known]
    numbers = np.array([known[courier_id] for courier_id in online], np.int64)
    if not numbers.size:
        return []
    latitude, longitude = (column / E7 for column in host.positions.index.positions_e7(numbers))
    states = [STATES[measures.couriers[courier_id].phase] for courier_id in online]
    stale = host.positions.stale_online(host.clock.now())
    old = [number in stale for number in numbers.tolist()]
    return list(zip(latitude.tolist(), longitude.tolist(), states, old, strict=True))


def _jobs(measures: Measures) -> list[Point]:
    return [(*job.pickup, job.state) for job in measures.jobs.values() if job.state in (*WAITING, *TAKEN)]


def _surge(host: MarketHost) -> list[tuple[str, int]]:
    """Cells whose multiplier is another than 100 %."""
    return [(cell_name(cell), percent) for cell, percent in host.market.state.surge.surging.items()]


def _round(host: MarketHost) -> dict[str, Any] | None:
    last = host.measures.last_round
    if not last:
        return None
    return {
        **{name: last[name] for name in ("sequence", "jobs", "couriers", "offers", "held", "bundled")},
        "time": last["time_us"] / SECOND,
        "stranded": len(host.stranded),
        "gates": host.measures.unmatched_gates,
        "stages_ms": {stage: seconds * 1000 for stage, seconds in host.stages_s.items()},
    }


def _bars(histogram: Histogram) -> Mapping[str, Any]:
    return {"edges": histogram.edges, "counts": histogram.counts, "mean": histogram.mean}
