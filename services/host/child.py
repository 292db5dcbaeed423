"""Work in a process of its own, which the event loop neither shares a core's lock with nor waits for."""

from __future__ import annotations

import asyncio
import contextlib
import os
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from typing import TypeVar

from matching.child_process import pool_of, processes_of

T = TypeVar("T")

# The niceness of these processes: where cores are short, calls and rounds go first.
NICENESS = 10


@contextmanager
def background_process() -> Iterator[ProcessPoolExecutor]:
    """Start a process that yields the cores from its first import on; kill it at the end."""
    with pool_of(1) as pool:
        pool.submit(os.getpid)
        niceness = max(NICENESS, os.getpriority(os.PRIO_PROCESS, 0))
        for process in processes_of(pool):
            with contextlib.suppress(ProcessLookupError):
                os.setpriority(os.PRIO_PROCESS, process.pid or 0, niceness)
        yield pool


async def in_child(work: Callable[..., T], *arguments: object) -> T:
    """Return what the work returns. A cancelled call kills the process. Raises BrokenExecutor where it dies."""
    with background_process() as process:
        return await asyncio.wrap_future(process.submit(work, *arguments))
