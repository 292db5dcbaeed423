"""What is in a trace: counts, spans, places, distributions of what was recorded; from one pass over its stream."""

from __future__ import annotations

from collections import Counter
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from dispatcher.currencies import minor_units_in
from geo.plausible_trips import faults
from geo.travel import great_circle_m
from geo.units import Floats
from load_tests.traces.columns import floats, places_of
from load_tests.traces.location_checks import Box, location_warnings
from load_tests.traces.source import Source

QUANTILES = (0.1, 0.5, 0.9, 0.99)


def describe(source: Source, zones: Box | None = None) -> dict[str, Any]:
    """Read the stream to its end and return what is in it: seconds, metres, and units of the currency.

    ``zones``: the box of the zones that the requests should lie in.
    """
    kinds, hours, days = Counter[str](), np.zeros(24, np.int64), Counter[str]()
    first = last = None
    box = np.array([np.inf, np.inf, -np.inf, -np.inf])
    recorded: dict[str, list[Floats]] = {}
    states, implausible = Counter[str](), Counter[str]()
    for table in source.batches:
        kinds.update(_counted(table["kind"]))
        states.update(_counted(table["recorded_state"].drop_null()))
        at = table["request_time"]
        hours += np.bincount(pc.hour(at).to_numpy(), minlength=24)
        days.update(_counted(pc.strftime(at, format="%Y-%m-%d")))
        low, high = pc.min(at).as_py(), pc.max(at).as_py()
        first, last = (low if first is None else min(first, low)), (high if last is None else max(last, high))
        places = places_of(table)
        south_west = places[:, [0, 1]].min(axis=0), places[:, [2, 3]].min(axis=0)
        north_east = places[:, [0, 1]].max(axis=0), places[:, [2, 3]].max(axis=0)
        box[:2] = np.minimum(box[:2], np.minimum(*south_west))
        box[2:] = np.maximum(box[2:], np.maximum(*north_east))
        if source.about.plane is None:
            implausible.update(_implausible(table, places))
        for name, values in _recorded(table, source.about.currency).items():
            recorded.setdefault(name, []).append(values.astype(np.float32))
    shifts, offers = source.shifts(), source.offers()
    found: Box | None = tuple(box.tolist()) if source.tally.kept else None
    planar = source.about.plane is not None
    return {
        "name": source.about.name,
        "format": source.about.format,
        "source": source.about.source,
        "rows": source.tally.rows,
        "requests": source.tally.kept,
        "dropped": dict(source.tally.dropped.most_common()),
        "noted": dict(source.tally.noted.most_common()),
        "warnings": [] if planar else list(location_warnings(found, shifts, zones)),
        "from": first.isoformat() if first else None,
        "until": last.isoformat() if last else None,
        "days": len(days),
        "kinds": dict(kinds),
        "recorded_states": dict(states),
        "by_hour_utc": hours.tolist(),
        "box": box.round(5).tolist() if source.tally.kept else None,
        "implausible": dict(implausible.most_common()),
        "recorded": {name: _spread(np.concatenate(parts)) for name, parts in recorded.items()},
        "couriers": pc.count_distinct(shifts["courier_id"]).as_py(),
        "shifts": shifts.num_rows,
        "shift_hours": _spread(_seconds(shifts["online_time"], shifts["offline_time"]) / 3600),
        "offers": dict(_counted(offers["outcome"])),
    }


def _counted(column: pa.ChunkedArray) -> dict[str, int]:
    return {row["values"].as_py(): row["counts"].as_py() for row in pc.value_counts(column)}


def _seconds(start: pa.ChunkedArray, end: pa.ChunkedArray) -> Floats:
    us = pc.subtract(end.cast(pa.int64()), start.cast(pa.int64())).drop_null()
    found: Floats = us.to_numpy().astype(np.float64) / 1e6
    return found


def _implausible(table: pa.Table, places: Floats) -> Counter[str]:
    """Count the timed trips from which no travel times are estimated, each by its first fault.

    Kept among the requests: what people asked for does not depend on it.
    """
    left, over = (table[f"recorded_{name}_time"].cast(pa.int64()) for name in ("pickup", "dropoff"))
    seconds = pc.subtract(over, left).to_numpy().astype(np.float64) / 1e6
    metres = floats(table["recorded_distance_m"])
    metres = np.where(np.isnan(metres), great_circle_m(places[:, 0], places[:, 1], places[:, 2], places[:, 3]), metres)
    found, seen = Counter[str](), np.isnan(seconds)
    for why, rows in faults(metres, seconds).items():
        found[why] += int((rows & ~seen).sum())
        seen |= rows
    return +found


def _recorded(table: pa.Table, currency: str) -> dict[str, Floats]:
    """By what it is: the values that are known."""
    found = {
        "wait for the pickup, s": _seconds(table["request_time"], table["recorded_pickup_time"]),
        "wait at the pickup, s": _seconds(table["recorded_arrive_time"], table["recorded_pickup_time"]),
        "trip, s": _seconds(table["recorded_pickup_time"], table["recorded_dropoff_time"]),
        "distance, m": table["recorded_distance_m"].drop_null().to_numpy(),
    }
    for name in ("fare", "pay", "tip"):
        found[name] = table[f"recorded_{name}_minor"].drop_null().to_numpy() / minor_units_in(currency)
    return {name: values for name, values in found.items() if values.size}


def _spread(values: Floats) -> dict[str, float] | None:
    if not values.size:
        return None
    edges = np.quantile(values, QUANTILES)
    named = {f"p{q * 100:g}": round(float(edge), 2) for q, edge in zip(QUANTILES, edges, strict=True)}
    return {"known": int(values.size), "mean": round(float(values.mean(dtype=np.float64)), 2)} | named
