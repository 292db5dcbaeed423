"""Solver processes: OR-Tools' graph solvers hold the GIL, so the service must not run them inside."""

from __future__ import annotations

import importlib
import os
from concurrent.futures import BrokenExecutor, Future, ProcessPoolExecutor, ThreadPoolExecutor
from dataclasses import replace
from time import monotonic, perf_counter

from matching.assignment import Assignment
from matching.child_process import end, new_pool
from matching.min_cost_flow import SolverFailed, solver
from matching.problem import Problem
from matching.solve import Choice, Prepared, conclude, greedily, improve, merged, prepare

# What may happen to a solver that the market must survive.
FAULTS = (BrokenExecutor, TimeoutError, SolverFailed)


class SolverProcesses:
    """Child processes that solve rounds, the parts of a large one side by side; replaced after one has failed.

    Spawned: gRPC and fork do not mix.
    """

    def __init__(self, count: int = 1) -> None:
        self._pools = [new_pool() for _ in range(count)]
        # Waits for the processes, round by round.
        self._rounds = ThreadPoolExecutor(1)

    def submit(self, problem: Problem, limit_s: float) -> Future[Assignment]:
        """A future of the assignment.

        It fails with one of FAULTS where there is no answer after ``limit_s``. Where there is one for single jobs
        already, that counts instead, and the assignment says ``fell_back``.
        """
        return self._rounds.submit(self._solve, problem, monotonic() + limit_s)

    def warm_up(self) -> list[Future[int]]:
        """Each resolves to a process's id when it has started and imported what it needs."""
        return [pool.submit(_ready) for pool in self._pools]

    def replace(self) -> None:
        """Give up the present processes, busy or dead, and start others."""
        self._kill()
        self._pools = [new_pool() for _ in self._pools]

    def close(self) -> None:
        self._kill()
        self._rounds.shutdown(wait=False, cancel_futures=True)

    def _solve(self, problem: Problem, until: float) -> Assignment:
        begun = self._pools[0].submit(begin, problem, len(self._pools)).result(until - monotonic())
        if isinstance(begun, Assignment):
            return begun
        began = perf_counter()
        work = [
            _submitted(self._pools[number % len(self._pools)], problem, begun, number)
            for number in range(len(begun.portions))
        ]
        try:
            choices = [future.result(max(until - monotonic(), 0)) for future in work]
        except FAULTS:
            fallback = begun.first or greedily(problem, begun.candidates, begun.unmatched)
            return replace(conclude(problem, begun, fallback, perf_counter() - began), fell_back=True)
        return conclude(problem, begun, merged(begun, choices), perf_counter() - began)

    def _kill(self) -> None:
        for pool in self._pools:
            end(pool)


def _submitted(pool: ProcessPoolExecutor, problem: Problem, begun: Prepared, number: int) -> Future[Choice]:
    """A portion on its way to a process; a future that has failed where the process is known to be dead."""
    whole = len(begun.portions) == 1
    part = begun.candidates if whole else begun.candidates.part(begun.portions[number])
    try:
        return pool.submit(improve, problem, part, begun.unmatched)
    except BrokenExecutor as fault:
        failed: Future[Choice] = Future()
        failed.set_exception(fault)
        return failed


def begin(problem: Problem, processes: int) -> Assignment | Prepared:
    """In a process: the answer where it is found at once, or what there is to improve."""
    prepared = prepare(problem, processes)
    if prepared.portions:
        return prepared
    return conclude(problem, prepared, merged(prepared, []))


def _ready() -> int:
    """Import what rounds need, so that the first round does not wait for it; return the process's id."""
    importlib.import_module("scipy.sparse.csgraph")
    importlib.import_module("scipy.spatial")
    solver()
    return os.getpid()
