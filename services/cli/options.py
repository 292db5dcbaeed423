"""Options that several commands share."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from services.settings import Settings


def _help(name: str) -> str:
    text = Settings.model_fields[name].description
    assert text is not None, "every setting is described"
    return text


ConfigFile = Annotated[
    Path | None, typer.Option("--config", help="A TOML file with settings.", envvar="GIG_CONFIG", show_default=False)
]
GrpcAddress = Annotated[str | None, typer.Option(help=_help("grpc_address"), show_default="127.0.0.1:50051")]
HttpAddress = Annotated[str | None, typer.Option(help=_help("http_address"), show_default="127.0.0.1:9464")]
DatabaseUrl = Annotated[str | None, typer.Option(help=_help("database_url"), show_default="embedded")]
DataDir = Annotated[Path | None, typer.Option(help=_help("data_dir"), show_default="the user's data directory")]
Market = Annotated[str | None, typer.Option(help=_help("market"), show_default="main")]
PolicyName = Annotated[str | None, typer.Option(help=_help("policy"), show_default="plain")]
Zones = Annotated[Path | None, typer.Option(help=_help("zones"), show_default="none: the whole world is served")]
ClockSpeed = Annotated[float | None, typer.Option(help=_help("clock_speed"), show_default="1")]
Roads = Annotated[Path | None, typer.Option(help=_help("roads"), show_default="none")]
SolverProcesses = Annotated[int | None, typer.Option(help=_help("solver_processes"), show_default="2")]
TokenKeys = Annotated[Path | None, typer.Option(help=_help("token_keys"), show_default="a key for development")]
TokenAudience = Annotated[str | None, typer.Option(help=_help("token_audience"), show_default="gig-dispatch")]
TokenIssuer = Annotated[str | None, typer.Option(help=_help("token_issuer"), show_default="any")]
WithoutToken = Annotated[str | None, typer.Option(help=_help("without_token"), show_default="all of them")]
TlsCertificate = Annotated[Path | None, typer.Option(help=_help("tls_certificate"), show_default="none: no TLS")]
TlsKey = Annotated[Path | None, typer.Option(help=_help("tls_key"), show_default="none")]
TlsClientCa = Annotated[Path | None, typer.Option(help=_help("tls_client_ca"), show_default="none")]
MessageBytes = Annotated[int | None, typer.Option(help=_help("message_bytes"), show_default="4 MiB + 64 KiB")]
CallsPerSecond = Annotated[int | None, typer.Option(help=_help("calls_per_second"), show_default="50")]
PingsPerSecond = Annotated[int | None, typer.Option(help=_help("pings_per_second"), show_default="20")]
StreamsPerCaller = Annotated[int | None, typer.Option(help=_help("streams_per_caller"), show_default="64")]
Streams = Annotated[int | None, typer.Option(help=_help("streams"), show_default="20,000")]
Capacity = Annotated[int | None, typer.Option(help=_help("capacity"), show_default="1,000")]
CallsInFlight = Annotated[int | None, typer.Option(help=_help("calls_in_flight"), show_default="256")]
GrpcConnections = Annotated[int | None, typer.Option(help=_help("grpc_connections"), show_default="20,000")]
HttpConnections = Annotated[int | None, typer.Option(help=_help("http_connections"), show_default="1,024")]
HttpConnectionsPerAddress = Annotated[
    int | None, typer.Option(help=_help("http_connections_per_address"), show_default="256")
]
HttpHeaderSeconds = Annotated[float | None, typer.Option(help=_help("http_header_seconds"), show_default="10")]
HttpBodySeconds = Annotated[float | None, typer.Option(help=_help("http_body_seconds"), show_default="10")]
HttpIdleSeconds = Annotated[float | None, typer.Option(help=_help("http_idle_seconds"), show_default="75")]
HttpRequestSeconds = Annotated[float | None, typer.Option(help=_help("http_request_seconds"), show_default="60")]
AnonymousViewers = Annotated[int | None, typer.Option(help=_help("anonymous_viewers"), show_default="100")]
AnonymousViewersPerAddress = Annotated[
    int | None, typer.Option(help=_help("anonymous_viewers_per_address"), show_default="50")
]
Viewers = Annotated[int | None, typer.Option(help=_help("viewers"), show_default="300")]
SnapshotEvery = Annotated[int | None, typer.Option(help=_help("snapshot_every"), show_default="50,000")]
TakeOver = Annotated[bool | None, typer.Option("--take-over", help=_help("take_over"), show_default="off")]
ReadyFile = Annotated[Path | None, typer.Option(help=_help("ready_file"), show_default="none")]
Json = Annotated[bool, typer.Option("--json", help="Print one JSON object, alone, on standard output.")]
