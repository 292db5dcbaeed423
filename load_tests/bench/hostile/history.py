"""Data directories that servers begin with: an empty market, and one in which a client has a long history."""

from __future__ import annotations

import asyncio
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

from dispatcher import commands, policy
from dispatcher.log.embedded_postgres import EmbeddedPostgres
from dispatcher.log.store import open_pool
from dispatcher.market import Market
from dispatcher.times import SECOND
from gig.v1 import events_pb2 as events_pb
from load_tests.bench.busy_market import SECRET
from load_tests.bench.place import place_request
from load_tests.bench.running import data_directory, scratch_directory
from services.host.restoring import restore

MARKET = "main"
# The client with the history; the jobs were placed and cancelled two days ago.
ERASER, AGE_S = "eraser", 2 * 86_400


async def history_directory(jobs: int) -> Path:
    """Return a data directory of a market in which ERASER has placed and cancelled ``jobs`` jobs; 0: a new market."""
    folder = data_directory()
    postgres = EmbeddedPostgres(folder)
    await asyncio.to_thread(postgres.start)
    try:
        pool = await open_pool(postgres.dsn)
        await restore(pool, MARKET, _events(jobs), {})
        await pool.close()
    finally:
        await asyncio.to_thread(postgres.stop)
    return folder


def copy_of(folder: Path) -> Path:
    """Return a copy, with the same owners and modes."""
    target = scratch_directory()
    subprocess.run(["cp", "-a", f"{folder}/.", str(target)], check=True)
    return target


def _events(jobs: int) -> Iterator[events_pb.Event]:
    market, now = Market.new(), (int(time.time()) - AGE_S) * SECOND
    events = market.opening(MARKET, policy.load("plain"), now, secret=SECRET)
    market.apply(events)
    yield from events
    spec = place_request(ERASER).spec
    spec.pickup.label, spec.dropoff.label = "12 High Street", "the red door"
    for number in range(jobs):
        now += SECOND
        job_id = f"history-{number}"
        for command in (
            commands.PlaceJob(job_id=job_id, client_id=ERASER, spec=spec),
            commands.CancelJob(job_id=job_id, client_id=ERASER, reason="changed plans"),
        ):
            events = market.decide(command, now)
            market.apply(events)
            yield from events
