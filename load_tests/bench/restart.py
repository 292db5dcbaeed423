"""How long a market with a long log takes to serve again; and whether snapshots hold its rounds up."""

from __future__ import annotations

import asyncio
import shutil
import time
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import grpc
import numpy as np

from dispatcher import commands
from dispatcher.log.embedded_postgres import EmbeddedPostgres
from dispatcher.log.projections import Projections
from dispatcher.log.store import LogStore, open_pool
from dispatcher.market import Market
from dispatcher.times import SECOND
from gig.v1 import events_pb2 as events_pb
from gig.v1 import job_service_pb2_grpc as rpc
from load_tests.bench.busy_market import BusyMarket
from load_tests.bench.place import place_request
from load_tests.bench.running import UNLIMITED, scratch_directory
from load_tests.live.suite_process import SuiteProcess
from services.host.restoring import restore

MARKET = "restart"
COURIERS, JOBS_AN_HOUR = 400, 3_000.0
# Events an hour of such a market, roughly: how many hours make so many.
EVENTS_AN_HOUR = 11_000.0
# Behind the last snapshot at a crash, at most so many events: what it leaves while one is being made.
TAIL = 60_000
CALLERS = 32
LAG = "gig_event_loop_lag_seconds_bucket"


async def bench_restart(
    events: int, live_jobs: int, tail: int, snapshots: int, progress: Callable[[str], None]
) -> dict[str, Any]:
    """``restart_s``: from starting the process to serving, after a kill -9, with ``tail`` events behind the snapshot.
    ``lag_ms``: the event loop's lag under load, in which all rounds wait, without snapshots and with ``snapshots`` of
    them being made one after another: the upper edge of the histogram's bucket that holds each share."""
    folder = scratch_directory()
    try:
        log = [*_log(events, live_jobs, progress)]
        progress(f"storing {len(log):,} events")
        await _store(folder, log, tail)
        progress("restarting")
        restarts = [await _restarted(folder) for _ in range(3)]
        progress("snapshots")
        lags = await _lags(folder, snapshots)
        return {
            "events": len(log),
            "live_jobs": live_jobs,
            "tail": tail,
            "restart_s": round(float(np.median(restarts)), 2),
            "restarts_s": [round(one, 2) for one in restarts],
            "lag_ms": lags,
        }
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _log(wanted: int, live_jobs: int, progress: Callable[[str], None]) -> Iterator[events_pb.Event]:
    """A busy market for as long as it takes, then jobs that wait for a courier."""
    busy = BusyMarket(COURIERS, JOBS_AN_HOUR, wanted / EVENTS_AN_HOUR)
    log = busy.run(lambda share: progress(f"a busy market: {share:.0%}"))
    market = Market.fold(log)
    yield from log
    now = market.state.time_us + SECOND
    for number in range(live_jobs):
        request = place_request(f"waiting-{number}")
        command = commands.PlaceJob(job_id=f"waiting-{number}", client_id=request.client_id, spec=request.spec)
        found = market.decide(command, now + number)
        market.apply(found)
        yield from found


async def _store(folder: Path, log: list[events_pb.Event], tail: int) -> None:
    """Restored up to the tail, which makes a snapshot there; then the rest of the log alone, as a crash leaves it."""
    postgres = EmbeddedPostgres(folder)
    postgres.start()
    try:
        pool = await open_pool(postgres.dsn)
        await restore(pool, MARKET, log[: len(log) - tail], {})
        store = LogStore(pool, MARKET)
        await store.acquire()
        for start in range(len(log) - tail, len(log), 5_000):
            await store.append(log[start : start + 5_000])
        projections = Projections(pool, MARKET)
        assert await projections.load() == len(log) - tail
        await pool.close()
    finally:
        postgres.stop()


def _suite(folder: Path, *flags: str) -> SuiteProcess:
    return SuiteProcess("--market", MARKET, *UNLIMITED, *flags, data_dir=folder, output=folder / "suite.log")


async def _restarted(folder: Path) -> float:
    """Killed as soon as it serves: the next one finds the same log, and a few events."""
    suite = _suite(folder, "--snapshot-every", "1000000")
    began = time.perf_counter()
    await suite.start()
    seconds = time.perf_counter() - began
    suite.kill()
    await suite.wait()
    return seconds


async def _lags(folder: Path, snapshots: int) -> dict[str, dict[str, float]]:
    found = {}
    for name, every in (("without", 1_000_000), ("with", 500)):
        suite = _suite(folder, "--snapshot-every", str(every))
        await suite.start()
        before = await asyncio.to_thread(_lag, suite)
        async with grpc.aio.insecure_channel(suite.target) as channel:
            place = rpc.JobServiceStub(channel).PlaceJob
            calls = 500 * (snapshots + 1)
            await asyncio.gather(*(_calls(place, suite, name, caller, calls // CALLERS) for caller in range(CALLERS)))
        after = await asyncio.to_thread(_lag, suite)
        found[name] = _shares({edge: after[edge] - before.get(edge, 0.0) for edge in after})
        await suite.stop()
    return found


async def _calls(place: Any, suite: SuiteProcess, name: str, caller: int, calls: int) -> None:
    client_id = f"{name}-{caller}"
    for number in range(calls):
        await place(place_request(client_id, f"{name}-{number}"), metadata=suite.wallet.client(client_id))


def _lag(suite: SuiteProcess) -> dict[float, float]:
    """Cumulative counts by upper edge in seconds."""
    with urllib.request.urlopen(f"http://127.0.0.1:{suite.http_port}/metrics", timeout=10) as answer:
        lines = answer.read().decode().splitlines()
    rows = (line for line in lines if line.startswith(LAG))
    return {float(line.split('le="')[1].split('"')[0]): float(line.rpartition(" ")[2]) for line in rows}


def _shares(counts: dict[float, float]) -> dict[str, float]:
    total = counts[float("inf")]
    found = {}
    for name, share in (("p50", 0.5), ("p99", 0.99), ("max", 1.0)):
        edge = min(edge for edge, count in counts.items() if count >= share * total)
        found[name] = round(edge * 1000, 1)
    return found
