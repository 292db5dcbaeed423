"""Settings of the suite: flags over environment (GIG_...) over a TOML file over defaults, each with its origin."""

from __future__ import annotations

import difflib
import os
import tomllib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Annotated, Any, Literal, Self

import platformdirs
from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, ValidationError, model_validator
from pydantic_core import PydanticCustomError

from geo.documents import MOST_BYTES

PREFIX = "GIG_"
# Variables that are no settings: options of some commands, and what the tests ask of a machine.
OTHER_VARIABLES = ("GIG_CONFIG", "GIG_TOKEN", "GIG_TOOLS_REQUIRED")
# A zone document of the largest size, and the other fields of its message.
LARGEST_MESSAGE = MOST_BYTES + (64 << 10)


class SettingsError(ValueError):
    """A setting that cannot be used; the message names it, its origin and the fault."""


def default_data_dir() -> Path:
    """As root /var/lib/gig-dispatch, which PostgreSQL's user can enter; else the user's own data directory."""
    if os.geteuid() == 0:
        return Path("/var/lib/gig-dispatch")
    return Path(platformdirs.user_data_dir("gig-dispatch"))


ADDRESS = r"^(\[[0-9a-fA-F:]+\]|[^:\s]*):[0-9]{1,5}$"
MARKET = r"^[A-Za-z0-9._-]{1,64}$"
PATTERNS = {
    ADDRESS: "must be host:port, for example 127.0.0.1:50051 or [::1]:50051",
    MARKET: "must be 1 to 64 letters, digits or ._-",
}
LARGEST_PORT = 65_535


def _with_port(address: str) -> str:
    """Check the port, which some sockets would take modulo 65,536."""
    port = int(address.rpartition(":")[2])
    if port > LARGEST_PORT:
        raise PydanticCustomError("port", f"port {port} must be at most {LARGEST_PORT}")
    return address


Address = Annotated[str, Field(pattern=ADDRESS), AfterValidator(_with_port)]


def _listed(value: Any) -> Any:
    """A list, or its names with commas or spaces between."""
    return value.replace(",", " ").split() if isinstance(value, str) else value


Open = Literal["health", "reflection", "metrics", "live"]
OpenToAll = Annotated[tuple[Open, ...], BeforeValidator(_listed)]


