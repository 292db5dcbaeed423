"""The connections of the HTTP port: how many there may be, for how long, and which one makes room for another."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import Enum
from time import monotonic
from typing import Any

from aiohttp import web

# Seconds after which a request in progress may make room for another connection, if it carries no valid token.
SPARED_S = 5.0
# Connections that are closed for others of the same address, or for others at all, between two sweeps; and new ones
# beyond the number that may be open. More would keep the server busy with opening and closing: they are refused.
ROOMS_PER_SWEEP = 100


@dataclass(frozen=True, slots=True)
class HttpLimits:
    """``connections`` of all, ``per_address`` of one address; ``refused`` ones may wait to be closed.

    Seconds: ``header_s`` until a request's headers are whole, from the connection or from their first byte; ``body_s``
    for its body; ``idle_s`` between two requests; ``request_s`` for a whole request with its answer, live feeds aside.
    """

    connections: int
    per_address: int
    refused: int
    header_s: float
    body_s: float
    idle_s: float
    request_s: float


class Phase(Enum):
    HEADERS = "its request is not whole yet"
    IDLE = "it is between two requests"
    SERVING = "its request is answered"
    FEED = "it receives a live feed"


class _Queues:
    """Connections by phase, each in the order in which it entered its phase: the first one has waited longest."""

    __slots__ = ("_phases",)

    def __init__(self) -> None:
        self._phases: dict[Phase, dict[Entry, None]] = {phase: {} for phase in Phase}

    def __len__(self) -> int:
        return sum(map(len, self._phases.values()))

    def add(self, entry: Entry) -> None:
        self._phases[entry.phase][entry] = None

    def remove(self, entry: Entry) -> None:
        del self._phases[entry.phase][entry]

    def most_dispensable(self, now_s: float) -> Entry | None:
        """Return the connection to close for another one, or None where all of them must stay."""
        for phase in (Phase.HEADERS, Phase.IDLE):
            if self._phases[phase]:
                return next(iter(self._phases[phase]))
        for entry in self._phases[Phase.SERVING]:
            if now_s - entry.since_s <= SPARED_S:
                return None
            if not entry.known:
                return entry
        return None

    def overdue(self, allowed_s: Mapping[Phase, float], now_s: float) -> list[Entry]:
        """Return the connections whose phase has lasted longer than allowed."""
        found = []
        for phase, limit_s in allowed_s.items():
            for entry in self._phases[phase]:
                if now_s - entry.since_s <= limit_s:
                    break
                found.append(entry)
        return found


@dataclass(eq=False, slots=True)
class Entry:
    """A connection from its acceptance on; ``known``: the request in progress carries a valid token."""

    address: str
    since_s: float = field(default_factory=lambda: monotonic())
    phase: Phase = Phase.HEADERS
    known: bool = False
    # Ends the connection at once.
    end: Callable[[], object] = lambda: None
    # Where it waits: among all, and among those of its address.
    queues: tuple[_Queues, ...] = ()

    def enter(self, phase: Phase) -> None:
        for queue in self.queues:
            queue.remove(self)
        self.phase, self.since_s = phase, monotonic()
        for queue in self.queues:
            queue.add(self)


class Connections:
    """At a limit, the connection that has waited longest is closed, so that idle connections keep no new one out."""

    def __init__(self, limits: HttpLimits, count_refused: Callable[[str], None]) -> None:
        self.limits = limits
        self._count_refused = count_refused
        self._all = _Queues()
        self._by_address: dict[str, _Queues] = {}
        # Between two sweeps, by address, and of all under None.
        self._rooms_made: Counter[str | None] = Counter()
        self._opened: Counter[str | None] = Counter()

    def __len__(self) -> int:
        return len(self._all)

    def admit(self, address: str) -> Entry | None:
        """Return the entry of a new connection. None: no other may be closed for it, or too many are opened."""
        limits = self.limits
        for opened, most in ((address, limits.per_address), (None, limits.connections)):
            if self._opened[opened] >= most + ROOMS_PER_SWEEP:
                self._count_refused("connections_opened")
                return None
        if len(self._by_address.get(address, ())) >= limits.per_address:
            self._count_refused("connections_per_address")
            if not self.make_room(address):
                return None
        if len(self._all) >= limits.connections:
            self._count_refused("connections")
            if not self.make_room():
                return None
        for opened in (address, None):
            self._opened[opened] += 1
        own = self._by_address.setdefault(address, _Queues())
        entry = Entry(address, queues=(self._all, own))
        for queue in entry.queues:
            queue.add(entry)
        return entry

    def forget(self, entry: Entry) -> None:
        for queue in entry.queues:
            queue.remove(entry)
        if entry.queues and not len(entry.queues[1]):
            del self._by_address[entry.address]
        entry.queues = ()

    def make_room(self, address: str | None = None) -> bool:
        """Close the most dispensable connection, of the address or of all; return whether one was closed."""
        queues = self._all if address is None else self._by_address[address]
        best = queues.most_dispensable(monotonic())
        if best is None or self._rooms_made[address] >= ROOMS_PER_SWEEP:
            return False
        self._rooms_made[address] += 1
        self._drop(best)
        return True

    def sweep(self) -> None:
        """Close the connections whose phase has lasted longer than its limit."""
        self._rooms_made.clear()
        self._opened.clear()
        limits = self.limits
        allowed_s = {Phase.HEADERS: limits.header_s, Phase.IDLE: limits.idle_s, Phase.SERVING: limits.request_s}
        for entry in self._all.overdue(allowed_s, monotonic()):
            self._drop(entry)

    def _drop(self, entry: Entry) -> None:
        self.forget(entry)
        entry.end()


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
