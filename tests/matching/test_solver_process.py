"""The solver runs elsewhere, gives the same answer, and is replaced after it died."""

from __future__ import annotations

import os
import signal
from concurrent.futures import BrokenExecutor

import pytest

from matching.problem import Problem
from matching.solve import solve
from matching.solver_process import SolverProcess
from tests.matching.problems import random_problem


def solve_until_dead(solver: SolverProcess, problem: Problem) -> None:
    """The kill may arrive after an answer or two."""
    for _ in range(1000):
        solver.submit(problem).result(60)


def test_the_answer_is_the_same_and_a_dead_solver_is_replaced() -> None:
    solver = SolverProcess()
    try:
        first = solver.warm_up().result(60)
        problem = random_problem(3, 20, 20)
        assert first != os.getpid()
        assert solver.submit(problem).result(60).digest == solve(problem).digest
        os.kill(first, signal.SIGKILL)
        with pytest.raises(BrokenExecutor):
            solve_until_dead(solver, problem)
        solver.replace()
        assert solver.warm_up().result(60) != first
        assert solver.submit(problem).result(60).digest == solve(problem).digest
    finally:
        solver.close()
