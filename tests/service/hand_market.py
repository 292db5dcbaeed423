"""A real gRPC server over a market on a real PostgreSQL, whose clock, rounds and ticks only the test moves."""

from __future__ import annotations

import itertools
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import asyncpg
import grpc
from prometheus_client import CollectorRegistry

from dispatcher.log.embedded_postgres import EmbeddedPostgres
from gig.v1 import courier_service_pb2_grpc as courier_rpc
from gig.v1 import events_pb2 as events_pb
from gig.v1 import job_service_pb2_grpc as job_rpc
from gig.v1 import oversight_service_pb2 as oversight_pb
from gig.v1 import oversight_service_pb2_grpc as oversight_rpc
from gig.v1 import pay_service_pb2_grpc as pay_rpc
from gig.v1 import policy_pb2 as policy_pb
from gig.v1 import transparency_service_pb2_grpc as transparency_rpc
from services.auth.gate import Gate
from services.auth.issuing import JWKS_FILE, development_issuer
from services.auth.keys import KeyFile
from services.auth.limits import Limits, Quotas
from services.auth.tokens import AUDIENCE, Tokens
from services.host.erasures import Erasures
from services.host.market_host import MarketHost, Opening
from services.host.no_offer import NoOffers
from services.host.rounds import Rounds
from services.host.ticks import Ticks
from services.host.zones import ZoneReader
from services.rpc.call_metrics import CallMetrics
from services.rpc.methods import Entrance
from services.rpc.server import RpcServer
from services.rpc.services import services_of
from services.signals import Signals
from tests.faults.broken import HandClock, SolverThread
from tests.signing import plant, signed_channel

LARGEST_MESSAGE = 4 * 1024 * 1024
_names = itertools.count()


class HandMarket:
    """One life of the server. Calls go over the channel; time, rounds and ticks come from the test."""

    def __init__(self, host: MarketHost, clock: HandClock, channel: grpc.aio.Channel) -> None:
        self.host, self.clock = host, clock
        self.jobs = job_rpc.JobServiceStub(channel)
        self.couriers = courier_rpc.CourierServiceStub(channel)
        self.oversight = oversight_rpc.OversightServiceStub(channel)
        self.pay = pay_rpc.PayServiceStub(channel)
        self.transparency = transparency_rpc.TransparencyServiceStub(channel)
        self._rounds = Rounds(host, SolverThread(), Signals(CollectorRegistry()))
        self._ticks = Ticks(host)

    async def round(self) -> None:
        await self._rounds.once()

    async def pass_(self, seconds: float) -> None:
        """Let market time pass, and everything that is due happen; durable when it returns."""
        self.clock.wait(seconds)
        await self._ticks.once(self.clock.now())
        await self.host.read(lambda _market: None)

    async def attention(self, kind: int = 0) -> list[oversight_pb.AttentionItem]:
        """The operator's inbox, over gRPC."""
        answer = await self.oversight.ListAttention(oversight_pb.ListAttentionRequest(kind=kind))
        return list(answer.items)

    async def log(self) -> list[events_pb.Event]:
        """The events as PostgreSQL has them."""
        return [event async for event in self.host.store.read(0)]


@asynccontextmanager
async def hand_market(
    pool: asyncpg.Pool,
    postgres: EmbeddedPostgres,
    folder: Path,
    chosen: policy_pb.Policy,
    market_id: str = "",
    clock: HandClock | None = None,
) -> AsyncIterator[HandMarket]:
    """Serve a market of its own, or go on with the one named ``market_id``. ``folder``: for the keys of tokens."""
    clock = clock or HandClock()
    registry = CollectorRegistry()
    opening = Opening(market_id or f"hand-{next(_names)}", chosen)
    host = MarketHost(pool, opening, clock, Signals(registry))
    plant(folder)
    development_issuer(folder)
    limits = Limits(Quotas(calls_per_second=10_000, pings_per_second=100_000, capacity=10_000), registry)
    gate = Gate(Tokens(KeyFile(folder / JWKS_FILE), AUDIENCE, ""), limits)
    entrance = Entrance(gate, CallMetrics(registry), host.note_access)
    no_offers, zone_reader = NoOffers(postgres.dsn, {}), ZoneReader()
    services: Any = services_of(host, no_offers, Erasures(host, postgres.dsn), zone_reader, limits)
    rpc = RpcServer(services, "127.0.0.1:0", entrance, LARGEST_MESSAGE, None, frozenset(), 100)
    await host.start()
    await rpc.start()
    try:
        async with signed_channel(f"127.0.0.1:{rpc.port}") as channel:
            yield HandMarket(host, clock, channel)
    finally:
        await host.stop()
        await rpc.stop(0)
        no_offers.close()
        zone_reader.close()
