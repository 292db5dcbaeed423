"""The memory of a server's processes: the highest they have had since the last reset, shared pages counted once."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

from load_tests.live.suite_process import descendants

SAMPLE_EVERY_S = 0.25
# Resets the high-water mark of a process (proc_pid_clear_refs(5)).
RESET = "5"
KIB_OF_MIB = 1024


@dataclass(slots=True)
class Peak:
    """``mib``: the largest sum over the processes. PostgreSQL's processes map one and the same shared memory, and forks
    share the pages of programs: of both, the largest process counts alone."""

    mib: float = 0.0
    _sampled: float = 0.0
    # Of each process, in KiB: the largest resident size that a sample saw, and its high-water mark.
    _seen: dict[int, float] = field(default_factory=dict)
    _marks: dict[int, float] = field(default_factory=dict)

    def sample(self, pid: int) -> None:
        """Look at the processes that live now. Spikes between two samples count by the processes' own marks."""
        own, shared, programs = 0.0, 0.0, 0.0
        for one in descendants(pid):
            status = _status_of(one)
            own += status.get("RssAnon", 0.0)
            shared, programs = max(shared, status.get("RssShmem", 0.0)), max(programs, status.get("RssFile", 0.0))
            self._seen[one] = max(self._seen.get(one, 0.0), status.get("VmRSS", 0.0))
            self._marks[one] = max(self._marks.get(one, 0.0), status.get("VmHWM", 0.0))
        self._sampled = max(self._sampled, own + shared + programs)
        unseen = sum(max(mark - self._seen[one], 0.0) for one, mark in self._marks.items())
        self.mib = round((self._sampled + unseen) / KIB_OF_MIB, 1)


@asynccontextmanager
async def peak_of(pid: int) -> AsyncIterator[Peak]:
    """Measure the process and its children, short-lived ones too, while the block runs."""
    for one in descendants(pid):
        with contextlib.suppress(OSError):
            Path(f"/proc/{one}/clear_refs").write_text(RESET)
    peak = Peak()
    sampling = asyncio.create_task(_keep_sampling(pid, peak))
    try:
        yield peak
    finally:
        sampling.cancel()
        await asyncio.gather(sampling, return_exceptions=True)
        peak.sample(pid)


async def _keep_sampling(pid: int, peak: Peak) -> None:
    while True:
        peak.sample(pid)
        await asyncio.sleep(SAMPLE_EVERY_S)


def _status_of(pid: int) -> dict[str, float]:
    """The sizes of a process in KiB by the kernel's names; none for a process that has ended."""
    try:
        lines = Path(f"/proc/{pid}/status").read_text("utf-8-sig").splitlines()
    except OSError:
        return {}
    rows = (line.split() for line in lines if line.endswith(" kB"))
    return {row[0].rstrip(":"): float(row[1]) for row in rows}
