"""Least-cost 1:1 matching as a min-cost flow (OR-Tools), each job free to stay unmatched at its price."""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np

from geo.units import Ints
from matching.problem import NOBODY


class SolverFailed(RuntimeError):
    """A solver ended without an answer."""


@cache
def solver() -> Any:
    """Import OR-Tools' solver and return its class: at the first use, since the server itself never solves."""
    from ortools.graph.python import min_cost_flow

    return min_cost_flow.SimpleMinCostFlow


def solve(job: Ints, courier: Ints, cost: Ints, unmatched: Ints) -> Ints:
    """The chosen edge of each job, or NOBODY; shape (jobs,), int64. ``job``, ``courier``, ``cost`` (E,) are the edges.

    Nodes: jobs, then couriers, then one sink. A job sends one unit to a courier or straight to the sink;
    a courier passes at most one unit on. A pair that costs more than leaving its job cannot be in an optimum.
    """
    jobs = int(unmatched.size)
    edge_of = np.full(jobs, NOBODY, np.int64)
    worth = np.flatnonzero(cost < unmatched[job])
    if not worth.size:
        return edge_of
    slots = np.full(int(courier.max()) + 1, NOBODY, np.int64)
    slots[courier[worth]] = 0
    used = np.flatnonzero(slots == 0)
    slots[used] = np.arange(used.size)
    sink = jobs + used.size
    graph = solver()()
    arcs = graph.add_arcs_with_capacity_and_unit_cost(
        job[worth], jobs + slots[courier[worth]], np.ones(worth.size, np.int64), cost[worth]
    )
    graph.add_arcs_with_capacity_and_unit_cost(
        jobs + np.arange(used.size),
        np.full(used.size, sink),
        np.ones(used.size, np.int64),
        np.zeros(used.size, np.int64),
    )
    graph.add_arcs_with_capacity_and_unit_cost(np.arange(jobs), np.full(jobs, sink), np.ones(jobs, np.int64), unmatched)
    graph.set_nodes_supplies(np.arange(jobs), np.ones(jobs, np.int64))
    graph.set_node_supply(sink, -jobs)
    if graph.solve() != graph.OPTIMAL:
        raise SolverFailed(f"min-cost flow over {jobs} jobs and {used.size} couriers found no optimum")
    chosen = worth[np.flatnonzero(graph.flows(arcs))]
    edge_of[job[chosen]] = chosen
    return edge_of
