"""Work in a process of its own, which the event loop neither shares a core's lock with nor waits for."""

from __future__ import annotations

import asyncio
import contextlib
import multiprocessing
import os
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from typing import TypeVar

from matching.solver_processes import settle_in

T = TypeVar("T")

# Added to the niceness of these processes: where cores are short, calls and rounds go first.
NICENESS = 10


async def in_child(work: Callable[..., T], *arguments: object) -> T:
    """Return what the work returns. A cancelled call kills the process. Raises BrokenExecutor where it dies."""
    process = ProcessPoolExecutor(1, multiprocessing.get_context("spawn"), initializer=settle_in)
    others = set(multiprocessing.active_children())
    running = process.submit(work, *arguments)
    # Its imports already yield the cores.
    children = set(multiprocessing.active_children()) - others
    for child in children:
        with contextlib.suppress(ProcessLookupError):
            os.setpriority(os.PRIO_PROCESS, child.pid or 0, NICENESS)
    try:
        return await asyncio.wrap_future(running)
    finally:
        # Left to itself the process takes a while to end, and keeps its memory meanwhile.
        for child in children:
            child.kill()
        process.shutdown(wait=False)
