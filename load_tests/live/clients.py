"""Clients: riders and restaurants who place jobs at the city's moments, some by quote, some giving up."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass, field
from functools import partial
from typing import Any, TypeVar

import grpc
import numpy as np

from dispatcher.log.journal import Line
from dispatcher.times import micros, timestamp
from gig.v1 import job_pb2 as job_pb
from gig.v1 import job_service_pb2 as pb
from gig.v1 import job_service_pb2_grpc as rpc
from gig.v1 import oversight_service_pb2 as oversight_pb
from load_tests.cities.city import Demand, Spot
from load_tests.live.clock import RemoteClock
from load_tests.live.timing import Timing
from load_tests.live.wallet import Wallet

T = TypeVar("T")

QUOTE_FIRST_SHARE = 0.25
# Clients who change their mind a little later, whatever the service.
REGRET_SHARE, REGRET_S = 0.01, 60.0
CALL_LIMIT_S = 10.0
# With the pause between them, at least two minutes: longer than any restart, on a busy machine too.
ATTEMPTS = 480
RETRY_S = 0.25

# Of a job: the state that it has from each moment on, the latest first.
EARLIER_MOMENTS = {"pickup_time": "picked_up", "arrive_time": "at_pickup", "assign_time": "assigned"}

RETRIED = (grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.DEADLINE_EXCEEDED)

# What grpc.aio says of its own when a call ends while a message is being written.
CUT_WHILE_WRITING = "Internal error from Core"


def is_cut(fault: grpc.aio.AioRpcError) -> bool:
    """Whether the service was away, so that the same request may be sent again."""
    return fault.code() in RETRIED or fault.details() == CUT_WHILE_WRITING


def is_away(fault: grpc.aio.AioRpcError) -> bool:
    """Return whether the service was away, says to come back later, or has ended: it cancels what it has not
    answered by the end of its drain."""
    return is_cut(fault) or fault.code() in (grpc.StatusCode.RESOURCE_EXHAUSTED, grpc.StatusCode.CANCELLED)


async def answered(call: Callable[[], Awaitable[T]], again: Callable[[grpc.aio.AioRpcError], bool] = is_away) -> T:
    """Make a call until it is answered, at most ATTEMPTS times. ``again``: after which faults to make it again."""
    for _ in range(ATTEMPTS - 1):
        try:
            return await call()
        except grpc.aio.AioRpcError as fault:
            if not again(fault):
                raise
        await asyncio.sleep(RETRY_S)
    return await call()


@dataclass(slots=True)
class Journal:
    """What clients were promised, kept on their side: the measure of whether anything was lost."""

    requested: int = 0
    # job id -> (client id, request id) of every job that was acknowledged
    placed: dict[str, tuple[str, str]] = field(default_factory=dict)
    # jobs whose cancellation was acknowledged, with their clients
    cancelled: dict[str, str] = field(default_factory=dict)
    refused: dict[str, int] = field(default_factory=dict)
    unanswered: int = 0

    def lines(self) -> Iterator[Line]:
        """As `gig log check --journal` reads them."""
        for job_id, (client_id, name) in self.placed.items():
            yield {"kind": "placed", "client_id": client_id, "request_id": f"place-{name}", "job_id": job_id}
        for job_id, client_id in self.cancelled.items():
            yield {"kind": "cancelled", "client_id": client_id, "job_id": job_id}

    def refuse(self, fault: grpc.aio.AioRpcError) -> None:
        text = f"{fault.code().name}: {fault.details()}"
        self.refused[text] = self.refused.get(text, 0) + 1


class Clients:
    def __init__(
        self,
        stub: rpc.JobServiceStub,
        wallet: Wallet,
        clock: RemoteClock,
        rng: np.random.Generator,
        spots: dict[str, tuple[Spot, Spot]],
        timing: Timing | None = None,
        prefix: str = "d",
    ) -> None:
        self.journal = Journal()
        self._wallet = wallet
        self._timing, self._prefix = timing, prefix
        self._stub, self._clock, self._rng, self._spots = stub, clock, rng, spots
        self._calls: set[asyncio.Task[None]] = set()
        self._background: set[asyncio.Task[None]] = set()

    async def place_all(self, demands: Iterator[Demand]) -> None:
        """Each at its moment, whether or not the ones before were answered (an open loop)."""
        for demand in demands:
            await self._clock.sleep_until(demand.at_s)
            task = asyncio.create_task(self._place(demand))
            self._calls.add(task)
            task.add_done_callback(self._calls.discard)

    @property
    def unsettled(self) -> int:
        """Calls under way."""
        return len(self._calls)

    async def settle(self, limit_s: float) -> None:
        """Wait for calls under way, but not for clients who only wait in case they give up."""
        if self._calls:
            await asyncio.wait(self._calls, timeout=limit_s)
        left = [*self._calls, *self._background]
        for task in left:
            task.cancel()
        await asyncio.gather(*left, return_exceptions=True)

    async def _place(self, demand: Demand) -> None:
        self.journal.requested += 1
        name = f"{self._prefix}{self.journal.requested}"
        self._spots[name] = (demand.pickup, demand.dropoff)
        spec = job_pb.JobSpec(kind=demand.kind, pickup=demand.pickup.place(name), dropoff=demand.dropoff.place())
        if demand.ready_s is not None:
            spec.pickup_after.CopyFrom(timestamp(self._clock.micros(demand.ready_s)))
        try:
            job_id = await self._placed(demand, name, spec)
        except grpc.aio.AioRpcError as fault:
            if is_cut(fault):
                self.journal.unanswered += 1
            else:
                self.journal.refuse(fault)
            return
        self.journal.placed[job_id] = (demand.client_id, name)
        give_up = asyncio.create_task(self._give_up(demand, job_id, name))
        self._background.add(give_up)
        give_up.add_done_callback(self._background.discard)

    async def _placed(self, demand: Demand, name: str, spec: job_pb.JobSpec) -> str:
        client_id, due = demand.client_id, demand.at_s
        request = pb.PlaceJobRequest(request_id=f"place-{name}", client_id=client_id, spec=spec)
        if self._rng.random() < QUOTE_FIRST_SHARE:
            ask = pb.QuoteJobRequest(request_id=f"quote-{name}", client_id=client_id, spec=spec)
            quote = await self._call("QuoteJob", client_id, ask, due)
            # A client looks at the quote when it is there, and then places.
            due = self._clock.seconds()
            request = pb.PlaceJobRequest(request_id=f"place-{name}", client_id=client_id, quote_id=quote.quote.quote_id)
        response = await self._call("PlaceJob", client_id, request, due)
        return str(response.job.job_id)

    async def _give_up(self, demand: Demand, job_id: str, name: str) -> None:
        """After the client's patience, if still nobody has come."""
        regret = self._rng.random() < REGRET_SHARE
        patience = REGRET_S if regret else demand.patience_s
        if patience is None:
            return
        due = demand.at_s + patience
        await self._clock.sleep_until(due)
        cancel = pb.CancelJobRequest(
            request_id=f"cancel-{name}", client_id=demand.client_id, job_id=job_id, reason="changed plans"
        )
        try:
            job = (await self._call("GetJob", demand.client_id, pb.GetJobRequest(job_id=job_id), due)).job
            waiting = job.state in (job_pb.JOB_STATE_SCHEDULED, job_pb.JOB_STATE_QUEUED, job_pb.JOB_STATE_OFFERED)
            if waiting or (regret and job.state == job_pb.JOB_STATE_ASSIGNED):
                await self._call("CancelJob", demand.client_id, cancel, self._clock.seconds())
                self.journal.cancelled[job_id] = demand.client_id
        except grpc.aio.AioRpcError as fault:
            if fault.code() is not grpc.StatusCode.FAILED_PRECONDITION:  # a courier was quicker
                self.journal.refuse(fault)

    async def _call(self, name: str, client_id: str, request: Any, due_s: float) -> Any:
        """With a deadline, and again with the same request_id where the service was away. ``due_s``: the market second
        at which the call was due."""
        method = getattr(self._stub, name)
        made = time.monotonic()
        due = made - max(self._clock.seconds() - due_s, 0.0) / self._clock.speed

        async def attempt() -> Any:
            try:
                return await method(request, timeout=CALL_LIMIT_S, metadata=self._wallet.client(client_id))
            except grpc.aio.AioRpcError as fault:
                if self._timing is not None:
                    self._timing.failed(name, fault.code().name)
                raise

        answer = await answered(attempt, is_cut)
        if self._timing is not None:
            self._timing.answered(name, due, made)
        return answer


