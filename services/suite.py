"""The suite in one process group: PostgreSQL, solver, market, gRPC and HTTP, wired, started and drained in order."""

from __future__ import annotations

import asyncio
import gc
import json
import logging
import signal
from pathlib import Path

from prometheus_client import CollectorRegistry

from dispatcher import policy
from dispatcher.log.embedded_postgres import EmbeddedPostgres
from dispatcher.log.store import open_pool
from geo.geojson import zones_from_geojson
from geo.zones import ZoneError
from matching.solver_processes import SolverProcesses
from services.clock import MarketClock
from services.host.dispatch import Dispatch
from services.host.market_host import MarketHost, Opening
from services.host.no_offer import NoOffers
from services.host.snapshots import Snapshots
from services.http.metrics import MeasureText
from services.http.server import HttpServer
from services.http.service_metrics import ServiceCollector
from services.roads import networks
from services.rpc.server import RpcServer
from services.rpc.services import services_of
from services.settings import Settings, SettingsError
from services.signals import Signals

log = logging.getLogger(__name__)

DRAIN_GRACE_S = 5.0


class Suite:
    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._postgres: EmbeddedPostgres | None = None
        self.ports: dict[str, int] = {}

    async def run(self) -> None:
        """Serve until SIGTERM or SIGINT, then drain. Raises where the market is lost to another process."""
        stop = asyncio.Event()
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, stop.set)
        opening = self._opening()
        dsn = self._settings.database_url or self._start_postgres()
        try:
            await self._serve(opening, dsn, stop)
        finally:
            if self._postgres is not None:
                self._postgres.stop()

    def _opening(self) -> Opening:
        settings = self._settings
        zones = ""
        if settings.zones is not None:
            try:
                zones = settings.zones.read_text("utf-8")
                zones_from_geojson(zones)
            except (OSError, UnicodeDecodeError, ZoneError) as fault:
                raise SettingsError(f"zones: {settings.zones}: {fault}") from fault
        return Opening(settings.market, policy.load(settings.policy), zones, networks(settings.roads))

    def _start_postgres(self) -> str:
        """In this thread, which lives as long as the suite: the server ends with it."""
        self._postgres = EmbeddedPostgres(self._settings.data_dir)
        self._postgres.start()
        return self._postgres.dsn

    async def _serve(self, opening: Opening, dsn: str, stop: asyncio.Event) -> None:
        settings = self._settings
        pool = await open_pool(dsn)
        registry = CollectorRegistry()
        signals = Signals(registry)
        host = MarketHost(pool, opening, MarketClock(settings.clock_speed), signals)
        dispatch = Dispatch(host, SolverProcesses(settings.solver_processes), signals)
        measures = MeasureText(lambda: {host.market_id: host.reading()})
        registry.register(ServiceCollector(host, dispatch, pool))
        services = services_of(host, NoOffers(dsn, opening.networks))
        rpc = RpcServer(services, settings.grpc_address, registry)
        http = HttpServer(host, services, measures, registry)
        snapshots = Snapshots(host, dsn)
        await asyncio.gather(host.start(), dispatch.start())
        snapshots.start()
        await http.start(settings.http_address)
        await rpc.start()
        self.ports = {"grpc": rpc.port, "http": http.port}
        _tune_garbage_collection()
        self._announce(settings.ready_file)
        assert host.lost is not None, "the host has started"
        host.lost.add_done_callback(lambda _lost: stop.set())
        await stop.wait()
        log.info("draining")
        await rpc.drain()
        await dispatch.drain()
        await snapshots.stop()
        await host.stop()
        await rpc.stop(DRAIN_GRACE_S)
        await http.stop()
        await pool.close()
        if host.lost.done():
            host.lost.result()
        log.info("stopped; the log holds %d events", host.market.sequence)

    def _announce(self, ready_file: Path | None) -> None:
        log.info("gRPC on port %d, HTTP on port %d", self.ports["grpc"], self.ports["http"])
        if ready_file is not None:
            unfinished = ready_file.with_suffix(".new")
            unfinished.write_text(json.dumps(self.ports), encoding="utf-8")
            unfinished.rename(ready_file)


def _tune_garbage_collection() -> None:
    """What is loaded stays; and a market's records are no garbage: looking through all of them stops the service."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(50_000, 20, 1_000)
