"""What benchmarks run against: a suite on a scratch directory, and the bare server beside it."""

from __future__ import annotations

import asyncio
import atexit
import os
import shutil
import socket
import subprocess
import sys
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import cache
from pathlib import Path

from dispatcher.log.embedded_postgres import EmbeddedPostgres
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


def data_directory() -> Path:
    """Return a scratch directory with an empty database: a server that starts on it need not run initdb."""
    return with_empty_database(scratch_directory())


def with_empty_database(folder: Path) -> Path:
    """Copy an empty database into a data directory that has none; return the directory."""
    subprocess.run(["cp", "-a", str(empty_database()), str(folder / "postgres")], check=True)
    return folder


@cache
def empty_database() -> Path:
    """Make a database once for this process, which removes it at its end; return its folder."""
    folder = scratch_directory()
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    made = EmbeddedPostgres(folder)
    made.start()
    made.stop()
    return folder / "postgres"


def free_port() -> int:
    """One of this machine's loopback that nobody listens on now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@asynccontextmanager
async def running_suite(*flags: str) -> AsyncIterator[SuiteProcess]:
    """Yield a suite on a scratch directory; drain it at the end, or kill it where the block fails or is cancelled."""
    folder = data_directory()
    suite = SuiteProcess(*flags, data_dir=folder, output=folder / "suite.log")
    try:
        await suite.start()
        yield suite
        await suite.stop()
    finally:
        if suite.running:
            suite.kill()
            await suite.wait()
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
