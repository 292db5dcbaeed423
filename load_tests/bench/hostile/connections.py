"""Attacks by connections: slow headers, slow bodies, silence, and anonymous readers of the live feed."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable

from load_tests.bench.hostile.attack import ATTACKER, HOST, Attack
from load_tests.bench.hostile.order import Order

# Connections at a time of each slow attack, and of the idle ones to each port.
SLOW, IDLE = 2_000, 2_000
# A slow client sends a byte this often.
BYTE_EVERY_S = 1.0
# More readers than the live feed has room for, and the number of addresses that they come from.
READERS, ADDRESSES = 300, 64
# Connections that are opened at a time; pause before one that the server closed is opened again.
OPENING, REOPEN_S = 100, 0.1


_Pair = tuple[asyncio.StreamReader, asyncio.StreamWriter]


class _Held(Attack):
    """Holds connections open; each of them lives as ``_hold`` says, then is opened again."""

    def __init__(self, order: Order) -> None:
        super().__init__(order)
        self._opening = asyncio.Semaphore(OPENING)

    async def _keep(self, count: int, port: int, hold: Callable[[_Pair], Awaitable[None]], local: str) -> None:
        await asyncio.gather(*(self._again(port, hold, local) for _ in range(count)))

    async def _again(self, port: int, hold: Callable[[_Pair], Awaitable[None]], local: str) -> None:
        while True:
            with contextlib.suppress(OSError, asyncio.IncompleteReadError):
                async with self._opening:
                    pair = await asyncio.open_connection(HOST, port, local_addr=(local, 0))
                self.counts["opened"] += 1
                try:
                    await hold(pair)
                finally:
                    self.counts["closed"] += 1
                    pair[1].close()
            await asyncio.sleep(REOPEN_S)


async def _until_closed(pair: _Pair) -> None:
    while await pair[0].read(4096):
        pass


class SlowHeaders(_Held):
    """A request whose headers never end."""

    async def attack(self) -> None:
        await self._keep(SLOW, self.order.http_port, self._drip, ATTACKER)

    async def _drip(self, pair: _Pair) -> None:
        pair[1].write(b"GET /healthz HTTP/1.1\r\nHost: localhost\r\nX-Slow: ")
        await _dripping(pair)


class SlowBody(_Held):
    """A request whose body never ends."""

    async def attack(self) -> None:
        await self._keep(SLOW, self.order.http_port, self._drip, ATTACKER)

    async def _drip(self, pair: _Pair) -> None:
        pair[1].write(b"POST /session HTTP/1.1\r\nHost: localhost\r\nContent-Length: 4000\r\n\r\n")
        await _dripping(pair)


async def _dripping(pair: _Pair) -> None:
    """Send a byte every BYTE_EVERY_S seconds until the server closes the connection."""
    closed = asyncio.create_task(_until_closed(pair))
    try:
        while not closed.done():
            pair[1].write(b"a")
            await asyncio.wait({closed}, timeout=BYTE_EVERY_S)
    finally:
        closed.cancel()


class IdleConnections(_Held):
    """Connections to both ports that say nothing."""

    async def attack(self) -> None:
        ports = (self.order.grpc_port, self.order.http_port)
        await asyncio.gather(*(self._keep(IDLE, port, _until_closed, ATTACKER) for port in ports))


class AnonymousFeeds(_Held):
    """Readers of the live feed without a token, from many addresses."""

    async def attack(self) -> None:
        port = self.order.http_port
        addresses = [f"127.0.1.{1 + number % ADDRESSES}" for number in range(READERS)]
        await asyncio.gather(*(self._again(port, self._read, address) for address in addresses))

    async def _read(self, pair: _Pair) -> None:
        pair[1].write(b"GET /live/feed HTTP/1.1\r\nHost: localhost\r\nAccept: text/event-stream\r\n\r\n")
        status = await pair[0].readline()
        self.counts["admitted" if b" 200 " in status else "refused"] += 1
        await _until_closed(pair)
