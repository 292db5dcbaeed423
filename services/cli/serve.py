"""`gig serve`: run the suite."""

from __future__ import annotations

import asyncio

from services import logs
from services.cli import options
from services.cli.failures import FAILED, fail, reported
from services.settings import resolve
from services.suite import MarketLost, Suite


def serve(
    config: options.ConfigFile = None,
    grpc_address: options.GrpcAddress = None,
    http_address: options.HttpAddress = None,
    database_url: options.DatabaseUrl = None,
    data_dir: options.DataDir = None,
    market: options.Market = None,
    policy: options.PolicyName = None,
    zones: options.Zones = None,
    clock_speed: options.ClockSpeed = None,
    roads: options.Roads = None,
    solver_processes: options.SolverProcesses = None,
    token_keys: options.TokenKeys = None,
    token_audience: options.TokenAudience = None,
    token_issuer: options.TokenIssuer = None,
    without_token: options.WithoutToken = None,
    tls_certificate: options.TlsCertificate = None,
    tls_key: options.TlsKey = None,
    tls_client_ca: options.TlsClientCa = None,
    message_bytes: options.MessageBytes = None,
    calls_per_second: options.CallsPerSecond = None,
    pings_per_second: options.PingsPerSecond = None,
    streams_per_caller: options.StreamsPerCaller = None,
    streams: options.Streams = None,
    capacity: options.Capacity = None,
    calls_in_flight: options.CallsInFlight = None,
    grpc_connections: options.GrpcConnections = None,
    http_connections: options.HttpConnections = None,
    http_connections_per_address: options.HttpConnectionsPerAddress = None,
    http_header_seconds: options.HttpHeaderSeconds = None,
    http_body_seconds: options.HttpBodySeconds = None,
    http_idle_seconds: options.HttpIdleSeconds = None,
    http_request_seconds: options.HttpRequestSeconds = None,
    anonymous_viewers: options.AnonymousViewers = None,
    anonymous_viewers_per_address: options.AnonymousViewersPerAddress = None,
    viewers: options.Viewers = None,
    snapshot_every: options.SnapshotEvery = None,
    take_over: options.TakeOver = None,
    ready_file: options.ReadyFile = None,
) -> None:
    """Run the suite: gRPC, metrics and health, on an embedded PostgreSQL or on GIG_DATABASE_URL.

    SIGTERM or Ctrl-C drains: nothing new is taken, the open batch is finished, the log is flushed; exit code 0.
    """
    flags = {name: value for name, value in locals().items() if name != "config"}
    logs.set_up()
    with reported():
        try:
            asyncio.run(Suite(resolve(flags, file=config).values).run())
        except MarketLost as fault:
            fail(str(fault), FAILED)
