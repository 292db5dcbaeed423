"""Parts of a round that have nothing to do with one another: they can be solved apart, and at the same time."""

from __future__ import annotations

import numpy as np

from geo.units import Ints
from matching.assignment import Candidates
from matching.problem import NOBODY


def components(candidates: Candidates, jobs: int, couriers: int) -> Ints:
    """Shape (E,), int64: the number of each edge's component. Edges that share a job or a courier share it."""
    from scipy.sparse import csr_array
    from scipy.sparse.csgraph import connected_components

    used = candidates.jobs
    edge, slot = np.nonzero(used != NOBODY)
    row, column = used[edge, slot], jobs + candidates.courier[edge]
    nodes = jobs + couriers
    graph = csr_array((np.ones(row.size, np.int8), (row, column)), shape=(nodes, nodes))
    _, labels = connected_components(graph, directed=False)
    _, number = np.unique(labels[candidates.job], return_inverse=True)
    return number.reshape(-1).astype(np.int64)


def portions(component: Ints, count: int) -> list[Ints]:
    """Edges in at most ``count`` portions of whole components, of about equal size, ascending within each."""
    sizes = np.bincount(component)
    count = min(count, sizes.size)
    if count <= 1:
        return [np.arange(component.size)]
    filled = np.zeros(count, np.int64)
    place = np.zeros(sizes.size, np.int64)
    for number in np.argsort(-sizes, kind="stable").tolist():
        lightest = int(filled.argmin())
        place[number] = lightest
        filled[lightest] += sizes[number]
    portion = place[component]
    return [np.flatnonzero(portion == number) for number in range(count) if filled[number]]
