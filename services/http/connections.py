"""The connections of the HTTP port: how many there may be, for how long, and which one makes room for another."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from enum import Enum
from time import monotonic
from typing import Any

from aiohttp import web

# Seconds after which a request in progress may make room for another connection, if it carries no valid token.
SPARED_S = 5.0


@dataclass(frozen=True, slots=True)
class HttpLimits:
    """``connections`` of all, ``per_address`` of one address. Seconds: ``header_s`` until a request's headers are
    whole, from the connection or from their first byte; ``body_s`` for its body; ``idle_s`` between two requests;
    ``request_s`` for a whole request with its answer, live feeds aside."""

    connections: int
    per_address: int
    header_s: float
    body_s: float
    idle_s: float
    request_s: float


class Phase(Enum):
    HEADERS = "its request is not whole yet"
    IDLE = "it is between two requests"
    SERVING = "its request is answered"
    FEED = "it receives a live feed"


@dataclass(eq=False, slots=True)
class Entry:
    """A connection from its acceptance on; ``known``: the request in progress carries a valid token."""

    address: str
    since_s: float = field(default_factory=monotonic)
    phase: Phase = Phase.HEADERS
    known: bool = False
    # Ends the connection at once.
    end: Callable[[], object] = lambda: None

    def enter(self, phase: Phase) -> None:
        self.phase, self.since_s = phase, monotonic()


class Connections:
    """At a limit, the connection that has waited longest is closed, so that idle connections keep no new one out."""

    def __init__(self, limits: HttpLimits, count_refused: Callable[[str], None]) -> None:
        self.limits = limits
        self._count_refused = count_refused
        self._entries: dict[Entry, None] = {}
        self._addresses: Counter[str] = Counter()

    def __len__(self) -> int:
        return len(self._entries)

    def admit(self, address: str) -> Entry | None:
        """Return the entry of a new connection, or None where no other connection may be closed for it."""
        if self._addresses[address] >= self.limits.per_address:
            self._count_refused("connections_per_address")
            if not self.make_room(address):
                return None
        if len(self._entries) >= self.limits.connections:
            self._count_refused("connections")
            if not self.make_room():
                return None
        entry = Entry(address)
        self._entries[entry] = None
        self._addresses[address] += 1
        return entry

    def forget(self, entry: Entry) -> None:
        if entry in self._entries:
            del self._entries[entry]
            self._addresses[entry.address] -= 1
            if not self._addresses[entry.address]:
                del self._addresses[entry.address]

    def make_room(self, address: str | None = None) -> bool:
        """Close the most dispensable connection, of the address or of all; return whether there was one."""
        now_s = monotonic()
        candidates = [one for one in self._entries if address is None or one.address == address]
        best = max(candidates, key=lambda one: _dispensable(one, now_s), default=None)
        if best is None or not _dispensable(best, now_s)[0]:
            return False
        self._drop(best)
        return True

    def sweep(self) -> None:
        """Close the connections whose phase has lasted longer than its limit."""
        now_s, limits = monotonic(), self.limits
        allowed_s = {Phase.HEADERS: limits.header_s, Phase.IDLE: limits.idle_s, Phase.SERVING: limits.request_s}
        for entry in list(self._entries):
            if now_s - entry.since_s > allowed_s.get(entry.phase, float("inf")):
                self._drop(entry)

    def _drop(self, entry: Entry) -> None:
        self.forget(entry)
        entry.end()


def _dispensable(entry: Entry, now_s: float) -> tuple[int, float]:
    """Return how dispensable a connection is: a class, 0 for one that must stay, and its waiting time in seconds."""
    waited_s = now_s - entry.since_s
    if entry.phase is Phase.HEADERS:
        return 3, waited_s
    if entry.phase is Phase.IDLE:
        return 2, waited_s
    if entry.phase is Phase.SERVING and not entry.known and waited_s > SPARED_S:
        return 1, waited_s
    return 0, waited_s


class Connection(web.RequestHandler):
    """aiohttp's handler of a connection, which keeps the phase in its entry."""

    __slots__ = ("entry",)

    def __init__(self, entry: Entry, connections: Connections, server: web.Server, loop: Any) -> None:
        super().__init__(
            server,
            loop=loop,
            access_log=None,  # type: ignore[arg-type] # as aiohttp documents: none
            keepalive_timeout=connections.limits.idle_s,
            max_headers=64,
            lingering_time=2.0,
            # A compressed body would be unpacked before its size is known: it is refused.
            auto_decompress=False,
        )
        self.entry = entry

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(transport)
        if isinstance(transport, asyncio.WriteTransport):
            self.entry.end = transport.abort

    def data_received(self, data: bytes) -> None:
        if self.entry.phase is Phase.IDLE:
            self.entry.enter(Phase.HEADERS)
        super().data_received(data)

    async def finish_response(self, *arguments: Any, **named: Any) -> Any:
        try:
            return await super().finish_response(*arguments, **named)
        finally:
            self.entry.known = False
            self.entry.enter(Phase.IDLE)


def entry_of(request: web.Request) -> Entry:
    """Return the entry of the connection that a request came by."""
    protocol = request.protocol
    assert isinstance(protocol, Connection), "the listener makes no others"
    return protocol.entry
