"""How long a market with a long log takes to serve again; and whether snapshots hold its rounds up."""

from __future__ import annotations

import asyncio
import shutil
import time
from collections.abc import Callable, Coroutine, Iterator
from pathlib import Path
from typing import Any

import numpy as np
from prometheus_client import CollectorRegistry

from dispatcher import commands, policy
from dispatcher.log.embedded_postgres import EmbeddedPostgres
from dispatcher.log.projections import Projections
from dispatcher.log.store import LogStore, open_pool
from dispatcher.market import Market
from dispatcher.times import SECOND
from gig.v1 import events_pb2 as events_pb
from load_tests.bench.busy_market import BusyMarket
from load_tests.bench.place import place_request
from load_tests.bench.running import UNLIMITED, scratch_directory
from load_tests.live.suite_process import SuiteProcess
from services.clock import MarketClock
from services.host.market_host import MarketHost, Opening
from services.host.restoring import restore
from services.host.snapshots import Snapshots
from services.signals import Signals

MARKET = "restart"
COURIERS, JOBS_AN_HOUR = 400, 3_000.0
# Events an hour of such a market, roughly: how many hours make so many.
EVENTS_AN_HOUR = 9_400.0
# Behind the last snapshot at a crash, at most so many events: what it leaves while one is being made.
TAIL = 60_000
TICK_S = 0.001


async def bench_restart(
    events: int, live_jobs: int, tail: int, snapshots: int, progress: Callable[[str], None]
) -> dict[str, Any]:
    """``restart_s``: from starting the process to serving, after a kill -9, with ``tail`` events behind the snapshot.
    ``lag_ms``: how late the event loop wakes, for as long a round would wait, while ``snapshots`` are made of this very
    market one after another, and without."""
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
    """With nothing else on the loop, so that nothing else is measured: as long without snapshots as with them."""
    postgres = EmbeddedPostgres(folder)
    postgres.start()
    pool = await open_pool(postgres.dsn)
    host = MarketHost(pool, Opening(MARKET, policy.load("city")), MarketClock(), Signals(CollectorRegistry()))
    try:
        await host.start()
        await host.projected()
        maker = Snapshots(host, postgres.dsn)
        during, seconds = await _ticked(_make(host, maker, snapshots))
        calm, _ = await _ticked(asyncio.sleep(seconds))
        return {"without": _shares(calm), "with": _shares(during)}
    finally:
        await host.stop()
        await pool.close()
        postgres.stop()


async def _make(host: MarketHost, maker: Snapshots, snapshots: int) -> None:
    for number in range(snapshots):
        command = commands.NoteAccess(reader_id="bench", role="operator", method="bench", subject_id=str(number))
        await host.submit(command, lambda _market: None)
        await host.projected()
        await maker.save(host.market.sequence)


async def _ticked(work: Coroutine[Any, Any, None]) -> tuple[np.ndarray, float]:
    """How late the loop woke, in milliseconds, each time while the work went on; and the work's seconds."""
    task, late, began = asyncio.create_task(work), [], time.perf_counter()
    while not task.done():
        wanted = time.perf_counter() + TICK_S
        await asyncio.sleep(TICK_S)
        late.append(max(time.perf_counter() - wanted, 0.0) * 1000)
    await task
    return np.array(late), time.perf_counter() - began


def _shares(late: np.ndarray) -> dict[str, float]:
    p50, p99, most = np.percentile(late, [50, 99, 100])
    return {"p50": round(float(p50), 2), "p99": round(float(p99), 2), "max": round(float(most), 2)}
