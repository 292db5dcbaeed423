"""What a courier is worth to a round: the dual prices of a 1:1 assignment."""

from __future__ import annotations

import numpy as np

from geo.units import Ints
from matching.problem import NOBODY

# Longest chain of displacements that is followed; prices beyond it are lower bounds.
LONGEST_CHAIN = 200


def courier_prices(job: Ints, courier: Ints, cost: Ints, unmatched: Ints, edge_of: Ints, couriers: int) -> Ints:
    """Shape (couriers,), int64: the least prices that support an optimal assignment.

    A price of 0 means that a courier was to spare; else it is what the round would save with one more courier just
    like this one. With prices p each job's choice is its cheapest: cost + p of the chosen <= cost + p of any
    other, and <= the job's unmatched cost (linear programming duality of the assignment problem; Shapley and Shubik,
    "The assignment game I", 1971). Found by relaxing all edges at once until none changes, as Bellman and Ford do.
    """
    price = np.zeros(couriers, np.int64)
    matched = edge_of != NOBODY
    own = np.where(matched, edge_of, 0)
    for _ in range(LONGEST_CHAIN):
        pays = unmatched.copy()
        pays[matched] = cost[own[matched]] + price[courier[own[matched]]]
        offered = np.minimum(pays, unmatched)[job] - cost
        rise = offered > price[courier]
        if not rise.any():
            break
        np.maximum.at(price, courier[rise], offered[rise])
    return price
