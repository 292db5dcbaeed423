"""kill -9 under load, again and again: every acknowledged job is there afterwards, in a legal state, once."""

from __future__ import annotations

import asyncio
import shutil
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import grpc
import numpy as np

from dispatcher.log.embedded_postgres import EmbeddedPostgres
from dispatcher.log.journal import JournalCheck, Line
from dispatcher.log.proof import LogProof
from dispatcher.log.store import LogStore, open_pool
from gig.v1 import courier_service_pb2_grpc as courier_rpc
from gig.v1 import job_service_pb2_grpc as job_rpc
from gig.v1 import oversight_service_pb2 as oversight_pb
from gig.v1 import oversight_service_pb2_grpc as oversight_rpc
from gig.v1 import types_pb2 as types_pb
from load_tests.bench.running import free_port, scratch_directory
from load_tests.cities.city import Spot
from load_tests.cities.generated import GeneratedCity
from load_tests.live.clients import Clients, Journal, states_of
from load_tests.live.clock import RemoteClock
from load_tests.live.courier import CourierApp, CourierTally
from load_tests.live.demonstration import ping
from load_tests.live.suite_process import SuiteProcess
from load_tests.live.view import LIVE_STATES, counts

SPEED = 60.0
COURIERS = 60
JOBS_PER_MINUTE = 90.0
# Jobs that must be live when the suite is killed.
LIVE_JOBS = 200
SETTLE_LIMIT_S = 30.0
MARKET = "crash"


async def bench_crash(kills: int, seed: int, progress: Callable[[str], None]) -> dict[str, Any]:
    """``lost`` jobs that were acknowledged and are unknown; ``doubled`` requests that became two jobs, or offers that
    came twice; ``violations`` of the log's invariants; ``recovery_s`` the longest time from restart to serving."""
    folder = scratch_directory()
    try:
        crash = _Crash(folder, seed, progress)
        result = await crash.run(kills)
        result["violations"] = await _check_log(folder, crash.promised)
        return result
    finally:
        shutil.rmtree(folder, ignore_errors=True)


class _Crash:
    def __init__(self, folder: Path, seed: int, progress: Callable[[str], None]) -> None:
        self._progress = progress
        self._rng = np.random.default_rng(seed)
        self._city = GeneratedCity(self._rng)
        zones = folder / "zones.geojson"
        zones.write_text(self._city.zones_geojson, "utf-8")
        # One port for all lives of the suite: the clients find it again.
        port = free_port()
        self._suite = SuiteProcess(
            *("--grpc-address", f"127.0.0.1:{port}", "--market", MARKET),
            *("--clock-speed", f"{SPEED:g}", "--zones", str(zones)),
            data_dir=folder,
            output=folder / "suite.log",
        )
        options = [("grpc.max_reconnect_backoff_ms", 200), ("grpc.initial_reconnect_backoff_ms", 50)]
        self._channel = grpc.aio.insecure_channel(f"127.0.0.1:{port}", options)
        self._oversight = oversight_rpc.OversightServiceStub(self._channel)
        self.promised: list[Line] = []

    async def run(self, kills: int) -> dict[str, Any]:
        await self._suite.start()
        clock = RemoteClock(await self._look())
        jobs = job_rpc.JobServiceStub(self._channel)
        spots: dict[str, tuple[Spot, Spot]] = {}
        tally = CourierTally()
        clients = Clients(jobs, self._suite.wallet, clock, self._rng, spots)
        apps = [
            CourierApp(f"courier-{index}", home, types_pb.VEHICLE_TYPE_CAR, self._city, clock, self._rng, tally, spots)
            for index, home in enumerate(self._city.homes(self._rng, COURIERS))
        ]
        stub = courier_rpc.CourierServiceStub(self._channel)
        people = [asyncio.create_task(app.run(stub, self._suite.wallet)) for app in apps]
        people.append(asyncio.create_task(ping(apps, clock)))
        people.append(asyncio.create_task(clients.place_all(self._city.demands(self._rng, JOBS_PER_MINUTE))))
        recoveries: list[float] = []
        live_at_kill: list[int] = []
        try:
            for number in range(1, kills + 1):
                live_at_kill.append(await self._until_busy(people))
                await asyncio.sleep(self._rng.uniform(0.0, 0.5))
                self._progress(f"kill {number} of {kills}")
                self._suite.kill()
                await self._suite.wait()
                began = time.perf_counter()
                await self._suite.start()
                recoveries.append(time.perf_counter() - began)
                clock.resynchronise(await self._look())
            await self._until_busy(people)
            people.pop().cancel()
            await clients.settle(SETTLE_LIMIT_S)
            states = await states_of(jobs, self._suite.wallet, clients.journal)
        finally:
            for task in people:
                task.cancel()
            await asyncio.gather(*people, return_exceptions=True)
            await self._channel.close()
        await self._suite.stop()
        self.promised = [*clients.journal.lines(), *tally.journal]
        return self._result(kills, clients.journal, states, tally, recoveries, live_at_kill)

    def _result(
        self,
        kills: int,
        journal: Journal,
        states: dict[str, int],
        tally: CourierTally,
        recoveries: list[float],
        live_at_kill: list[int],
    ) -> dict[str, Any]:
        return {
            "kills": kills,
            "jobs": len(journal.placed),
            "lost": states["lost"],
            "doubled": states["doubled"] + tally.offers_doubled,
            "recovery_s": round(max(recoveries), 3) if recoveries else None,
            "recovery_mean_s": round(sum(recoveries) / len(recoveries), 3) if recoveries else None,
            "least_live_jobs_at_kill": min(live_at_kill, default=None),
            "offers": tally.offers,
            "acknowledgements": len(self.promised),
            "unanswered": journal.unanswered,
            "states": {state: count for state, count in sorted(states.items()) if state not in ("lost", "doubled")},
        }

    async def _until_busy(self, people: list[asyncio.Task[None]]) -> int:
        """Returns the number of live jobs, when they are enough."""
        while True:
            for task in people:
                if task.done():
                    task.result()
            jobs = counts((await self._look()).jobs)
            live = sum(jobs.get(state, 0) for state in LIVE_STATES)
            if live >= LIVE_JOBS and jobs.get("picked_up", 0):
                return live
            await asyncio.sleep(0.1)

    async def _look(self) -> oversight_pb.MarketView:
        response = await self._oversight.GetMarket(
            oversight_pb.GetMarketRequest(),
            timeout=20.0,
            wait_for_ready=True,
            metadata=self._suite.wallet.operator(),
        )
        view: oversight_pb.MarketView = response.market
        return view


async def _check_log(folder: Path, promised: Sequence[Line]) -> list[str]:
    """What is wrong with the log that is left, by itself and by what people were promised: the first faults."""
    postgres = EmbeddedPostgres(folder)
    postgres.start()
    try:
        pool = await open_pool(postgres.dsn, size=1)
        proof = LogProof(JournalCheck([*promised]))
        async for event in LogStore(pool, MARKET).read():
            proof.check(event)
        proof.finish()
        await pool.close()
    finally:
        postgres.stop()
    return proof.told
