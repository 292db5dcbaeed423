"""Policies side by side: means, and paired differences over common seeds with bootstrap confidence intervals."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pyarrow as pa

from dispatcher.measures.catalogue import CATALOGUE
from geo.units import Floats
from load_tests.traces.schema import table_of_rows

RESAMPLES = 9_999
CONFIDENCE = 0.95
# Fewer pairs say nothing about their spread.
LEAST_PAIRS = 3
# What clients get stands beside the catalogue.
SERVICE = "service"
SERVICE_UNITS = {
    "requests": "requests",
    "service_rate": "ratio",
    "cancelled_share": "ratio",
    "expired_share": "ratio",
    "wait_mean_s": "s",
    "wait_p50_s": "s",
    "wait_p90_s": "s",
    "wait_p99_s": "s",
}
FAMILY_OF = {measure.name: measure.family.value for measure in CATALOGUE}

RESULTS = pa.schema(
    [
        ("policy", pa.string()),
        ("seed", pa.int64()),
        ("family", pa.string()),
        # "name" or "name: part", as the catalogue has them.
        ("measure", pa.string()),
        ("unit", pa.string()),
        ("value", pa.float64()),
    ]
)
DIFFERENCES = pa.schema(
    [
        ("policy", pa.string()),
        ("baseline", pa.string()),
        ("family", pa.string()),
        ("measure", pa.string()),
        ("unit", pa.string()),
        # Seeds under which both have a value.
        ("pairs", pa.int64()),
        ("baseline_mean", pa.float64()),
        ("mean", pa.float64()),
        # Of the pairs: policy less baseline; low and high: the confidence interval of its mean, null below three pairs.
        ("difference", pa.float64()),
        ("low", pa.float64()),
        ("high", pa.float64()),
    ]
)


def results_table(outcomes: Sequence[dict[str, Any]]) -> pa.Table:
    """Tidy: one row for each policy, seed and measure."""
    rows: list[tuple[str, int, str, str, str, float | None]] = []
    for outcome in outcomes:
        who = outcome["policy"], outcome["seed"]
        rows += [(*who, SERVICE, name, SERVICE_UNITS[name], value) for name, value in outcome["service"].items()]
        rows += [
            (*who, FAMILY_OF[name.partition(":")[0]], name, unit, value)
            for name, (unit, value) in outcome["measures"].items()
        ]
    return table_of_rows(RESULTS, rows)


def differences_table(results: pa.Table, baseline: str) -> pa.Table:
    """Every other policy against the baseline, measure by measure, paired by seed.

    Intervals: bias-corrected and accelerated bootstrap of the mean difference (Efron, "Better bootstrap confidence
    intervals", JASA 82, 1987), seeded. They speak of chance within this trace, not of other days.
    """
    values: dict[str, dict[str, dict[int, float]]] = {}
    about: dict[str, tuple[str, str]] = {}
    for row in results.to_pylist():
        if row["value"] is not None and np.isfinite(row["value"]):
            values.setdefault(row["policy"], {}).setdefault(row["measure"], {})[row["seed"]] = row["value"]
        about.setdefault(row["measure"], (row["family"], row["unit"]))
    rows = []
    for label, measures in values.items():
        if label == baseline:
            continue
        for name, (family, unit) in about.items():
            ours, theirs = measures.get(name, {}), values.get(baseline, {}).get(name, {})
            seeds = sorted(ours.keys() & theirs.keys())
            if seeds:
                pairs = np.array([(theirs[seed], ours[seed]) for seed in seeds])
                gaps = pairs[:, 1] - pairs[:, 0]
                means = pairs.mean(axis=0).tolist()
                rows.append(
                    (label, baseline, family, name, unit, len(seeds), *means, float(gaps.mean()), *interval(gaps))
                )
    return table_of_rows(DIFFERENCES, rows)


def is_clear(low: float | None, high: float | None) -> bool:
    """Whether an interval is known and does not hold zero."""
    return low is not None and high is not None and (low > 0 or high < 0)


def interval(gaps: Floats) -> tuple[float | None, float | None]:
    """Of the mean. None for fewer than three; the value itself where all are the same."""
    if gaps.size < LEAST_PAIRS:
        return None, None
    scale = float(abs(gaps).max())
    if np.ptp(gaps) <= 1e-12 * scale:
        return float(gaps.mean()), float(gaps.mean())
    from scipy.stats import bootstrap

    rng = np.random.default_rng(0)
    found = bootstrap(
        (gaps / scale,), np.mean, n_resamples=RESAMPLES, confidence_level=CONFIDENCE, method="BCa", rng=rng
    ).confidence_interval
    return float(found.low) * scale, float(found.high) * scale
