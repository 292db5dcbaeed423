"""Sound and wrong messages for every method of every service, against a server that serves rounds and is restarted."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections import deque
from collections.abc import AsyncIterator, Callable, Iterable
from dataclasses import dataclass
from typing import Any

import grpc
import numpy as np
from google.protobuf.descriptor import ServiceDescriptor

from dispatcher.log.journal import Line
from dispatcher.log.proof import proved
from gig.v1 import events_pb2 as events_pb
from gig.v1 import job_service_pb2 as job_pb
from gig.v1 import job_service_pb2_grpc as rpc
from load_tests.bench.place import place_request
from load_tests.bench.running import UNLIMITED, free_port, running_suite
from load_tests.fuzz.callers import LIMIT_S, Caller
from load_tests.fuzz.exchange import Exchange
from load_tests.fuzz.findings import Findings
from load_tests.fuzz.lives import Lives
from load_tests.fuzz.sound import SKILL, Sound, fuzzed_policy
from load_tests.fuzz.steward import Steward
from load_tests.fuzz.world import PEOPLE, World
from load_tests.live.suite_process import SuiteFailed, SuiteProcess
from load_tests.live.town import RECONNECT
from load_tests.ordinary import city
from load_tests.ordinary.population import Population
from services.auth.caller import CLIENT
from services.cli.stored_log import stored_log
from services.rpc.services import SERVICERS
from services.settings import resolve

CALLERS = 24
# Of each service's messages, at least this share must be answered OK.
LEAST_ACCEPTED = 0.2
# Jobs of somebody whom no message names: none of them may be lost.
KEPT = 50
# Ordinary couriers, and jobs that ordinary clients place in a second.
COURIERS, JOBS_PER_SECOND = 12, 2.0
# Jobs a second of the fuzzer's clients; jobs placed after one before it is looked at.
JOBS_FOR_FUZZED, LOOKED_AT_AFTER = 8.0, 16
# Ordinary jobs that must be served after a restart, and the limit in seconds.
SERVED_AFTER, SERVED_LIMIT_S = 3, 30.0
# Market seconds in a second.
CLOCK_SPEED = 20.0
# Newest acknowledged jobs that are looked up after a restart.
LOOKED_UP = 50
SETTLE_S = 0.1
# Lines of the server's log about errors that it did not foresee.
INCIDENTS = 20


@dataclass(frozen=True, slots=True)
class Plan:
    """``messages`` for each of the ``services``; the ``restarts`` are spread over all of them."""

    messages: int
    seed: int = 1
    restarts: int = 24
    services: tuple[str, ...] = tuple(descriptor.name for descriptor, _ in SERVICERS)


async def fuzz_services(plan: Plan, progress: Callable[[str], None]) -> dict[str, Any]:
    """Run the plan against a server of its own.

    ``unclear``: the first faults of the server: answers that bad input must not get, an exit, a restart that failed, a
    market that does not serve, something acknowledged that is lost. ``log_faults``: what is wrong with the log
    afterwards.
    """
    flags = (*UNLIMITED, "--streams-per-caller", "10000", "--clock-speed", f"{CLOCK_SPEED:g}")
    # One port for all lives of the server: the callers find it again.
    port = ("--grpc-address", f"127.0.0.1:{free_port()}")
    async with running_suite(*flags, *port) as server:
        return await _Run(server, plan, progress).run()


def wrong_with(result: dict[str, Any]) -> list[str]:
    """Return in sentences what makes a result a failure."""
    found = []
    if result["faults"]:
        found.append(f"{result['faults']} faults of the server, the first ones under unclear")
    if result["log_faults"]:
        found.append(f"{len(result['log_faults'])} faults of the log")
    for service, share in result["accepted_share"].items():
        if share < LEAST_ACCEPTED:
            found.append(f"{service}: only {share:.0%} of the messages were answered OK: the fuzzer must reach further")
    return found


class _Run:
    def __init__(self, server: SuiteProcess, plan: Plan, progress: Callable[[str], None]) -> None:
        self._server, self._plan, self._progress = server, plan, progress
        self._findings = Findings()
        self._lives = Lives(server, self._findings.fault)
        self._channel = grpc.aio.insecure_channel(server.target, RECONNECT)
        self._exchange = Exchange(self._channel, server.wallet, World(), self._lives, self._findings)
        self._population = Population(server, COURIERS, plan.seed)
        self._base = fuzzed_policy()
        self._steward = Steward(self._channel, server.wallet, self._base, np.random.default_rng([plan.seed, 1]))
        self._began_ns, self._began_s = time.time_ns(), time.monotonic()

    async def run(self) -> dict[str, Any]:
        self._lives.begin()
        kept = await self._place_kept()
        await self._steward.settle()
        await self._population.open(JOBS_PER_SECOND)
        placing = asyncio.create_task(self._place_for_fuzzed())
        helpers = [asyncio.create_task(self._steward.run()), asyncio.create_task(self._restart_on_time())]
        began = time.perf_counter()
        for service, _ in SERVICERS:
            if service.name in self._plan.services:
                await self._fuzz(service)
        seconds = time.perf_counter() - began
        placing.cancel()
        await asyncio.gather(placing, return_exceptions=True)
        await self._finish_helpers(helpers)
        await self._look_up(kept)
        await self._population.close()
        await self._channel.close()
        self._lives.end()
        try:
            await self._server.stop()
        except SuiteFailed as failure:
            self._findings.fault(f"the last drain: {failure}")
        return await self._result(seconds, [*kept, *self._population.tally.journal])

    async def _fuzz(self, service: ServiceDescriptor) -> None:
        whole, rest = divmod(self._plan.messages, CALLERS)
        callers = [self._caller(number) for number in range(CALLERS)]
        methods = [*service.methods]
        await asyncio.gather(*(caller.run(methods, whole + (number < rest)) for number, caller in enumerate(callers)))

    def _caller(self, number: int) -> Caller:
        rng = np.random.default_rng([self._plan.seed, number, self._findings.messages()])
        return Caller(self._exchange, rng, Sound(rng, self._exchange.world, self._now_ns, self._base))

    def _now_ns(self) -> int:
        """About the market's time; a restart may hold it back by seconds."""
        return self._began_ns + round((time.monotonic() - self._began_s) * CLOCK_SPEED * 1e9)

    async def _restart_on_time(self) -> None:
        """Restart after equal shares of all messages; then see that the market serves and has lost nothing."""
        total, restarts = self._plan.messages * len(self._plan.services), self._plan.restarts
        for number in range(1, restarts + 1):
            while self._findings.messages() < total * number / (restarts + 1):
                await asyncio.sleep(SETTLE_S)
                self._report(total)
            await self._lives.restart()
            if self._lives.over.is_set():
                return
            await self._check_service(f"after restart {number}")

    def _report(self, total: int) -> None:
        done, served = self._findings.messages(), len(self._population.tally.served)
        self._progress(
            f"{done:,} of {total:,} messages; restarts: {self._lives.restarts}; jobs served: {served:,};"
            f" faults: {self._findings.faults}"
        )

    async def _check_service(self, when: str) -> None:
        """An operator sets a sound policy; then ordinary jobs are served, and acknowledged ones are there."""
        try:
            await self._steward.settle()
            left = await self._population.unserved(SERVED_AFTER, SERVED_LIMIT_S)
            if left:
                # A policy of the fuzzer may have come into force in between: try again, right after a sound one.
                await self._steward.settle()
                left = await self._population.unserved(SERVED_AFTER, SERVED_LIMIT_S)
            if left:
                self._findings.fault(f"{when}: {len(left)} ordinary jobs were not served within {SERVED_LIMIT_S:g} s")
            placed = [line for line in self._population.tally.journal if line["kind"] == "placed"]
            await self._look_up(placed[-LOOKED_UP:])
        except grpc.aio.AioRpcError as fault:
            self._findings.fault(f"{when}: an ordinary call ended with {fault.code().name}: {fault.details()}")

    async def _place_kept(self) -> list[Line]:
        place, lines = rpc.JobServiceStub(self._channel).PlaceJob, list[Line]()
        for number in range(KEPT):
            request = place_request("kept", f"place-{number}")
            job = (await place(request, metadata=self._server.wallet.client("kept"))).job
            lines.append(
                {"kind": "placed", "client_id": "kept", "request_id": request.request_id, "job_id": job.job_id}
            )
        return lines

    async def _place_for_fuzzed(self) -> None:
        """Clients of the fuzzer place jobs, so that its couriers have offers to answer and there are jobs to rate."""
        rng, placed = np.random.default_rng([self._plan.seed, 3]), deque[tuple[str, str]]()
        while True:
            await self._lives.serving.wait()
            with contextlib.suppress(grpc.aio.AioRpcError):
                placed.append(await self._place_one(rng))
                if len(placed) > LOOKED_AT_AFTER:
                    await self._see(*placed.popleft())
            await asyncio.sleep(1.0 / JOBS_FOR_FUZZED)

    async def _place_one(self, rng: np.random.Generator) -> tuple[str, str]:
        """The id and the client of a job for the fuzzer's couriers, or for ordinary ones, who complete it."""
        client_id = PEOPLE[CLIENT][int(rng.integers(len(PEOPLE[CLIENT])))]
        spec = city.job(rng, SKILL if rng.random() < 0.5 else city.SKILL)
        request = job_pb.PlaceJobRequest(request_id=f"for-{int(rng.integers(1 << 60))}", client_id=client_id, spec=spec)
        place = rpc.JobServiceStub(self._channel).PlaceJob
        placed = await place(request, metadata=self._server.wallet.client(client_id), timeout=LIMIT_S)
        return placed.job.job_id, client_id

    async def _see(self, job_id: str, client_id: str) -> None:
        """Let the callers know of a job as it is now."""
        get = rpc.JobServiceStub(self._channel).GetJob
        metadata = self._server.wallet.client(client_id)
        found = await get(job_pb.GetJobRequest(job_id=job_id), metadata=metadata, timeout=LIMIT_S)
        self._exchange.world.learn("JobService/GetJob", client_id, found)

    async def _look_up(self, placed: Iterable[Line]) -> None:
        """Note a fault for each acknowledged job that the server does not know."""
        get = rpc.JobServiceStub(self._channel).GetJob
        for line in placed:
            metadata = self._server.wallet.client(line["client_id"])
            try:
                await get(job_pb.GetJobRequest(job_id=line["job_id"]), metadata=metadata, timeout=LIMIT_S)
            except grpc.aio.AioRpcError as fault:
                self._findings.fault(f"acknowledged job {line['job_id']}: {fault.code().name}: {fault.details()}")

    async def _finish_helpers(self, helpers: list[asyncio.Task[None]]) -> None:
        steward, restarting = helpers
        restarting_done, _ = await asyncio.wait([restarting], timeout=3 * SERVED_LIMIT_S)
        for task in helpers:
            task.cancel()
        for result in await asyncio.gather(steward, restarting, return_exceptions=True):
            if isinstance(result, Exception):
                self._findings.fault(f"an ordinary operator's call: {result}")
        if not restarting_done:
            self._findings.fault("the last restart did not end")

    async def _result(self, seconds: float, journal: list[Line]) -> dict[str, Any]:
        rounds = 0

        async def counted(events: AsyncIterator[events_pb.Event]) -> AsyncIterator[events_pb.Event]:
            nonlocal rounds
            async for event in events:
                rounds += event.HasField("round_settled")
                yield event

        async with stored_log(resolve({"data_dir": self._server.data_dir}).values) as store:
            proof = await proved(counted(store.read()), journal)
        return {
            "messages": self._plan.messages,
            **self._findings.summary(),
            "incidents": self._server.said("incident ")[:INCIDENTS],
            "restarts": self._lives.restarts,
            "longest_start_s": round(self._lives.longest_start_s, 2),
            "rounds": rounds,
            "jobs_served": len(self._population.tally.served),
            "messages_per_s": round(self._findings.messages() / seconds, 1),
            "seconds": round(seconds, 1),
            "events": proof.events,
            "log_faults": proof.told,
        }
