"""A connection that dies without a word, as a phone's does in a tunnel."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator


class Wire:
    """A TCP relay that can fall silent without closing anything, as a phone does in a tunnel."""

    def __init__(self, port: int) -> None:
        self._target = port
        self._server: asyncio.Server
        self._tasks: set[asyncio.Task[None]] = set()
        self._sinks: list[asyncio.StreamWriter] = []
        self.cut = False
        # Set when the suite ends a connection.
        self.ended_by_suite = asyncio.Event()

    @property
    def target(self) -> str:
        return f"127.0.0.1:{self._server.sockets[0].getsockname()[1]}"

    async def open(self) -> None:
        self._server = await asyncio.start_server(self._relay, "127.0.0.1", 0)

    async def close(self) -> None:
        self._server.close()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        for sink in self._sinks:
            sink.transport.abort()
        await asyncio.gather(*(sink.wait_closed() for sink in self._sinks), return_exceptions=True)

    async def _relay(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        from_suite, to_suite = await asyncio.open_connection("127.0.0.1", self._target)
        self._sinks += [writer, to_suite]
        to_the_suite = asyncio.create_task(self._pump(reader, to_suite))
        from_the_suite = asyncio.create_task(self._pump(from_suite, writer))
        from_the_suite.add_done_callback(lambda _task: self.ended_by_suite.set())
        self._tasks |= {to_the_suite, from_the_suite}

    async def _pump(self, source: asyncio.StreamReader, sink: asyncio.StreamWriter) -> None:
        with contextlib.suppress(ConnectionError):
            while data := await source.read(1 << 16):
                if self.cut:
                    continue  # lost, without an error on either side
                sink.write(data)
                await sink.drain()


@contextlib.asynccontextmanager
async def wire_to(port: int) -> AsyncIterator[Wire]:
    """Yield a relay to a port of this machine."""
    wire = Wire(port)
    await wire.open()
    try:
        yield wire
    finally:
        await wire.close()
