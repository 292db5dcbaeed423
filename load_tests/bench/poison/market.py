"""The market that is poisoned: a server with ordinary people, checked and restarted, replaced when it is lost."""

from __future__ import annotations

import asyncio
import contextlib
import shutil
from collections.abc import Callable
from pathlib import Path

import grpc
import numpy as np

from load_tests.bench.running import UNLIMITED, data_directory, free_port
from load_tests.fuzz.sound import fuzzed_policy
from load_tests.fuzz.steward import Steward
from load_tests.live.suite_process import SuiteFailed, SuiteProcess
from load_tests.live.town import RECONNECT
from load_tests.ordinary.population import Population

COURIERS = 10
# Market seconds in a second.
CLOCK_SPEED = 20.0
# Ordinary jobs after each batch, and how long they may take.
JOBS, SERVED_LIMIT_S = 5, 20.0
# To notice that a process has ended.
EXIT_S = 0.01


class PoisonedMarket:
    """``channel`` is for the poisoner; ordinary people have their own."""

    def __init__(self, seed: int) -> None:
        self._seed = seed
        self._folder: Path | None = None
        self.restarts = 0

    async def open(self) -> None:
        """Start a server on an empty log, and people who use it."""
        self._folder = data_directory()
        flags = (*UNLIMITED, "--clock-speed", f"{CLOCK_SPEED:g}", "--grpc-address", f"127.0.0.1:{free_port()}")
        self.server = SuiteProcess(*flags, data_dir=self._folder, output=self._folder / "server.log")
        await self.server.start()
        self.channel = grpc.aio.insecure_channel(self.server.target, RECONNECT)
        self._steward = Steward(
            self.channel, self.server.wallet, fuzzed_policy(), np.random.default_rng([self._seed, 2])
        )
        await self._steward.settle()
        self._population = Population(self.server, COURIERS, self._seed)
        await self._population.open()

    async def close(self) -> None:
        """Stop everything and remove the data."""
        await self._population.close()
        await self.channel.close()
        try:
            if self.server.running:
                self.server.kill()
                await self.server.wait()
        finally:
            if self._folder is not None:
                shutil.rmtree(self._folder, ignore_errors=True)

    async def exited(self, limit_s: float = 0.0) -> bool:
        """Return whether the server has exited, or does within the limit."""
        try:
            await asyncio.wait_for(self.server.wait(), max(limit_s, EXIT_S))
        except TimeoutError:
            return False
        return True

    @property
    def served(self) -> dict[str, str]:
        """Jobs that ordinary couriers have completed, with their clients."""
        placed = {line["job_id"]: line["client_id"] for line in self._population.tally.journal if "client_id" in line}
        return {job_id: placed[job_id] for job_id in self._population.tally.served if job_id in placed}

    async def reset(self) -> str:
        """An operator sets a sound policy and sound zones; return the fault where that is refused."""
        try:
            await self._steward.settle()
        except grpc.aio.AioRpcError as fault:
            return f"an operator could not set a sound policy: {fault.code().name}: {fault.details()}"
        return ""

    async def unserved(self) -> list[str]:
        """Place ordinary jobs; return those that no courier completed in time."""
        return await self._population.unserved(JOBS, SERVED_LIMIT_S)

    async def restart(self, progress: Callable[[str], None]) -> str:
        """Restart the server from its log, alternately by kill -9 and by a drain; return the fault, or ""."""
        self.restarts += 1
        progress(f"restart {self.restarts}")
        fault = ""
        try:
            if self.server.running and self.restarts % 2:
                self.server.kill()
                await self.server.wait()
            else:
                await self.server.stop()
        except SuiteFailed as failure:
            fault = str(failure)
        with contextlib.suppress(ProcessLookupError):
            self.server.kill()
        try:
            await self.server.start()
        except SuiteFailed as failure:
            return str(failure)
        return fault
