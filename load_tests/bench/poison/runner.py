"""`gig bench poison`: a battery of extreme messages against a serving market, in batches with checks between."""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import grpc
import numpy as np

from gig.v1 import job_service_pb2 as job_pb
from gig.v1 import job_service_pb2_grpc as job_rpc
from load_tests.bench.poison.cases import Case, battery
from load_tests.bench.poison.complete_policy import complete_policy
from load_tests.bench.poison.market import CLOCK_SPEED, PoisonedMarket
from load_tests.bench.poison.preparing import Preparing
from load_tests.bench.poison.sending import Answer, Sender
from load_tests.fuzz.findings import CLEAR
from load_tests.fuzz.sound import Sound, fuzzed_policy
from load_tests.fuzz.world import World
from services.auth.contract import path_of

# Messages between two checks, and checks between two restarts.
BATCH, RESTART_EVERY = 20, 4
# A policy stays in force for so long: rounds and surge ticks happen under it.
IN_FORCE_S = 0.2
LEAST_ACCEPTED = 300
KEPT = 20
# A call that nobody answers may mean that the server is exiting.
EXIT_LIMIT_S = 2.0
SET_POLICY = "OversightService/SetPolicy"
# Newest served jobs that the poisoner learns of, and rates, tips and contests.
SHOWN = 30


@dataclass(slots=True)
class Score:
    """Lists hold sentences: what happened, after which messages."""

    attempts: int = 0
    accepted: int = 0
    refused: int = 0
    by_code: Counter[str] = field(default_factory=Counter)
    markets_stopped: list[str] = field(default_factory=list)
    restarts_failed: list[str] = field(default_factory=list)
    others_unserved: list[str] = field(default_factory=list)
    unnamed_refusals: list[str] = field(default_factory=list)
    unclear_answers: list[str] = field(default_factory=list)

    def note(self, case: Case, answer: Answer) -> None:
        """Count an answer and keep what is wrong with it."""
        self.attempts += 1
        self.by_code[answer.code] += 1
        if answer.code == "OK":
            self.accepted += 1
        else:
            self.refused += 1
        if answer.code not in CLEAR:
            self.unclear_answers.append(f"{case}: {answer.code}: {answer.text[:200]}")
        elif not case.inside and not answer.names(case):
            self.unnamed_refusals.append(f"{case}: {answer.code}: {answer.text[:200]}")

    def summary(self) -> dict[str, Any]:
        found: dict[str, Any] = {"attempts": self.attempts, "accepted": self.accepted, "refused": self.refused}
        found["codes"] = dict(sorted(self.by_code.items()))
        lists = ("markets_stopped", "restarts_failed", "others_unserved", "unnamed_refusals", "unclear_answers")
        for name in lists:
            sentences = getattr(self, name)
            found[name] = len(sentences)
            if sentences:
                found[f"{name}_details"] = sentences[:KEPT]
        return found


async def bench_poison(attempts: int, seed: int, progress: Callable[[str], None]) -> dict[str, Any]:
    """Send ``attempts`` messages, half of them just inside the bounds of their fields and half of them just outside.

    ``markets_stopped``: how often the server exited; ``restarts_failed``: restarts from the log that did not serve;
    ``others_unserved``: checks after which ordinary jobs were not served; ``unnamed_refusals``: messages outside the
    bounds that were not refused by INVALID_ARGUMENT with the field's name.
    """
    run = _Run(seed, progress)
    cases = battery(np.random.default_rng(seed), attempts)
    began = time.perf_counter()
    await run.open()
    try:
        for start in range(0, len(cases), BATCH):
            await run.batch(cases[start : start + BATCH], len(cases))
    finally:
        await run.close()
    return run.score.summary() | {"restarts": run.restarts, "seconds": round(time.perf_counter() - began, 1)}


def wrong_with(result: dict[str, Any]) -> list[str]:
    """Return in sentences what makes a result a failure."""
    names = ("markets_stopped", "restarts_failed", "others_unserved", "unnamed_refusals", "unclear_answers")
    found = [f"{name}: {result[name]}" for name in names if result[name]]
    if result["accepted"] < LEAST_ACCEPTED:
        found.append(f"accepted: {result['accepted']}, at least {LEAST_ACCEPTED} are needed")
    return found


