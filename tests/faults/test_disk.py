"""The disk is full: nothing is acknowledged that is not durable."""

from __future__ import annotations

import asyncio
import contextlib
import subprocess
from collections.abc import Iterator
from pathlib import Path

import asyncpg
import grpc
import pytest

from gig.v1 import job_service_pb2_grpc as job_rpc
from load_tests.bench.running import scratch_directory, with_empty_database
from tests.faults.harness import Harmed, harmed
from tests.service.stream import place_request
from tests.tools import missing

VOLUME = "400m"


@pytest.fixture
def volume() -> Iterator[Path]:
    """A small one of its own."""
    folder = scratch_directory()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", f"size={VOLUME},mode=0755", "none", str(folder)], check=False
    )
    if mounted.returncode:
        missing("no volume can be mounted here")
    try:
        yield with_empty_database(folder)
    finally:
        subprocess.run(["umount", "--lazy", str(folder)], check=True)


def fill(folder: Path) -> Path:
    ballast = folder / "ballast"
    with contextlib.suppress(OSError), ballast.open("wb", buffering=0) as file:
        while True:
            file.write(b"\0" * (1 << 20))
    return ballast


async def use_up_the_log(dsn: str) -> None:
    """What is left of the present segment of the write-ahead log, until PostgreSQL can write no more."""
    operator = await asyncpg.connect(dsn)
    try:
        while True:
            await operator.execute("SELECT pg_switch_wal()")
            await operator.execute("CREATE TABLE IF NOT EXISTS filler (x text)")
            await operator.execute("INSERT INTO filler SELECT repeat('x', 1000) FROM generate_series(1, 1000)")
    finally:
        operator.terminate()


async def code_of_placing(town: Harmed, number: int) -> grpc.StatusCode:
    async with grpc.aio.insecure_channel(town.suite.target) as channel:
        request = place_request("eve", town.spot, number)
        call = job_rpc.JobServiceStub(channel).PlaceJob(request, timeout=10, metadata=town.suite.wallet.client("eve"))
        return await call.code()


async def test_on_a_full_disk_nothing_is_acknowledged_and_with_room_again_all_goes_on(volume) -> None:
    async with harmed(folder=volume) as town:
        ballast = await asyncio.to_thread(fill, volume)
        with pytest.raises((asyncpg.PostgresError, OSError, asyncpg.InterfaceError)):
            await use_up_the_log((volume / "database.url").read_text("utf-8"))
        assert await code_of_placing(town, 1) in (grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.DEADLINE_EXCEEDED)
        ballast.unlink()
        await town.goes_on()
        assert await code_of_placing(town, 2) is grpc.StatusCode.OK
        assert "No space left on device" in (volume / "postgres.log").read_text("utf-8", "replace")
        await town.proved()
