"""The wall clock is set forward and back under a running market: its time goes on as if nothing had been."""

from __future__ import annotations

import itertools
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from dispatcher.log.files import read_log
from load_tests.bench.running import scratch_directory
from tests.faults.harness import gig, harmed

# Read by every Python process of the suite as it starts: the wall clock is the machine's, and as many seconds as the
# file says. The monotonic clock stays the kernel's, as it does when somebody sets a machine's clock.
SITE = """
import time, pathlib
_step = pathlib.Path({step!r})
_time, _time_ns = time.time, time.time_ns
def _off():
    return int(_step.read_text() or 0)
time.time = lambda: _time() + _off()
time.time_ns = lambda: _time_ns() + _off() * 10**9
"""


@pytest.fixture
def step(monkeypatch) -> Iterator[Path]:
    folder = scratch_directory()
    file = folder / "step"
    file.write_text("0", "utf-8")
    (folder / "sitecustomize.py").write_text(SITE.format(step=str(file)), "utf-8")
    monkeypatch.setenv("PYTHONPATH", str(folder))
    yield file
    shutil.rmtree(folder)


async def test_a_clock_that_is_set_forward_and_back_moves_neither_time_outs_nor_the_log(step) -> None:
    async with harmed() as town:
        for seconds in (7200, -7200, 0):
            step.write_text(str(seconds), "utf-8")
            await town.goes_on(10)
        # A restart while the clock is behind: market time does not run backwards.
        step.write_text("-7200", "utf-8")
        await town.suite.stop()
        await town.suite.start()
        await town.goes_on(10)
        await town.proved()
        await gig("log", "export", str(town.folder / "log.gz"), "--data-dir", str(town.folder))
        times = [event.time.ToMicroseconds() for event in read_log(town.folder / "log.gz")]
        # No step of two hours is to be seen anywhere in it.
        assert max(after - before for before, after in itertools.pairwise(times)) < 3600 * 10**6
