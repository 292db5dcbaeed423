"""A solver process of its own: OR-Tools' graph solvers hold the GIL, so the service must not run them inside."""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import signal
import threading
from concurrent.futures import Future, ProcessPoolExecutor

from matching.assignment import Assignment
from matching.problem import Problem
from matching.solve import solve


class SolverProcess:
    """Solves problems in a child process, which is replaced after it died. Spawned: gRPC and fork do not mix."""

    def __init__(self) -> None:
        self._pool = self._new_pool()

    def submit(self, problem: Problem) -> Future[Assignment]:
        """A future of the assignment; it fails with BrokenProcessPool when the process dies meanwhile."""
        return self._pool.submit(solve, problem)

    def warm_up(self) -> Future[int]:
        """Resolves to the process's id when it has started and imported what it needs."""
        return self._pool.submit(_ready)

    def replace(self) -> None:
        """Give up the present process, busy or dead, and start another."""
        self._kill()
        self._pool = self._new_pool()

    def close(self) -> None:
        self._kill()

    def _kill(self) -> None:
        for process in list((self._pool._processes or {}).values()):
            with contextlib.suppress(ProcessLookupError):
                process.kill()
        self._pool.shutdown(wait=False, cancel_futures=True)

    @staticmethod
    def _new_pool() -> ProcessPoolExecutor:
        return ProcessPoolExecutor(1, multiprocessing.get_context("spawn"), initializer=settle_in)


def settle_in() -> None:
    """Ctrl-C reaches the whole process group, but when to stop is the parent's decision: end only with the parent."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    threading.Thread(target=_end_with_parent, daemon=True).start()


def _end_with_parent() -> None:
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os._exit(0)


def _ready() -> int:
    from ortools.graph.python import min_cost_flow  # noqa: F401 - imported so that the first round need not

    return os.getpid()
