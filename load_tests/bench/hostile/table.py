"""The result of `gig bench hostile` as people read it."""

from __future__ import annotations

from typing import Any

from rich.table import Table

from load_tests.bench.hostile.runner import faults_of

COLUMNS = ("attack", "p99 calm, ms", "p99 attacked, ms", "others refused", "calm, MiB", "peak, MiB", "")
_KEYS = ("p99_ms_calm", "p99_ms_attacked", "refused_of_others", "calm_mib", "peak_mib")


def table_of(result: dict[str, Any]) -> Table:
    """Return a row for each attack, and whether it passed."""
    noise = result["noise"]
    title = (
        f"medians of {result['runs']} runs; without an attack: {noise['p99_ms_first']} and {noise['p99_ms_second']} ms"
    )
    table = Table(title=title)
    for number, column in enumerate(COLUMNS):
        table.add_column(column, justify="right" if 0 < number < len(COLUMNS) - 1 else "left")
    for row in result["attacks"]:
        values = ("none" if row[key] is None else str(row[key]) for key in _KEYS)
        table.add_row(row["name"], *values, "failed" if faults_of(row) else "passed")
    return table
