"""Work in a process of its own, which the event loop neither shares a core's lock with nor waits for."""

from __future__ import annotations

import asyncio
import contextlib
import multiprocessing
import os
import signal
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from typing import TypeVar

from matching.solver_processes import settle_in

T = TypeVar("T")

# Added to the niceness of these processes: where cores are short, calls and rounds go first.
NICENESS = 10


async def in_child(work: Callable[..., T], *arguments: object) -> T:
    """Return what the work returns. A cancelled call kills the process. Raises BrokenExecutor where it dies."""
    process = ProcessPoolExecutor(1, multiprocessing.get_context("spawn"), initializer=_settle_in_background)
    try:
        pid = await asyncio.wrap_future(process.submit(os.getpid))
        try:
            return await asyncio.wrap_future(process.submit(work, *arguments))
        except asyncio.CancelledError:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
            raise
    finally:
        # The process takes a while to end: do not wait for it.
        process.shutdown(wait=False)


def _settle_in_background() -> None:
    settle_in()
    os.nice(NICENESS)