class _Run:
    def __init__(self, seed: int, progress: Callable[[str], None]) -> None:
        self._seed, self._progress = seed, progress
        self.score = Score()
        self.restarts = 0
        self._batches = 0
        self._base = complete_policy(fuzzed_policy())

    async def open(self) -> None:
        self._market = PoisonedMarket(self._seed)
        await self._market.open()
        self._world, self._began_ns, self._began_s = World(), time.time_ns(), time.monotonic()
        rng = np.random.default_rng([self._seed, 1])
        sound = Sound(rng, self._world, self._now_ns, self._base, plain=True)
        channel, wallet = self._market.channel, self._market.server.wallet
        self._sender = Sender(channel, wallet, self._world, sound, Preparing(channel, wallet, rng, self._market.reset))
        await self._market.unserved()
        await self._show_served()

    async def close(self) -> None:
        await self._market.close()

    async def batch(self, cases: Sequence[Case], total: int) -> None:
        """Send a batch, then see that the market is alive and serves; at intervals restart it."""
        for case in cases:
            if case.needs_policy:
                await self._market.reset()
            answer = await self._sender.send(case, self._now_ns())
            self.score.note(case, answer)
            if answer.code == "OK" and path_of(case.method) == SET_POLICY:
                await asyncio.sleep(IN_FORCE_S)
            if answer.code == "UNAVAILABLE" and await self._market.exited(EXIT_LIMIT_S):
                break
        self._batches += 1
        score = self.score
        self._progress(
            f"{score.attempts} of {total} messages; accepted: {score.accepted}; stopped: {len(score.markets_stopped)};"
            f" unserved: {len(score.others_unserved)}"
        )
        await self._check(cases)
        if self._batches % RESTART_EVERY == 0:
            await self._restart(cases)

    async def _check(self, cases: Sequence[Case]) -> None:
        fault, left, exited = "", list[str](), await self._market.exited()
        if not exited:
            fault = await self._market.reset()
            left = [] if fault else await self._market.unserved()
            exited = bool(fault or left) and await self._market.exited(EXIT_LIMIT_S)
        if exited:
            self.score.markets_stopped.append(f"{self._market.server.tail()[-500:]}; after {_listed(cases)}")
            await self._restart(cases)
        elif fault or left:
            self.score.others_unserved.append(f"{fault or f'{len(left)} jobs'}; after {_listed(cases)}")
            await self._renew()
        else:
            await self._show_served()

    async def _restart(self, cases: Sequence[Case]) -> None:
        """A market that does not serve after a restart is lost: the battery goes on with a new one."""
        self.restarts += 1
        fault = await self._market.restart(self._progress)
        if not fault:
            fault = await self._market.reset()
        if not fault and (left := await self._market.unserved()):
            fault = f"{len(left)} ordinary jobs were not served after the restart"
        if fault and await self._market.exited(EXIT_LIMIT_S):
            fault = f"the server exited again ({fault[:100]}): {self._market.server.tail()[-500:]}"
        if fault:
            self.score.restarts_failed.append(f"{fault[-700:]}; after {_listed(cases)}")
            await self._renew()

    async def _renew(self) -> None:
        await self._market.close()
        await self.open()

    async def _show_served(self) -> None:
        """Let the poisoner learn of jobs that ordinary couriers completed."""
        get = job_rpc.JobServiceStub(self._market.channel).GetJob
        for job_id, client_id in list(self._market.served.items())[-SHOWN:]:
            metadata = self._market.server.wallet.client(client_id)
            try:
                found = await get(job_pb.GetJobRequest(job_id=job_id), metadata=metadata)
            except grpc.aio.AioRpcError:
                continue  # the check that follows finds it
            self._world.learn("JobService/GetJob", client_id, found)

    def _now_ns(self) -> int:
        """About the market's time."""
        return self._began_ns + round((time.monotonic() - self._began_s) * CLOCK_SPEED * 1e9)


def _listed(cases: Sequence[Case]) -> str:
    return " | ".join(str(case)[:160] for case in cases)
