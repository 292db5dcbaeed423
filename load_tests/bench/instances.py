"""Every instance of a folder under our policies, beside what published solvers reach on the same days."""

from __future__ import annotations

import csv
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from dispatcher import policy as policies
from load_tests.bench.machine import machine
from load_tests.instances.mdrp_day import MdrpSimulation
from load_tests.instances.mdrp_policy import under_instance
from load_tests.instances.mdrp_summary import summarise
from load_tests.traces.errors import TraceError
from load_tests.traces.mdrp import read_instance

# Beside the instances, where there is one: columns alg, inst, undeliv_pct, ctd_mean, rtp_mean, cost_per_order.
PEERS = "peers.csv"


def bench_instances(folder: Path, names: Sequence[str], progress: Callable[[str], None]) -> dict[str, Any]:
    """Minutes and dollars; ``peers``: by solver, as that file has them. Raises TraceError without an instance."""
    instances = sorted(path.parent for path in folder.glob("*/orders.txt"))
    if not instances:
        raise TraceError(f"{folder}: holds no folder with an instance (orders.txt and three more files)")
    peers = _peers(folder / PEERS)
    rows = []
    for path in instances:
        instance = read_instance(path)
        row: dict[str, Any] = {"instance": instance.name, "orders": len(instance.orders), "policies": {}}
        for name in names:
            progress(f"{instance.name} under {name}")
            began = time.perf_counter()
            day = MdrpSimulation(instance, under_instance(policies.load(name), instance.parameters)).run()
            found = summarise(day)
            row["policies"][name] = {
                "undelivered_pct": round(100 * found["undelivered_share"], 2),
                "click_to_door_min": found["click_to_door_mean_min"],
                "ready_to_pickup_min": found["ready_to_pickup_mean_min"],
                "pay_per_order": found["pay_per_order"],
                "seconds": round(time.perf_counter() - began, 1),
            }
        row["peers"] = peers.get(instance.name, {})
        rows.append(row)
    return {"machine": machine(), "instances": rows, "means": _means(rows, names)}


def _peers(path: Path) -> dict[str, dict[str, dict[str, float]]]:
    """By instance, by solver."""
    if not path.exists():
        return {}
    found: dict[str, dict[str, dict[str, float]]] = {}
    with path.open(encoding="utf-8-sig", newline="") as file:
        for row in csv.DictReader(file):
            found.setdefault(row["inst"], {})[row["alg"]] = {
                "undelivered_pct": float(row["undeliv_pct"]),
                "click_to_door_min": float(row["ctd_mean"]),
                "ready_to_pickup_min": float(row["rtp_mean"]),
                "pay_per_order": float(row["cost_per_order"]),
            }
    return found


def _means(rows: Sequence[dict[str, Any]], names: Sequence[str]) -> dict[str, dict[str, float]]:
    """Over the instances, of ours and of every solver that has them all."""
    every = {name: [row["policies"][name] for row in rows] for name in names}
    for solver in {solver for row in rows for solver in row["peers"]}:
        if all(solver in row["peers"] for row in rows):
            every[solver] = [row["peers"][solver] for row in rows]
    keys = ("undelivered_pct", "click_to_door_min", "ready_to_pickup_min", "pay_per_order")
    return {
        name: {key: round(sum(each[key] for each in found) / len(found), 3) for key in keys}
        for name, found in sorted(every.items())
    }
