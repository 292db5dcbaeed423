"""What benchmarks run against: a suite on a scratch directory, and the bare server beside it."""

from __future__ import annotations

import asyncio
import os
import shutil
import socket
import sys
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from load_tests.live.suite_process import SuiteProcess

# For callers who ask as fast as they can.
UNLIMITED = (
    *("--calls-per-second", "1000000", "--capacity", "1000000", "--calls-in-flight", "100000"),
    *("--pings-per-second", "10000000"),
)


def scratch_directory() -> Path:
    """One that the database's user can enter, also when we are root."""
    folder = Path(tempfile.mkdtemp(prefix="gig-bench-"))
    os.chmod(folder, 0o755)
    return folder


def free_port() -> int:
    """One of this machine's loopback that nobody listens on now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@asynccontextmanager
async def running_suite(*flags: str) -> AsyncIterator[SuiteProcess]:
    folder = scratch_directory()
    suite = SuiteProcess(*flags, data_dir=folder, output=folder / "suite.log")
    try:
        await suite.start()
        yield suite
        await suite.stop()
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@asynccontextmanager
async def running_bare() -> AsyncIterator[str]:
    """Yields its address."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "load_tests.bench.bare", stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE
    )
    assert process.stdout is not None
    assert process.stdin is not None
    try:
        yield f"127.0.0.1:{int(await process.stdout.readline())}"
    finally:
        process.stdin.close()
        await process.wait()
