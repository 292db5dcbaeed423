"""Child processes: how they start and end, and what each does first. Imports nothing heavy: all of them import it."""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import signal
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from multiprocessing.process import BaseProcess
from typing import Any


def new_pool(
    processes: int = 1, begin: Callable[..., object] | None = None, begin_with: tuple[Any, ...] = ()
) -> ProcessPoolExecutor:
    """Return a pool whose processes start with the first work. They are spawned: gRPC and fork do not mix.

    ``begin``: called in each process before its first work, with the arguments ``begin_with``.
    """
    context = multiprocessing.get_context("spawn")
    return ProcessPoolExecutor(processes, context, initializer=_begin, initargs=(begin, begin_with))


@contextlib.contextmanager
def pool_of(
    processes: int, begin: Callable[..., object] | None = None, begin_with: tuple[Any, ...] = ()
) -> Iterator[ProcessPoolExecutor]:
    """Yield a ``new_pool`` whose processes end with the block, or with this process, even if they are busy."""
    pool = new_pool(processes, begin, begin_with)
    try:
        yield pool
    finally:
        end(pool)


def _begin(begin: Callable[..., object] | None, begin_with: tuple[Any, ...]) -> None:
    settle_in()
    if begin is not None:
        begin(*begin_with)


def processes_of(pool: ProcessPoolExecutor) -> list[BaseProcess]:
    """Return the processes that have started; none after the pool has been shut down."""
    return list((pool._processes or {}).values())


def end(pool: ProcessPoolExecutor) -> None:
    """Kill the processes of a pool, busy or dead, and drop its work. Left to themselves they end late."""
    for process in processes_of(pool):
        with contextlib.suppress(ProcessLookupError):
            process.kill()
    pool.shutdown(wait=False, cancel_futures=True)


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
