"""Recorded days of deliveries, and parts of them that take less time to replay."""

from __future__ import annotations

import shutil
from pathlib import Path

REAL = Path(__file__).parents[3] / "shared/data/mdrp"


def busiest_part(day: Path, folder: Path, orders: int) -> Path:
    """Copy a recorded day to ``folder``, with those consecutive orders only that were placed in the shortest time."""
    shutil.copytree(day, folder)
    path = folder / "orders.txt"
    heading, *rows = path.read_text("utf-8").splitlines(keepends=True)
    column = heading.split().index("placement_time")
    placed = sorted((float(row.split()[column]), number) for number, row in enumerate(rows))
    spans = [last - first for (first, _), (last, _) in zip(placed, placed[orders - 1 :], strict=False)]
    start = spans.index(min(spans))
    path.write_text(heading + "".join(rows[number] for _, number in placed[start : start + orders]), "utf-8")
    return folder
