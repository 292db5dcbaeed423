"""Work beside the market yields the cores, and leaves no process behind."""

from __future__ import annotations

import asyncio
import multiprocessing
import os
import signal
import subprocess
import sys
from concurrent.futures import BrokenExecutor
from multiprocessing.connection import wait
from pathlib import Path

import pytest

from services.auth.bulkheads import WAIT_LIMIT_S
from services.host.child import LONGEST_REST_S, NICENESS, WarmProcess, in_child, rest_s

LIMIT_S = 60.0


async def test_it_yields_the_cores_and_its_process_ends_with_it() -> None:
    before = set(multiprocessing.active_children())
    assert await in_child(os.getpriority, os.PRIO_PROCESS, 0) >= NICENESS
    with pytest.raises(ValueError, match="invalid literal"):
        await in_child(int, "none")
    # Joining them would race with the thread of their pool, which joins them too.
    for child in set(multiprocessing.active_children()) - before:
        assert wait([child.sentinel], LIMIT_S)


async def test_a_warm_process_does_several_works_and_yields_the_cores() -> None:
    process = WarmProcess()
    try:
        first, second, niceness = [
            await process.run(work, *arguments)
            for work, arguments in ((os.getpid, ()), (os.getpid, ()), (os.getpriority, (os.PRIO_PROCESS, 0)))
        ]
        assert first == second != os.getpid()
        assert niceness >= NICENESS
        with pytest.raises(ValueError, match="invalid literal"):
            await process.run(int, "none")
        assert await process.run(os.getpid) == first
    finally:
        process.close()


def open_and_wait(path: str) -> None:
    """Open the pipe for writing, and never end."""
    with open(path, "wb"):
        signal.pause()


@pytest.mark.parametrize("ending", ["crash", "cancelled call", "killed while idle", "no work", "many calls"])
async def test_another_warm_process_follows_one_that_has_ended(ending: str, tmp_path: Path) -> None:
    process = WarmProcess(keep_s=0.0 if ending == "no work" else 60.0, most_calls=1 if ending == "many calls" else 100)
    before = set(multiprocessing.active_children())
    try:
        first = await process.run(os.getpid)
        children = set(multiprocessing.active_children()) - before
        if ending == "crash":
            with pytest.raises(BrokenExecutor):
                await process.run(os._exit, 1)
        elif ending == "cancelled call":
            os.mkfifo(pipe := tmp_path / "pipe")
            work = asyncio.create_task(process.run(open_and_wait, str(pipe)))
            # The other end opens once the work has begun.
            (await asyncio.to_thread(pipe.open, "rb")).close()
            work.cancel()
            with pytest.raises(asyncio.CancelledError):
                await work
        elif ending == "killed while idle":
            os.kill(first, signal.SIGKILL)
        if ending != "many calls":
            assert await asyncio.to_thread(wait, [child.sentinel for child in children], LIMIT_S)
        assert await process.run(os.getpid) != first
    finally:
        process.close()


def test_a_rest_keeps_most_of_the_time_free_and_nobody_waiting_for_long() -> None:
    assert rest_s(0.1) >= 3 * 0.1
    assert rest_s(1e6) == LONGEST_REST_S <= WAIT_LIMIT_S / 4


@pytest.mark.parametrize("module", ["services.host.erasure_work", "services.host.snapshots", "services.host.no_offer"])
def test_a_background_process_imports_no_large_library_that_it_may_not_need(module: str) -> None:
    code = f"import sys, {module}; print([name for name in ('scipy', 'ortools') if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
