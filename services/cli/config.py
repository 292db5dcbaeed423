"""`gig config`: the settings in force, and where each comes from."""

from __future__ import annotations

import json

from rich.console import Console
from rich.table import Table

from services.cli import options
from services.cli.failures import reported
from services.settings import Settings, resolve


def config(
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
    ready_file: options.ReadyFile = None,
    as_json: options.Json = False,
) -> None:
    """Print the settings that `gig serve` would run by, each with its origin: flag, environment, file or default."""
    flags = {name: value for name, value in locals().items() if name not in ("config", "as_json")}
    with reported():
        resolved = resolve(flags, file=config)
    values = resolved.values.model_dump(mode="json")
    if as_json:
        print(json.dumps({name: {"value": values[name], "origin": resolved.origins[name]} for name in values}))
        return
    table = Table(box=None, header_style="bold")
    for column in ("setting", "value", "origin", "meaning"):
        table.add_column(column)
    for name, value in values.items():
        shown = "" if value is None else str(value)
        table.add_row(name, shown, resolved.origins[name], Settings.model_fields[name].description)
    Console().print(table)
