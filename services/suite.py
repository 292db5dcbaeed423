"""The suite in one process group: PostgreSQL, solver, market, gRPC and HTTP, wired, started and drained in order."""

from __future__ import annotations

import asyncio
import gc
import json
import logging
import signal
import sys
from pathlib import Path
from typing import get_args

import asyncpg
from prometheus_client import CollectorRegistry

from dispatcher import policy
from dispatcher.errors import DispatchError
from dispatcher.log.embedded_postgres import EmbeddedPostgres, EmbeddedPostgresError
from dispatcher.log.store import open_pool
from geo.documents import read_document
from geo.geojson import zones_from_geojson
from geo.zones import ZoneError
from matching.solver_processes import SolverProcesses
from services import open_files
from services.auth.gate import Gate
from services.auth.issuing import JWKS_FILE, development_issuer
from services.auth.keys import KeyFile, KeysError
from services.auth.limits import Limits, Quotas
from services.auth.tls import Certificates, TlsError, TlsFiles
from services.auth.tokens import Tokens
from services.clock import MarketClock
from services.host.dispatch import Dispatch
from services.host.erasures import Erasures
from services.host.log_writer import STORE_FAULTS
from services.host.market_host import MarketHost, Opening
from services.host.no_offer import NoOffers
from services.host.retention import Retention
from services.host.snapshots import Snapshots
from services.host.zones import ZoneReader
from services.http.connections import HttpLimits
from services.http.live.seats import OF_ONE_PERSON, Plan, Row
from services.http.metrics import MeasureText
from services.http.server import HttpServer
from services.http.service_metrics import ServiceCollector
from services.opening import ignored_settings, outdated_policy
from services.roads import networks
from services.rpc.call_metrics import CallMetrics
from services.rpc.methods import Entrance
from services.rpc.server import RpcServer
from services.rpc.services import services_of
from services.settings import Open, Settings, SettingsError
from services.signals import Signals

log = logging.getLogger(__name__)

DRAIN_GRACE_S = 5.0
# To the database: one for the lock, some for the log and the tables, and one for each call that reads at a time.
CONNECTIONS = 12
# Python's own default is ten times as long.
SWITCH_INTERVAL_S = 0.0005
LOOK_EVERY_S, RESPAWN_EVERY_S = 0.1, 0.5


