"""Work in a process of its own, which the event loop neither shares a core's lock with nor waits for."""

from __future__ import annotations

import asyncio
import contextlib
import os
from collections.abc import Callable, Iterator
from concurrent.futures import BrokenExecutor, ProcessPoolExecutor
from contextlib import contextmanager
from multiprocessing.connection import wait
from time import monotonic
from typing import TypeVar

from matching.child_process import end, new_pool, pool_of, processes_of

T = TypeVar("T")

# The niceness of these processes: where cores are short, calls and rounds go first.
NICENESS = 10
# The pause of a warm process after each piece of work, as a multiple of how long that took, and at most so many wall
# seconds: however much people ask for, calls seldom meet it at work.
REST, LONGEST_REST_S = 9.0, 2.0
# A warm process ends after so many wall seconds without work, and after so many calls: it then returns its memory.
KEEP_S, MOST_CALLS = 60.0, 100


@contextmanager
def background_process() -> Iterator[ProcessPoolExecutor]:
    """Start a process that yields the cores from its first import on; kill it at the end."""
    with pool_of(1) as pool:
        _start(pool)
        yield pool


def _start(pool: ProcessPoolExecutor) -> None:
    pool.submit(os.getpid)
    niceness = max(NICENESS, os.getpriority(os.PRIO_PROCESS, 0))
    for process in processes_of(pool):
        with contextlib.suppress(ProcessLookupError):
            os.setpriority(os.PRIO_PROCESS, process.pid or 0, niceness)
            _share_last_core(process.pid or 0)


def _share_last_core(pid: int) -> None:
    """Keep the process to the last of the cores that this one may use; the others stay free for calls and rounds."""
    if hasattr(os, "sched_setaffinity"):  # not on every system
        os.sched_setaffinity(pid, {max(os.sched_getaffinity(0))})


async def in_child(work: Callable[..., T], *arguments: object) -> T:
    """Return what the work returns. A cancelled call kills the process. Raises BrokenExecutor where it dies."""
    with background_process() as process:
        return await asyncio.wrap_future(process.submit(work, *arguments))


def rest_s(took_s: float) -> float:
    """Return the pause after a piece of work that took ``took_s``; wall seconds both."""
    return min(REST * took_s, LONGEST_REST_S)


class WarmProcess:
    """A background process that waits for more work: to start one costs more than short work does."""

    def __init__(self, keep_s: float = KEEP_S, most_calls: int = MOST_CALLS) -> None:
        self._keep_s, self._most_calls = keep_s, most_calls
        self._turn = asyncio.Lock()
        self._pool: ProcessPoolExecutor | None = None
        self._calls = 0
        # Monotonic time until which the process rests.
        self._rests_until = 0.0
        self._expiry: asyncio.TimerHandle | None = None

    async def run(self, work: Callable[..., T], *arguments: object) -> T:
        """Return what the work returns; one at a time, with a rest before the next. A cancelled call kills the process.

        Raises BrokenExecutor where it dies; the next call starts another.
        """
        async with self._turn:
            await asyncio.sleep(self._rests_until - monotonic())
            pool, began = self._started(), monotonic()
            try:
                return await asyncio.wrap_future(pool.submit(work, *arguments))
            except (asyncio.CancelledError, BrokenExecutor):
                self.close()
                raise
            finally:
                self._rests_until = monotonic() + rest_s(monotonic() - began)
                self._expire_later()

    def close(self) -> None:
        """Kill the process; the next call starts another."""
        if self._expiry is not None:
            self._expiry.cancel()
        if self._pool is not None:
            end(self._pool)
        self._pool = self._expiry = None

    def _started(self) -> ProcessPoolExecutor:
        if self._expiry is not None:
            self._expiry.cancel()
        if self._pool is not None and (self._calls >= self._most_calls or not _lives(self._pool)):
            self.close()
        if self._pool is None:
            self._pool, self._calls = new_pool(), 0
            _start(self._pool)
        self._calls += 1
        return self._pool

    def _expire_later(self) -> None:
        if self._pool is not None:
            self._expiry = asyncio.get_running_loop().call_later(self._keep_s, self.close)


def _lives(pool: ProcessPoolExecutor) -> bool:
    sentinels = [process.sentinel for process in processes_of(pool)]
    # Asking a process whether it is alive would race with the thread of the pool, which joins it.
    return bool(sentinels) and not wait(sentinels, 0.0)
