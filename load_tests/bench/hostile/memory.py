"""The memory of a server's processes: the highest they have had since the last reset."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from load_tests.live.suite_process import descendants

SAMPLE_EVERY_S = 0.1
# Resets the high-water mark of a process (proc_pid_clear_refs(5)).
RESET = "5"


@dataclass(slots=True)
class Peak:
    mib: float = 0.0


@asynccontextmanager
async def peak_of(pid: int) -> AsyncIterator[Peak]:
    """Measure the sum over the process and its children, short-lived ones too, while the block runs."""
    for one in descendants(pid):
        with contextlib.suppress(OSError):
            Path(f"/proc/{one}/clear_refs").write_text(RESET)
    peak = Peak()
    sampling = asyncio.create_task(_sample(pid, peak))
    try:
        yield peak
    finally:
        sampling.cancel()
        await asyncio.gather(sampling, return_exceptions=True)
        peak.mib = round(max(peak.mib, _marks_mib(pid)), 1)


async def _sample(pid: int, peak: Peak) -> None:
    while True:
        peak.mib = max(peak.mib, _marks_mib(pid))
        await asyncio.sleep(SAMPLE_EVERY_S)


def _marks_mib(pid: int) -> float:
    """The sum of the high-water marks of those that live now. Memory that they share (the buffers of PostgreSQL, which
    every one of its processes maps) counts once."""
    marks = [_mark_kib(one) for one in descendants(pid)]
    return (sum(own for own, _ in marks) + max(shared for _, shared in marks)) / 1024


def _mark_kib(pid: int) -> tuple[int, int]:
    """Return the high-water mark without shared memory, and the shared memory."""
    try:
        lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    except OSError:
        return 0, 0
    sizes = {line.partition(":")[0]: int(line.split()[1]) for line in lines if line.startswith(("VmHWM", "RssShmem"))}
    shared = sizes.get("RssShmem", 0)
    return max(sizes.get("VmHWM", 0) - shared, 0), shared
