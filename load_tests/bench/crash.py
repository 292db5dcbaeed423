"""kill -9 under load, again and again: every acknowledged job is there afterwards, in a legal state, once."""

from __future__ import annotations

import asyncio
import shutil
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from load_tests.bench.running import data_directory, free_port
from load_tests.cities.generated import GeneratedCity
from load_tests.live.suite_process import SuiteProcess
from load_tests.live.town import Account, Town
from services.cli.stored_log import prove_stored
from services.settings import resolve

SPEED = 60.0
COURIERS = 60
JOBS_PER_MINUTE = 90.0
# Jobs that must be live when the suite is killed.
LIVE_JOBS = 200
MARKET = "crash"


async def bench_crash(kills: int, seed: int, progress: Callable[[str], None]) -> dict[str, Any]:
    """``lost`` jobs that were acknowledged and are unknown; ``doubled`` requests that became two jobs, or offers that
    came twice; ``violations`` of the log's invariants, or of what people were promised; ``recovery_s`` the longest time
    from restart to serving."""
    folder = data_directory()
    try:
        return await _crash(folder, kills, seed, progress)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


async def _crash(folder: Path, kills: int, seed: int, progress: Callable[[str], None]) -> dict[str, Any]:
    rng = np.random.default_rng(seed)
    city = GeneratedCity(rng)
    zones = folder / "zones.geojson"
    zones.write_text(city.zones_geojson, "utf-8")
    # One port for all lives of the suite: the clients find it again.
    suite = SuiteProcess(
        *("--grpc-address", f"127.0.0.1:{free_port()}", "--market", MARKET),
        *("--clock-speed", f"{SPEED:g}", "--zones", str(zones)),
        data_dir=folder,
        output=folder / "suite.log",
    )
    await suite.start()
    town = Town(suite.target, suite.wallet, city, rng, COURIERS, JOBS_PER_MINUTE)
    recoveries: list[float] = []
    live_at_kill: list[int] = []
    try:
        await town.open()
        for number in range(1, kills + 1):
            live_at_kill.append(await town.until_busy(LIVE_JOBS))
            await asyncio.sleep(rng.uniform(0.0, 0.5))
            progress(f"kill {number} of {kills}")
            suite.kill()
            await suite.wait()
            began = time.perf_counter()
            await suite.start()
            recoveries.append(time.perf_counter() - began)
            await town.resynchronise()
        await town.until_busy(LIVE_JOBS)
        account = await town.settle()
    finally:
        await town.close()
    await suite.stop()
    proof = await prove_stored(resolve({"data_dir": folder, "market": MARKET}).values, account.lines())
    return _result(kills, account, recoveries, live_at_kill) | {"violations": proof.told}


def _result(kills: int, account: Account, recoveries: list[float], live_at_kill: list[int]) -> dict[str, Any]:
    journal, couriers, states = account.journal, account.couriers, account.states
    return {
        "kills": kills,
        "jobs": len(journal.placed),
        "lost": states["lost"],
        "doubled": states["doubled"] + couriers.offers_doubled,
        "recovery_s": round(max(recoveries), 3) if recoveries else None,
        "recovery_mean_s": round(sum(recoveries) / len(recoveries), 3) if recoveries else None,
        "least_live_jobs_at_kill": min(live_at_kill, default=None),
        "offers": couriers.offers,
        "acknowledgements": sum(1 for _ in account.lines()),
        "unanswered": journal.unanswered,
        "states": {state: count for state, count in sorted(states.items()) if state not in ("lost", "doubled")},
    }
