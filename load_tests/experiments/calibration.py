"""A replay beside what was recorded: distributions of waits, trips, fares and pay, and how far they are apart."""

from __future__ import annotations

from typing import Any

import numpy as np
import polars as pl
import pyarrow as pa

from dispatcher.currencies import minor_units_in
from geo.units import Floats
from load_tests.traces.reading import Trace

QUANTILES = (0.1, 0.5, 0.9)
# What is compared: its name, and its unit.
QUANTITIES = (
    ("wait for the pickup", "s"),
    ("trip", "s"),
    ("fare", "currency"),
    ("pay", "currency"),
    ("pay an hour of trip", "currency"),
)
ERRORS = pa.schema(
    [
        ("quantity", pa.string()),
        ("unit", pa.string()),
        ("recorded", pa.int64()),
        ("replayed", pa.int64()),
        ("recorded_mean", pa.float64()),
        ("replayed_mean", pa.float64()),
        # Of the means: replayed / recorded - 1.
        ("error", pa.float64()),
        *((f"{side}_p{round(q * 100)}", pa.float64()) for q in QUANTILES for side in ("recorded", "replayed")),
        # Largest gap between the two distribution functions (Kolmogorov-Smirnov), 0 to 1.
        ("ks", pa.float64()),
        # Mean distance between the two, quantile by quantile (Wasserstein), in the unit.
        ("wasserstein", pa.float64()),
    ]
)


def recorded_quantities(trace: Trace) -> dict[str, Floats]:
    """By quantity: what the trace recorded of completed requests; empty where it did not."""
    table = pl.DataFrame(pl.from_arrow(trace.requests)).filter(pl.col("recorded_state") == "completed")
    wanted = pl.max_horizontal("request_time", "pickup_after")
    unit = minor_units_in(trace.about.currency)
    columns = table.select(
        wait=(pl.col("recorded_pickup_time") - wanted).dt.total_microseconds() / 1e6,
        trip=(pl.col("recorded_dropoff_time") - pl.col("recorded_pickup_time")).dt.total_microseconds() / 1e6,
        fare=pl.col("recorded_fare_minor") / unit,
        pay=pl.col("recorded_pay_minor") / unit,
    )
    found = _quantities(columns)
    if not trace.about.waits_recorded:
        found["wait for the pickup"] = np.empty(0)
    return found


def replayed_quantities(jobs: pa.Table, currency: str) -> dict[str, Floats]:
    """The same of a replay's (or several replays') jobs."""
    table = pl.DataFrame(pl.from_arrow(jobs)).filter(pl.col("state") == "completed")
    unit = minor_units_in(currency)
    return _quantities(
        table.select(
            wait=pl.col("wait_s"),
            trip=(pl.col("end_time") - pl.col("pickup_time")).dt.total_microseconds() / 1e6,
            fare=pl.col("fare_minor") / unit,
            pay=pl.col("pay_minor") / unit,
        )
    )


def _quantities(columns: pl.DataFrame) -> dict[str, Floats]:
    paid = columns.filter(pl.col("pay").is_not_null() & (pl.col("trip") > 0))
    arrays = (
        columns["wait"].drop_nulls(),
        columns["trip"].drop_nulls(),
        columns["fare"].drop_nulls(),
        columns["pay"].drop_nulls(),
        paid["pay"] / paid["trip"] * 3600,
    )
    return {name: array.to_numpy().astype(np.float64) for (name, _), array in zip(QUANTITIES, arrays, strict=True)}


def errors_table(recorded: dict[str, Floats], replayed: dict[str, Floats]) -> pa.Table:
    """One row for each quantity that both have."""
    from scipy.stats import ks_2samp, wasserstein_distance

    rows: list[dict[str, Any]] = []
    for name, unit in QUANTITIES:
        ours, theirs = replayed[name], recorded[name]
        if not ours.size or not theirs.size:
            continue
        row: dict[str, Any] = {
            "quantity": name,
            "unit": unit,
            "recorded": theirs.size,
            "replayed": ours.size,
            "recorded_mean": float(theirs.mean()),
            "replayed_mean": float(ours.mean()),
            "error": float(ours.mean() / theirs.mean() - 1) if theirs.mean() else None,
            "ks": float(ks_2samp(theirs, ours, method="asymp").statistic),
            "wasserstein": float(wasserstein_distance(theirs, ours)),
        }
        for q in QUANTILES:
            row[f"recorded_p{round(q * 100)}"] = float(np.quantile(theirs, q))
            row[f"replayed_p{round(q * 100)}"] = float(np.quantile(ours, q))
        rows.append(row)
    return pa.Table.from_pylist(rows, schema=ERRORS)