def state_at(job: job_pb.Job, view: oversight_pb.MarketView) -> str:
    """Return the state that a job had at the instant of a view of its market, of which the job may be a later record.

    Where it changed since, its times tell; a job whose courier gave it back since counts as queued.
    """
    if job.sequence <= view.sequence:
        return _name(job)
    moments, view_us = {"end_time": _name(job)} | EARLIER_MOMENTS, micros(view.time)
    reached = (
        state for field, state in moments.items() if job.HasField(field) and micros(getattr(job, field)) <= view_us
    )
    return next(reached, "queued")


async def states_of(
    stub: rpc.JobServiceStub, wallet: Wallet, journal: Journal, view: oversight_pb.MarketView | None = None
) -> dict[str, int]:
    """Count the states of all jobs that clients were promised, by asking the service for each client's list.

    With a ``view`` of the market, they are the states at its instant. ``lost`` counts jobs that the service does not
    know, ``doubled`` requests that became two jobs.
    """
    counts: dict[str, int] = {"lost": 0, "doubled": 0}
    found: dict[str, str] = {}
    placed_requests: dict[tuple[str, str], int] = {}
    for client_id in sorted({client for client, _ in journal.placed.values()}):
        token = ""
        while True:
            request = pb.ListJobsRequest(client_id=client_id, page_size=500, page_token=token)
            ask = partial(stub.ListJobs, request, timeout=CALL_LIMIT_S, metadata=wallet.client(client_id))
            page = await answered(ask)
            for job in page.jobs:
                found[job.job_id] = _name(job) if view is None else state_at(job, view)
                if job.HasField("place_time"):
                    key = (client_id, job.spec.pickup.label)
                    placed_requests[key] = placed_requests.get(key, 0) + 1
            token = page.next_page_token
            if not token:
                break
    for job_id in journal.placed:
        if job_id in found:
            state = found[job_id]
            counts[state] = counts.get(state, 0) + 1
        else:
            counts["lost"] += 1
    counts["doubled"] = sum(count - 1 for count in placed_requests.values())
    return counts


def _name(job: job_pb.Job) -> str:
    return str(job_pb.JobState.Name(job.state)).removeprefix("JOB_STATE_").lower()
