"""A town whose suite is harmed; afterwards `gig log check` proves the log against what its people were promised."""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from typer.testing import CliRunner

from dispatcher.log.embedded_postgres import EmbeddedPostgres, postmaster_pid
from dispatcher.log.journal import write_journal
from load_tests.bench.running import data_directory, free_port
from load_tests.cities.generated import GeneratedCity
from load_tests.live.suite_process import SuiteProcess
from load_tests.live.town import LOOK_EVERY_S, Town
from services.cli.main import app

SPEED, COURIERS, JOBS_PER_MINUTE, LIVE_JOBS = 60.0, 40, 60.0, 60


async def gig(*command: str) -> str:
    """What a command prints; it must succeed."""
    outcome = await asyncio.to_thread(CliRunner().invoke, app(), command)
    assert outcome.exit_code == 0, outcome.stderr
    return str(outcome.stdout)


@dataclass
class Harmed:
    """``postgres`` is there where the suite runs on one that is not its own."""

    suite: SuiteProcess
    town: Town
    folder: Path
    postgres: EmbeddedPostgres | None
    # Somewhere in the town.
    spot: tuple[float, float]

    async def goes_on(self, jobs: int = 15) -> None:
        """New jobs are acknowledged and rides go on."""
        await self.town.resynchronise()
        await self.town.until_more(jobs)
        await self.town.until_busy(LIVE_JOBS // 2)

    async def kill_postgres(self) -> None:
        """Kill the suite's own PostgreSQL, and return once the suite has started another."""
        cluster = (self.folder / "postgres").resolve()
        before = postmaster_pid(cluster)
        assert before is not None
        os.kill(before, signal.SIGKILL)
        while postmaster_pid(cluster) in (before, None):
            await asyncio.sleep(LOOK_EVERY_S)

    async def proved(self) -> None:
        """Nothing that was acknowledged is lost or doubled, by the service's lists and by its log."""
        account = await self.town.settle()
        assert account.journal.placed
        assert (account.states["lost"], account.states["doubled"], account.journal.unanswered) == (0, 0, 0)
        assert account.couriers.offers_doubled == 0
        journal = self.folder / "journal.jsonl"
        write_journal(journal, account.lines())
        await self.town.close()
        await self.suite.stop()
        where = ["--database-url", self.postgres.dsn] if self.postgres else ["--data-dir", str(self.folder)]
        told = json.loads(await gig("log", "check", "--journal", str(journal), "--json", *where))
        assert told["faults"] == 0
        assert told["acknowledged"] > len(account.journal.placed)

    def said(self) -> str:
        """The suite's log so far."""
        return (self.folder / "suite.log").read_text("utf-8")


@asynccontextmanager
async def harmed(
    *flags: str, own_postgres: bool = True, folder: Path | None = None, seed: int = 5
) -> AsyncIterator[Harmed]:
    """A busy town; whatever happens to it, its processes end with the test."""
    folder = folder or data_directory()
    rng = np.random.default_rng(seed)
    city = GeneratedCity(rng)
    (folder / "zones.geojson").write_text(city.zones_geojson, "utf-8")
    postgres = None if own_postgres else EmbeddedPostgres(folder)
    if postgres is not None:
        postgres.start()
        flags = (*flags, "--database-url", postgres.dsn)
    suite = SuiteProcess(
        # One port for all lives of the suite: the clients find it again.
        *("--grpc-address", f"127.0.0.1:{free_port()}"),
        *("--clock-speed", f"{SPEED:g}", "--zones", str(folder / "zones.geojson"), *flags),
        data_dir=folder,
        output=folder / "suite.log",
    )
    await suite.start()
    town = Town(suite.target, suite.wallet, city, rng, COURIERS, JOBS_PER_MINUTE)
    try:
        await town.open()
        await town.until_busy(LIVE_JOBS)
        home = city.homes(rng, 1)[0]
        yield Harmed(suite, town, folder, postgres, (home.latitude, home.longitude))
    finally:
        await town.close()
        if suite.running:
            suite.kill()
            await suite.wait()
        if postgres is not None:
            postgres.stop()
        shutil.rmtree(folder, ignore_errors=True)
