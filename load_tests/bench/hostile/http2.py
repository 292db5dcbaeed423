"""Just enough of HTTP/2 (RFC 9113, RFC 7541) to send gRPC frames as fast as one core can, right or wrong."""

from __future__ import annotations

import asyncio
import contextlib
import struct

PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
DATA, HEADERS, RST_STREAM, SETTINGS, PING, GOAWAY, WINDOW_UPDATE = 0, 1, 3, 4, 6, 7, 8
ACK = END_STREAM = 0x1
END_HEADERS = 0x4
INITIAL_WINDOW, LARGEST_FRAME, INITIAL_WINDOW_SETTING = 65_535, 16_384, 4
# Credit that is given for what the server sends: it must never wait for us.
OUR_WINDOW = 2**31 - 1 - INITIAL_WINDOW
NO_STREAM_ID = 0


class Ended(ConnectionError):
    """The server has ended the stream or the connection."""


class Http2Connection:
    """One connection with one stream at a time."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader, self._writer = reader, writer
        self._stream = -1
        self._window, self._stream_window = INITIAL_WINDOW, INITIAL_WINDOW
        self._initial = INITIAL_WINDOW
        self._changed = asyncio.Event()
        self._over = self._ended = False
        self._pump = asyncio.create_task(self._read())

    @classmethod
    async def open(cls, host: str, port: int, local: str) -> Http2Connection:
        """Connect from this local address and send the preface."""
        reader, writer = await asyncio.open_connection(host, port, local_addr=(local, 0))
        credit = _frame(WINDOW_UPDATE, 0, NO_STREAM_ID, struct.pack(">I", OUR_WINDOW))
        settings = struct.pack(">HI", INITIAL_WINDOW_SETTING, 2**31 - 1)
        writer.write(PREFACE + _frame(SETTINGS, 0, NO_STREAM_ID, settings) + credit)
        return cls(reader, writer)

    async def begin(self, path: str, headers: dict[str, str]) -> None:
        """Begin a new stream: a gRPC call of this path."""
        self._stream += 2
        self._stream_window, self._ended = self._initial, False
        every = {":method": "POST", ":scheme": "http", ":path": path, ":authority": "localhost"}
        every |= {"te": "trailers", "content-type": "application/grpc"} | headers
        block = b"".join(_literal(name.encode(), value.encode()) for name, value in every.items())
        self._writer.write(_frame(HEADERS, END_HEADERS, self._stream, block))
        await self._writer.drain()

    async def send(self, data: bytes, end: bool = False) -> None:
        """Send data within the server's flow control. Raises Ended where the server has ended the stream."""
        view, at = memoryview(data), 0
        while at < len(view):
            size = min(self._window, self._stream_window, LARGEST_FRAME, len(view) - at)
            if self._over or self._ended:
                raise Ended("the server has ended the stream")
            if size <= 0:
                self._changed.clear()
                await self._changed.wait()
                continue
            last = end and at + size == len(view)
            self._writer.write(_frame(DATA, END_STREAM if last else 0, self._stream, bytes(view[at : at + size])))
            self._window -= size
            self._stream_window -= size
            at += size
            await self._writer.drain()

    async def ended(self) -> None:
        """Return when the server has ended the stream."""
        while not (self._ended or self._over):
            self._changed.clear()
            await self._changed.wait()

    async def close(self) -> None:
        self._pump.cancel()
        self._writer.close()
        with contextlib.suppress(ConnectionError):
            await self._writer.wait_closed()
        await asyncio.gather(self._pump, return_exceptions=True)

    async def _read(self) -> None:
        try:
            while True:
                head = await self._reader.readexactly(9)
                length = int.from_bytes(head[:3], "big")
                payload = await self._reader.readexactly(length)
                self._handle(head[3], head[4], int.from_bytes(head[5:9], "big") & 0x7FFFFFFF, payload)
        except (asyncio.IncompleteReadError, ConnectionError):
            return
        finally:
            self._over = True
            self._changed.set()

    def _handle(self, kind: int, flags: int, stream: int, payload: bytes) -> None:
        if kind == SETTINGS and not flags & ACK:
            for key, value in struct.iter_unpack(">HI", payload):
                if key == INITIAL_WINDOW_SETTING:
                    self._stream_window += value - self._initial
                    self._initial = value
            self._writer.write(_frame(SETTINGS, ACK, NO_STREAM_ID, b""))
        elif kind == PING and not flags & ACK:
            self._writer.write(_frame(PING, ACK, NO_STREAM_ID, payload))
        elif kind == WINDOW_UPDATE:
            (credit,) = struct.unpack(">I", payload)
            if stream == NO_STREAM_ID:
                self._window += credit
            elif stream == self._stream:
                self._stream_window += credit
        elif kind == GOAWAY:
            self._over = True
        elif stream == self._stream and (kind == RST_STREAM or (kind in (DATA, HEADERS) and flags & END_STREAM)):
            self._ended = True
        self._changed.set()


def grpc_frame(message: bytes, compressed: bool = False) -> bytes:
    """Return a message as gRPC frames it."""
    return struct.pack(">BI", compressed, len(message)) + message


def _frame(kind: int, flags: int, stream: int, payload: bytes) -> bytes:
    return len(payload).to_bytes(3, "big") + bytes((kind, flags)) + stream.to_bytes(4, "big") + payload


def _literal(name: bytes, value: bytes) -> bytes:
    """A header field without indexing, its name spelled out."""
    return b"\x00" + _length(len(name)) + name + _length(len(value)) + value


def _length(size: int) -> bytes:
    """An integer with a prefix of seven bits."""
    if size < 127:
        return bytes((size,))
    found, size = bytearray((127,)), size - 127
    while size >= 128:
        found.append(size & 0x7F | 0x80)
        size >>= 7
    found.append(size)
    return bytes(found)
