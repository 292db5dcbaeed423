"""Work in a process of its own, which the event loop neither shares a core's lock with nor waits for."""

from __future__ import annotations

import asyncio
import contextlib
import multiprocessing
import os
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from typing import TypeVar

from matching.child_process import settle_in

T = TypeVar("T")

# The niceness of these processes: where cores are short, calls and rounds go first.
NICENESS = 10


@contextmanager
def background_process() -> Iterator[ProcessPoolExecutor]:
    """Start a process that yields the cores from its first import on; kill it at the end."""
    pool = ProcessPoolExecutor(1, multiprocessing.get_context("spawn"), initializer=settle_in)
    pool.submit(os.getpid)
    processes = [*pool._processes.values()]
    niceness = max(NICENESS, os.getpriority(os.PRIO_PROCESS, 0))
    for process in processes:
        with contextlib.suppress(ProcessLookupError):
            os.setpriority(os.PRIO_PROCESS, process.pid or 0, niceness)
    try:
        yield pool
    finally:
        # Left to itself the process takes a while to end, and keeps its memory meanwhile.
        for process in processes:
            process.kill()
        pool.shutdown(wait=False, cancel_futures=True)


async def in_child(work: Callable[..., T], *arguments: object) -> T:
    """Return what the work returns. A cancelled call kills the process. Raises BrokenExecutor where it dies."""
    with background_process() as process:
        return await asyncio.wrap_future(process.submit(work, *arguments))
