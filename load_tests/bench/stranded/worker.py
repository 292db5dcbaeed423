"""Solve generated rounds with the ``matching`` that comes first on the path: one line of JSON in and out for each.

The benchmark starts it as a process, once for each of the versions that it compares.
"""

from __future__ import annotations

import json
import sys
from time import process_time

import numpy as np

from load_tests.bench.stranded.generated import generated_round
from matching.assignment import NOBODY, Assignment
from matching.solve import solve


def without_candidate(assignment: Assignment) -> list[int]:
    """Return the jobs that are in no candidate, ascending."""
    candidates = assignment.candidates
    lonely = np.ones(assignment.edge.size, bool)
    lonely[candidates.jobs[candidates.jobs != NOBODY]] = False
    found: list[int] = np.flatnonzero(lonely).tolist()
    return found


def main() -> None:
    """Answer each seed with the milliseconds of processor time of its round, and what the round left."""
    for line in sys.stdin:
        problem = generated_round(int(line))
        began = process_time()
        assignment = solve(problem)
        took = process_time() - began
        # Earlier versions cut nothing off.
        truncated = getattr(assignment.candidates, "truncated", np.zeros(0))
        answer = {"ms": took * 1000, "left": without_candidate(assignment), "truncated": int(truncated.size)}
        print(json.dumps(answer), flush=True)


if __name__ == "__main__":
    main()
