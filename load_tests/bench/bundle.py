"""Bundling rounds: what serving orders together saves against one order a courier, and how near to the best it is."""

from __future__ import annotations

from collections.abc import Callable
from time import perf_counter
from typing import Any

import numpy as np

from load_tests.bench.rounds import deliveries
from matching.solve import solve

# Open orders, and wall seconds for the choice among bundles.
ROUNDS = ((50, 0.27), (200, 0.27), (200, 1.5), (1_000, 3.0))


def bench_bundle(rounds: int, progress: Callable[[str], None]) -> dict[str, Any]:
    """``rounds`` rounds of each size, each made up from a seed of its own."""
    solve(deliveries(0, 50, 25, 0.2))  # warm
    return {"rounds": [_size(orders, budget_s, rounds, progress) for orders, budget_s in ROUNDS]}


def _size(orders: int, budget_s: float, rounds: int, progress: Callable[[str], None]) -> dict[str, Any]:
    """Medians over the rounds, and the worst; costs in seconds of pickup time.

    ``gap``: (cost - proved bound) / cost. The bound is of all choices among the bundles that were routed.
    """
    rows = []
    for seed in range(1, rounds + 1):
        progress(f"{orders} orders, round {seed} of {rounds}")
        alone = solve(deliveries(seed, orders, orders // 2, budget_s, bundles=False))
        began = perf_counter()
        shared = solve(deliveries(seed, orders, orders // 2, budget_s))
        took_ms = (perf_counter() - began) * 1000
        gap = (shared.total_cost - shared.bound) / shared.total_cost
        sizes = np.unique(shared.edge[shared.matched]).size
        rows.append(
            (took_ms, gap, shared.total_cost, alone.total_cost, shared.matched.sum(), alone.matched.sum(), sizes)
        )
    took, gaps, cost, cost_alone, matched, matched_alone, loads = np.array(rows, np.float64).T
    return {
        "orders": orders,
        "couriers": orders // 2,
        "budget_ms": round(budget_s * 1000),
        "total_ms": round(float(np.median(took)), 1),
        "total_ms_worst": round(float(took.max()), 1),
        "gap": round(float(np.median(gaps)), 5),
        "gap_worst": round(float(gaps.max()), 5),
        "rounds_under_1_percent": int((gaps < 0.01).sum()),
        "rounds": rounds,
        "cost_s": round(float(np.median(cost)) / 1000),
        "cost_1_to_1_s": round(float(np.median(cost_alone)) / 1000),
        "cost_ratio": round(float(np.median(cost / cost_alone)), 4),
        "matched": round(float(np.median(matched))),
        "matched_1_to_1": round(float(np.median(matched_alone))),
        "orders_per_load": round(float(matched.sum() / loads.sum()), 2),
    }
