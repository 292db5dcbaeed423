"""Least-cost 1:1 matching as a min-cost flow (OR-Tools), each job free to stay unmatched at its price."""

from __future__ import annotations

import numpy as np
from ortools.graph.python import min_cost_flow

from geo.units import Ints
from matching.assignment import NOBODY, Candidates


class SolverFailed(RuntimeError):
    """The flow solver ended without an optimum."""


def solve(candidates: Candidates, unmatched: Ints, couriers: int) -> Ints:
    """The chosen edge of each job, or NOBODY; shape (jobs,), int64.

    Nodes: jobs, then couriers, then one sink. A job sends one unit to a courier or straight to the sink;
    a courier passes at most one unit on.
    """
    jobs = int(unmatched.size)
    edge_of = np.full(jobs, NOBODY, np.int64)
    if not len(candidates):
        return edge_of
    used, slot = np.unique(candidates.courier, return_inverse=True)
    sink = jobs + used.size
    graph = min_cost_flow.SimpleMinCostFlow()
    ones = np.ones(len(candidates), np.int64)
    arcs = graph.add_arcs_with_capacity_and_unit_cost(candidates.job, jobs + slot, ones, candidates.cost)
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
        raise SolverFailed(f"min-cost flow over {jobs} jobs and {couriers} couriers found no optimum")
    chosen = np.flatnonzero(graph.flows(arcs))
    edge_of[candidates.job[chosen]] = chosen
    return edge_of
