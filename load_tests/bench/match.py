"""A whole 1:1 round, stage by stage, beside other solvers on the same candidate graph."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from time import perf_counter
from typing import Any

import numpy as np
from ortools.graph.python import min_cost_flow
from scipy.optimize import linear_sum_assignment
from scipy.sparse import csr_array
from scipy.sparse.csgraph import min_weight_full_bipartite_matching

from load_tests.bench.rounds import rides
from matching.assignment import Assignment
from matching.costs import unmatched_cost
from matching.solve import solve

SEED = 1
# The dense matrix of more pairs would not fit into memory, and take minutes.
DENSE_PAIRS = 60_000_000
GROWTH_JOBS = (1_000, 2_000, 5_000, 10_000, 20_000)


def bench_match(
    jobs: int, couriers: int, candidates_per_job: int, repeat: int, growth: bool, progress: Callable[[str], None]
) -> dict[str, Any]:
    """Medians of ``repeat`` runs, milliseconds; costs in thousandths of a second of pickup time."""
    progress(f"{jobs} jobs and {couriers} couriers")
    result, assignment = _round(jobs, couriers, candidates_per_job, repeat)
    progress("the same by scipy and by OR-Tools alone")
    edges = assignment.candidates.job, assignment.candidates.courier, assignment.candidates.cost
    unmatched = unmatched_cost(rides(SEED, jobs, couriers, candidates_per_job))
    peers: dict[str, float | None] = {}
    costs: dict[str, int] = {}
    for name, solver in PEERS.items():
        dense = solver is scipy_dense
        if dense and jobs * couriers > DENSE_PAIRS:
            peers[f"{name}_ms"] = None
            continue
        work = partial(solver, *edges, unmatched, couriers)
        peers[f"{name}_ms"], costs[name] = _timed(work, 1 if dense else repeat)
    result["optimal_cost"] = costs["scipy_sparse"]
    result["peers"] = peers
    result["peer_costs"] = costs
    result["ratio_of_fastest_peer"] = round(result["total_ms"] / min(ms for ms in peers.values() if ms), 2)
    if growth:
        result["growth"] = _growth(couriers / jobs, candidates_per_job, repeat, progress)
    return result


def _round(jobs: int, couriers: int, candidates_per_job: int, repeat: int) -> tuple[dict[str, Any], Assignment]:
    problem = rides(SEED, jobs, couriers, candidates_per_job)
    solve(problem)  # warm
    runs = []
    for _ in range(repeat):
        began = perf_counter()
        assignment = solve(problem)
        runs.append((perf_counter() - began, assignment.stages_s))
    stages = {
        stage: _ms(float(np.median([stages[stage] for _, stages in runs])))
        for stage in ("nearest", "costs", "flow", "prices", "answer")
    }
    total = _ms(float(np.median([seconds for seconds, _ in runs])))
    return {
        "jobs": jobs,
        "couriers": couriers,
        "candidates_per_job": candidates_per_job,
        "edges": len(assignment.candidates),
        "total_ms": total,
        "stages_ms": stages,
        "solver_ms": stages["flow"],
        "around_solver_ms": round(total - stages["flow"], 2),
        "matched": int(assignment.matched.sum()),
        "cost": assignment.total_cost,
    }, assignment


def _growth(
    couriers_per_job: float, candidates_per_job: int, repeat: int, progress: Callable[[str], None]
) -> dict[str, Any]:
    """Time against jobs; ``exponent`` 1 is linear (least squares on logarithms)."""
    rows = []
    for jobs in GROWTH_JOBS:
        progress(f"growth: {jobs} jobs")
        found, _ = _round(jobs, round(jobs * couriers_per_job), candidates_per_job, repeat)
        around = found["around_solver_ms"]
        rows.append({"jobs": jobs, "total_ms": found["total_ms"], "around_solver_ms": around,
                     "us_per_job": round(found["total_ms"] / jobs * 1000, 2)})  # fmt: skip
    logs = np.log([row["jobs"] for row in rows])
    return {
        "rounds": rows,
        "exponent": round(float(np.polyfit(logs, np.log([row["total_ms"] for row in rows]), 1)[0]), 3),
        "exponent_around_solver": round(
            float(np.polyfit(logs, np.log([row["around_solver_ms"] for row in rows]), 1)[0]), 3
        ),
    }


def scipy_sparse(job: np.ndarray, courier: np.ndarray, cost: np.ndarray, unmatched: np.ndarray, couriers: int) -> int:
    """Every job has a courier of its own in reserve, who costs what leaving it does; weights are made positive."""
    jobs = unmatched.size
    lift = 1 - min(int(cost.min(initial=0)), 0)
    rows = np.concatenate([job, np.arange(jobs)])
    columns = np.concatenate([courier, couriers + np.arange(jobs)])
    weights = csr_array((np.concatenate([cost, unmatched]) + lift, (rows, columns)), shape=(jobs, couriers + jobs))
    row, column = min_weight_full_bipartite_matching(weights)
    return int(weights[row, column].sum()) - lift * jobs


def scipy_dense(job: np.ndarray, courier: np.ndarray, cost: np.ndarray, unmatched: np.ndarray, couriers: int) -> int:
    """Who is no candidate costs what leaving the job does."""
    matrix = np.repeat(unmatched[:, None], max(couriers, unmatched.size), axis=1).astype(np.float64)
    matrix[job, courier] = np.minimum(cost, unmatched[job])
    row, column = linear_sum_assignment(matrix)
    return round(float(matrix[row, column].sum()))


def ortools_raw(job: np.ndarray, courier: np.ndarray, cost: np.ndarray, unmatched: np.ndarray, couriers: int) -> int:
    """The same arrays as one flow, nothing left out before."""
    jobs, sink = unmatched.size, unmatched.size + couriers
    flow = min_cost_flow.SimpleMinCostFlow()
    ones = np.ones(job.size, np.int64)
    flow.add_arcs_with_capacity_and_unit_cost(job, jobs + courier, ones, cost)
    every = np.arange(couriers)
    flow.add_arcs_with_capacity_and_unit_cost(
        jobs + every, np.full(couriers, sink), np.ones(couriers, np.int64), np.zeros(couriers, np.int64)
    )
    flow.add_arcs_with_capacity_and_unit_cost(np.arange(jobs), np.full(jobs, sink), np.ones(jobs, np.int64), unmatched)
    flow.set_nodes_supplies(np.arange(jobs), np.ones(jobs, np.int64))
    flow.set_node_supply(sink, -jobs)
    if flow.solve() != flow.OPTIMAL:
        raise RuntimeError("OR-Tools found no optimum")
    return int(flow.optimal_cost())


PEERS = {"scipy_sparse": scipy_sparse, "scipy_dense": scipy_dense, "ortools_raw": ortools_raw}


def _timed(work: Callable[[], int], repeat: int) -> tuple[float, int]:
    seconds = []
    for _ in range(repeat):
        began = perf_counter()
        cost = work()
        seconds.append(perf_counter() - began)
    return _ms(float(np.median(seconds))), cost


def _ms(seconds: float) -> float:
    return round(seconds * 1000, 2)