class Settings(BaseModel):
    """What `gig serve` runs by."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    grpc_address: Address = Field(
        "127.0.0.1:50051",
        description="where gRPC listens, host:port; port 0 takes a free one, 0.0.0.0 is every network",
    )
    http_address: Address = Field("127.0.0.1:9464", description="where metrics and health listen, host:port")
    database_url: str = Field(
        "",
        description="an existing PostgreSQL, direct or by session pooling; empty runs an embedded one in data_dir",
    )
    data_dir: Path = Field(default_factory=default_data_dir, description="where the embedded PostgreSQL keeps its data")
    market: str = Field("main", pattern=MARKET, description="the market's id")
    policy: str = Field(
        "plain", description="a new market's policy: a preset's name or a TOML file; a market that exists keeps its own"
    )
    zones: Path | None = Field(None, description="a new market's zones: a GeoJSON file")
    clock_speed: float = Field(
        1.0, gt=0, le=3600, description="market seconds in a wall second: 1 but for demonstrations"
    )
    roads: Path | None = Field(
        None, description="a road network that `gig travel roads` made, for policies that name it"
    )
    solver_processes: int = Field(
        2, ge=1, le=64, description="processes that solve rounds; parts of a large round are solved side by side"
    )
    token_keys: Path | None = Field(
        None,
        description="public keys that tokens are checked with: a JWKS or PEM file, read again when it changes; "
        "none makes a key for development in data_dir, with which gig token signs",
    )
    token_audience: str = Field("gig-dispatch", min_length=1, description="the audience (aud) that tokens must have")
    token_issuer: str = Field("", description="the issuer (iss) that tokens must have; empty takes any")
    without_token: OpenToAll = Field(
        ("health", "reflection", "metrics", "live"),
        description="what needs no token: health, reflection, metrics, live (the live page, without people)",
    )
    tls_certificate: Path | None = Field(
        None, description="a certificate with its chain in PEM: gRPC and HTTP are served by TLS"
    )
    tls_key: Path | None = Field(None, description="the certificate's private key in PEM")
    tls_client_ca: Path | None = Field(
        None, description="authorities in PEM: gRPC clients must have a certificate of theirs (mutual TLS)"
    )
    message_bytes: int = Field(
        LARGEST_MESSAGE, ge=1 << 16, le=64 << 20, description="the largest message that is taken"
    )
    calls_per_second: int = Field(50, ge=1, description="calls of one person; five seconds' worth may come at once")
    pings_per_second: int = Field(
        20, ge=1, description="positions of one courier; a minute's worth, or 1,000, may come at once"
    )
    streams_per_caller: int = Field(64, ge=1, description="streams that one person may hold open")
    streams: int = Field(20_000, ge=1, description="streams that all together may hold open")
    capacity: int = Field(
        1000,
        ge=1,
        description="calls a second of all together; more are refused with a delay, but not those that finish work",
    )
    calls_in_flight: int = Field(
        256, ge=1, description="calls that are carried out at a time; more are refused with a delay"
    )
    grpc_connections: int = Field(
        20_000, ge=1, description="connections to the gRPC port; fewer where the system allows fewer open files"
    )
    http_connections: int = Field(
        1024, ge=1, description="connections to the HTTP port; beyond it the one that waits longest is closed"
    )
    http_connections_per_address: int = Field(
        256, ge=1, description="connections of one address to the HTTP port; behind a proxy give as many as for all"
    )
    http_header_seconds: float = Field(10, gt=0, description="seconds until the headers of a request must be whole")
    http_body_seconds: float = Field(10, gt=0, description="seconds until the body of a request must be whole")
    http_idle_seconds: float = Field(75, gt=0, description="seconds that a connection may wait for its next request")
    http_request_seconds: float = Field(
        60, gt=0, description="seconds that a request with its answer may take, live feeds aside"
    )
    anonymous_viewers: int = Field(100, ge=0, description="live feeds of viewers without a token")
    anonymous_viewers_per_address: int = Field(
        50, ge=0, description="live feeds of viewers without a token from one address"
    )
    viewers: int = Field(
        300, ge=1, description="live feeds of clients and couriers; 100 more are reserved for the operator's people"
    )
    snapshot_every: int = Field(
        50_000, ge=100, description="events between snapshots: what a restart has to fold, at most about twice as many"
    )
    take_over: bool = Field(
        False, description="end a server that holds the market, and serve it here; without it such a start is refused"
    )
    ready_file: Path | None = Field(None, description="written as JSON with the ports once the suite serves")

    @model_validator(mode="after")
    def _tls_is_whole(self) -> Self:
        if (self.tls_certificate is None) != (self.tls_key is None):
            raise ValueError("tls_certificate and tls_key belong together")
        if self.tls_client_ca is not None and self.tls_certificate is None:
            raise ValueError("tls_client_ca needs tls_certificate and tls_key")
        return self


class ResolvedSettings:
    """Settings and where each came from: flag, environment, file or default."""

    def __init__(self, settings: Settings, origins: dict[str, str]) -> None:
        self.values = settings
        self.origins = origins


def resolve(
    flags: Mapping[str, Any], environment: Mapping[str, str] = os.environ, file: Path | None = None
) -> ResolvedSettings:
    """Merge the sources; flags that are None were not given. Raises SettingsError."""
    values: dict[str, Any] = {}
    origins = dict.fromkeys(Settings.model_fields, "default")
    for found, origin in (
        (_from_file(file), f"file {file}"),
        (_from_environment(environment), "environment"),
        ({name: value for name, value in flags.items() if value is not None}, "flag"),
    ):
        values |= found
        origins |= {
            name: f"environment {PREFIX}{name.upper()}" if origin == "environment" else origin for name in found
        }
    try:
        return ResolvedSettings(Settings(**values), origins)
    except ValidationError as fault:
        faults = [f"{_name(error)} ({origins.get(_name(error), 'unknown')}): {_why(error)}" for error in fault.errors()]
        raise SettingsError("; ".join(faults)) from fault


def _name(error: Any) -> str:
    return ".".join(map(str, error["loc"]))


def _why(error: Any) -> str:
    """Return what is wrong with a setting, and what it must be."""
    if error["type"] == "extra_forbidden":
        return "there is no such setting; gig config lists them all"
    if error["type"] == "string_pattern_mismatch":
        return PATTERNS[error["ctx"]["pattern"]]
    return str(error["msg"])


def _from_file(file: Path | None) -> dict[str, Any]:
    if file is None:
        return {}
    try:
        return tomllib.loads(file.read_text("utf-8-sig"))
    except (OSError, ValueError, RecursionError) as fault:  # ValueError: no UTF-8, no TOML, a number too long to read
        raise SettingsError(f"cannot read the settings file {file}: {fault}") from fault


def _from_environment(environment: Mapping[str, str]) -> dict[str, Any]:
    names = _variables()
    return {names[variable]: value for variable, value in environment.items() if variable in names}


def _variables() -> dict[str, str]:
    """Return the environment variable of each setting, with the setting's name."""
    return {f"{PREFIX}{name.upper()}": name for name in Settings.model_fields}


def unknown_variables(environment: Mapping[str, str]) -> Iterator[str]:
    """Yield a sentence for each variable that begins as settings do and is none, with the nearest name."""
    known = [*_variables(), *OTHER_VARIABLES]
    for variable in sorted(environment):
        if variable.upper().startswith(PREFIX) and variable not in known:
            near = difflib.get_close_matches(variable.upper(), known, n=1, cutoff=0.75)
            hint = f"did you mean {near[0]}?" if near else "gig config lists all settings"
            yield f"the environment variable {variable} is ignored: there is no such setting; {hint}"