class MarketLost(RuntimeError):
    """The market ended by a fault that nobody foresaw."""


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
        tokens, tls = self._tokens(), self._certificates()
        dsn = self._settings.database_url or self._start_postgres()
        try:
            pool = await open_pool(dsn, CONNECTIONS)
            try:
                await self._serve(opening, tokens, tls, dsn, pool, stop)
            finally:
                # After a drain it is closed. After a fault it would connect again to a database that ends here.
                pool.terminate()
        finally:
            if self._postgres is not None:
                self._postgres.stop()

    def _opening(self) -> Opening:
        settings = self._settings
        zones = ""
        if settings.zones is not None:
            try:
                found = zones_from_geojson(read_document(settings.zones))
            except (OSError, ZoneError) as fault:
                raise SettingsError(f"zones: {settings.zones}: {fault}") from fault
            zones = found.document
            for repair in found.repairs:
                log.warning("zones: %s: %s", settings.zones, repair)
        return Opening(settings.market, policy.load(settings.policy), zones, networks(settings.roads))

    def _tokens(self) -> Tokens:
        """Of the keys that are set; else of the key for development, which is made where there is none."""
        settings = self._settings
        try:
            if settings.token_keys is None:
                development_issuer(settings.data_dir)
                log.info("tokens are checked with the key for development in %s", settings.data_dir)
            keys = KeyFile(settings.token_keys or settings.data_dir / JWKS_FILE)
        except (KeysError, OSError) as fault:
            raise SettingsError(f"token_keys: {fault}") from fault
        return Tokens(keys, settings.token_audience, settings.token_issuer)

    def _quotas(self) -> Quotas:
        settings = self._settings
        return Quotas(
            calls_per_second=settings.calls_per_second,
            pings_per_second=settings.pings_per_second,
            streams_per_caller=settings.streams_per_caller,
            capacity=settings.capacity,
            calls_in_flight=settings.calls_in_flight,
            streams=settings.streams,
        )

    def _connections(self) -> tuple[HttpLimits, int]:
        """Return the limits of the HTTP port and the number of connections of the gRPC port."""
        settings = self._settings
        files = open_files.raise_limit()
        fitting = open_files.shares(files, settings.http_connections, settings.grpc_connections)
        limits = HttpLimits(
            connections=fitting.http,
            per_address=min(settings.http_connections_per_address, fitting.http),
            refused=fitting.refused,
            header_s=settings.http_header_seconds,
            body_s=settings.http_body_seconds,
            idle_s=settings.http_idle_seconds,
            request_s=settings.http_request_seconds,
        )
        return limits, fitting.grpc

    def _seats(self) -> Plan:
        settings = self._settings
        anonymous = Row(settings.anonymous_viewers, settings.anonymous_viewers_per_address)
        return Plan(anonymous, Row(settings.viewers, OF_ONE_PERSON))

    def _certificates(self) -> Certificates | None:
        settings = self._settings
        if settings.tls_certificate is None or settings.tls_key is None:
            for address in (settings.grpc_address, settings.http_address):
                if not address.startswith(("127.", "localhost:", "[::1]")):
                    log.warning("%s is open to other machines without TLS: tokens can be read on the way", address)
            return None
        try:
            return Certificates(TlsFiles(settings.tls_certificate, settings.tls_key, settings.tls_client_ca))
        except TlsError as fault:
            raise SettingsError(str(fault)) from fault

    def _guarded(self) -> frozenset[str]:
        """Return what asks for a token although settings could open it to everybody."""
        return frozenset(get_args(Open)) - set(self._settings.without_token)

    def _start_postgres(self) -> str:
        """In this thread, which lives as long as the suite: the server ends with it."""
        self._postgres = EmbeddedPostgres(self._settings.data_dir)
        self._postgres.start()
        return self._postgres.dsn

    async def _keep_postgres(self) -> None:
        """Whatever ends our PostgreSQL (a crash, a full disk, somebody's kill), it is started again; the market is
        loaded from it when it is back. Raises EmbeddedPostgresError where it cannot even be begun."""
        postgres = self._postgres
        while postgres is not None:
            await asyncio.sleep(LOOK_EVERY_S)
            if not postgres.alive:
                log.error("PostgreSQL has ended: starting it again")
                postgres.respawn()
                await asyncio.sleep(RESPAWN_EVERY_S)

    async def _serve(
        self,
        opening: Opening,
        tokens: Tokens,
        tls: Certificates | None,
        dsn: str,
        pool: asyncpg.Pool,
        stop: asyncio.Event,
    ) -> None:
        settings = self._settings
        registry = CollectorRegistry()
        signals = Signals(registry)
        host = MarketHost(pool, opening, MarketClock(settings.clock_speed), signals, settings.snapshot_every)
        dispatch = Dispatch(host, SolverProcesses(settings.solver_processes), signals)
        gate = Gate(tokens, Limits(self._quotas(), registry))
        entrance = Entrance(gate, CallMetrics(registry), host.note_access)
        measures = MeasureText(lambda: {host.market_id: host.reading()})
        registry.register(ServiceCollector(host, dispatch, pool))
        http_limits, grpc_connections = self._connections()
        erasures = Erasures(host, dsn)
        no_offers, zone_reader = NoOffers(dsn, opening.networks), ZoneReader()
        services = services_of(host, no_offers, erasures, zone_reader, gate.limits)
        rpc = RpcServer(
            services,
            settings.grpc_address,
            entrance,
            settings.message_bytes,
            tls.grpc_credentials() if tls is not None else None,
            self._guarded(),
            grpc_connections,
        )
        http = HttpServer(host, services, measures, registry, entrance, self._guarded(), http_limits, self._seats())
        chores = Snapshots(host, dsn), Retention(host, dsn)
        keeping = host.supervised(self._keep_postgres())
        await asyncio.gather(host.start(take_over=settings.take_over), dispatch.start())
        await erasures.start()
        state = host.market.state
        for warning in (*ignored_settings(settings, opening, state), *outdated_policy(state)):
            log.warning("%s", warning)
        for chore in chores:
            chore.start()
        await http.start(settings.http_address, tls.http_context() if tls is not None else None)
        await rpc.start()
        self.ports = {"grpc": rpc.port, "http": http.port}
        _tune_interpreter()
        self._announce(settings.ready_file)
        assert host.lost is not None, "the host has started"
        host.lost.add_done_callback(lambda _lost: stop.set())
        await stop.wait()
        log.info("draining")
        keeping.cancel()
        await rpc.drain()
        await dispatch.drain()
        await asyncio.gather(erasures.stop(), *(chore.stop() for chore in chores))
        await host.stop()
        await rpc.stop(DRAIN_GRACE_S)
        await http.stop()
        no_offers.close()
        zone_reader.close()
        await _close(pool)
        if host.lost.done():
            _tell(host.lost.exception())
        log.info("stopped; the log holds %d events", host.market.sequence)

    def _announce(self, ready_file: Path | None) -> None:
        log.info("gRPC on port %d, HTTP on port %d", self.ports["grpc"], self.ports["http"])
        if ready_file is not None:
            unfinished = ready_file.with_suffix(".new")
            unfinished.write_text(json.dumps(self.ports), encoding="utf-8")
            unfinished.rename(ready_file)


async def _close(pool: asyncpg.Pool) -> None:
    """Close the connections. One that was ended amid a statement cannot be closed in order: asyncpg then cuts all."""
    try:
        await pool.close()
    except STORE_FAULTS as fault:
        log.info("the connections to the database were cut (%s)", type(fault).__name__)


def _tell(failure: BaseException | None) -> None:
    """Raises what ended the market; of what nobody foresaw, only that it happened: the log has where."""
    if isinstance(failure, DispatchError | EmbeddedPostgresError):
        raise failure
    if failure is not None:
        raise MarketLost(f"the market could not go on ({type(failure).__name__}); the log above says where") from None


def _tune_interpreter() -> None:
    """Keep pauses of the event loop short.

    Garbage collection leaves out what is loaded, seldom goes through all of a market's records, which are no garbage,
    and looks at young objects in small portions: a pause grows with the portion. A thread that decodes a large answer
    hands the interpreter over soon.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(2_000, 5, 100_000)
    sys.setswitchinterval(SWITCH_INTERVAL_S)
