"""A steady population whose calls are timed: clients, couriers with streams, an operator, new apps and pages."""

from __future__ import annotations

import asyncio
import itertools
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

import aiohttp
import grpc
import numpy as np

from gig.v1 import job_service_pb2 as job_pb
from gig.v1 import job_service_pb2_grpc as job_rpc
from gig.v1 import oversight_service_pb2 as oversight_pb
from gig.v1 import oversight_service_pb2_grpc as oversight_rpc
from load_tests.live.suite_process import SuiteProcess
from load_tests.ordinary.city import job
from load_tests.ordinary.population import Population
from load_tests.ordinary.tally import Tally

COURIERS, CLIENTS = 20, 50
CALL_LIMIT_S = 10.0
# Calls a second of each kind.
RATES = {"place": 15.0, "get": 15.0, "market": 4.0, "reviews": 2.0, "new_app": 2.0, "page": 4.0, "feed": 1.0}
OPERATOR = "others-operator"


@dataclass(frozen=True, slots=True)
class Measured:
    """``p99_ms`` over all calls that were carried out, from when each was due; None where there were none."""

    p99_ms: float | None
    calls: int
    refused: dict[str, int]


class Others:
    def __init__(self, server: SuiteProcess, seed: int) -> None:
        self._server, self._rng = server, np.random.default_rng([seed, 1])
        self._population = Population(server, COURIERS, seed, "others")
        self._channel = grpc.aio.insecure_channel(server.target, [("grpc.use_local_subchannel_pool", 1)])
        self._jobs = job_rpc.JobServiceStub(self._channel)
        self._oversight = oversight_rpc.OversightServiceStub(self._channel)
        self._tally = Tally()
        self._numbers = itertools.count()
        self._placed: list[tuple[str, str]] = []

    async def open(self) -> None:
        """Return when all couriers are online."""
        connector = aiohttp.TCPConnector(force_close=True)
        self._pages = aiohttp.ClientSession(connector=connector, timeout=aiohttp.ClientTimeout(CALL_LIMIT_S))
        await self._population.open()

    async def close(self) -> None:
        await self._population.close()
        await self._pages.close()
        await self._channel.close()

    async def measure(self, seconds: float) -> Measured:
        """Make the calls for so long, each when it is due even if others are still open, and wait for the answers."""
        self._tally.reset()
        self._population.tally.reset()
        kinds: dict[str, Callable[[], Awaitable[None]]] = {
            "place": self._place,
            "get": self._get,
            "market": self._market,
            "reviews": self._reviews,
            "new_app": self._new_app,
            "page": self._page,
            "feed": self._feed,
        }
        await asyncio.gather(*(self._steadily(kind, call, seconds) for kind, call in kinds.items()))
        p99_ms = self._tally.p99_ms()
        refused = dict(self._tally.refused + self._population.tally.refused)
        return Measured(None if np.isnan(p99_ms) else round(p99_ms, 2), self._tally.calls, refused)

    async def _steadily(self, kind: str, call: Callable[[], Awaitable[None]], seconds: float) -> None:
        rate, began, calls = RATES[kind], time.perf_counter(), []
        # Kinds do not begin in the same moment.
        offset = list(RATES).index(kind) / len(RATES) / rate
        for number in range(int(rate * seconds)):
            due = began + offset + number / rate
            await asyncio.sleep(max(due - time.perf_counter(), 0.0))
            calls.append(asyncio.create_task(self._timed(kind, call, due)))
        await asyncio.gather(*calls)

    async def _timed(self, kind: str, call: Callable[[], Awaitable[None]], due: float) -> None:
        try:
            await call()
        except grpc.aio.AioRpcError as fault:
            self._tally.refuse(kind, fault.code().name)
        except aiohttp.ClientResponseError as fault:
            self._tally.refuse(kind, f"HTTP {fault.status}")
        except (aiohttp.ClientError, TimeoutError, OSError) as fault:
            self._tally.refuse(kind, type(fault).__name__)
        else:
            self._tally.answered(kind, (time.perf_counter() - due) * 1000)

    async def _place(self) -> None:
        number = next(self._numbers)
        client_id = f"others-{number % CLIENTS}"
        request = job_pb.PlaceJobRequest(request_id=f"others-{number}", client_id=client_id, spec=job(self._rng))
        metadata = self._server.wallet.client(client_id)
        placed = await self._jobs.PlaceJob(request, metadata=metadata, timeout=CALL_LIMIT_S)
        self._placed.append((placed.job.job_id, client_id))

    async def _get(self) -> None:
        if not self._placed:
            return
        job_id, client_id = self._placed[int(self._rng.integers(len(self._placed)))]
        request, metadata = job_pb.GetJobRequest(job_id=job_id), self._server.wallet.client(client_id)
        await self._jobs.GetJob(request, metadata=metadata, timeout=CALL_LIMIT_S)

    async def _market(self) -> None:
        await self._look(self._oversight)

    async def _reviews(self) -> None:
        metadata = self._server.wallet.operator(OPERATOR)
        await self._oversight.ListReviews(oversight_pb.ListReviewsRequest(), metadata=metadata, timeout=CALL_LIMIT_S)

    async def _new_app(self) -> None:
        """A connection of its own, as of an app that has just been opened."""
        options = [("grpc.use_local_subchannel_pool", 1)]
        async with grpc.aio.insecure_channel(self._server.target, options) as channel:
            await self._look(oversight_rpc.OversightServiceStub(channel))

    async def _look(self, stub: Any) -> None:
        metadata = self._server.wallet.operator(OPERATOR)
        await stub.GetMarket(oversight_pb.GetMarketRequest(), metadata=metadata, timeout=CALL_LIMIT_S)

    async def _page(self) -> None:
        """Ask what a load balancer asks, over a new connection."""
        async with self._pages.get(self._url("/readyz"), raise_for_status=True) as answer:
            await answer.read()

    async def _feed(self) -> None:
        """An operator and a worker open their live pages alternately."""
        number, wallet = next(self._numbers), self._server.wallet
        operator = number % 2 == 0
        metadata = wallet.operator(OPERATOR) if operator else wallet.courier("others-courier-0")
        url = self._url("/live/feed" if operator else "/me/feed")
        async with self._pages.get(url, headers=dict(metadata), raise_for_status=True):
            return

    def _url(self, path: str) -> str:
        return f"http://127.0.0.1:{self._server.http_port}{path}"
