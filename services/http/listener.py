"""Accept the HTTP port's connections, within the limits of connections and open files."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import logging
import socket
import ssl
from collections import deque
from time import monotonic, thread_time

from aiohttp import web

from services.http.connections import Connection, Connections, Entry

log = logging.getLogger(__name__)

BACKLOG = 512
# Connections that are accepted before others get their turn.
BATCH = 32
# Share of a core that accepting may take while connections are refused: a flood waits in the system's queue.
ACCEPT_SHARE = 0.25
SWEEP_EVERY_S = 1.0
# A refused connection is closed after so long, so that a client who opens connections again at once is slowed.
REFUSE_AFTER_S, CLOSE_EVERY_S = 3.0, 0.02
# The system has no file or memory left for a connection.
OUT_OF = frozenset({errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM})
ACCEPT_AGAIN_S, LOG_EVERY_S = 0.1, 1.0
HANDSHAKE_S = 10.0


class Listener:
    def __init__(self, server: web.Server, connections: Connections, tls: ssl.SSLContext | None) -> None:
        self._server, self._connections, self._tls = server, connections, tls
        self._sockets: list[socket.socket] = []
        self._tasks: set[asyncio.Task[None]] = set()
        # With the time when each is due to be closed.
        self._refused: deque[tuple[float, socket.socket]] = deque()
        self._logged_s = float("-inf")

    async def start(self, host: str | None, port: int) -> int:
        """Listen; return the port. Raises OSError where it cannot be listened on."""
        loop = asyncio.get_running_loop()
        found = await loop.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
        try:
            for family, kind, proto, _, address in dict.fromkeys(found):
                sock = socket.socket(family, kind, proto)
                self._sockets.append(sock)
                sock.setblocking(False)
                sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                if family == socket.AF_INET6:
                    sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
                sock.bind((address[0], port, *address[2:]))
                sock.listen(BACKLOG)
                port = sock.getsockname()[1]
        except OSError:
            self._close()
            raise
        for sock in self._sockets:
            self._spawn(self._accept(sock))
        self._spawn(self._sweep())
        self._spawn(self._close_refused())
        return port

    async def stop(self) -> None:
        """Accept no more connections; the open ones stay."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        self._close()

    def _close(self) -> None:
        for sock in (*self._sockets, *(refused for _, refused in self._refused)):
            sock.close()
        self._refused.clear()

    def _refuse(self, taken: socket.socket) -> None:
        if len(self._refused) < self._connections.limits.refused:
            self._refused.append((monotonic() + REFUSE_AFTER_S, taken))
        else:
            taken.close()

    def _make_room(self) -> None:
        """Close a connection so that the system has a file for another."""
        if self._refused:
            self._refused.popleft()[1].close()
        else:
            self._connections.make_room()

    def _spawn(self, work: object) -> asyncio.Task[None]:
        task: asyncio.Task[None] = asyncio.ensure_future(work)  # type: ignore[call-overload]
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task

    async def _accept(self, sock: socket.socket) -> None:
        while True:
            began_s = thread_time()
            try:
                more, refused = self._accept_batch(sock)
            except OSError as fault:
                self._report(fault)
                if fault.errno in OUT_OF:
                    self._make_room()
                await asyncio.sleep(ACCEPT_AGAIN_S)
                continue
            # A flood of connections must not keep the others' requests waiting.
            await asyncio.sleep((thread_time() - began_s) / ACCEPT_SHARE if refused else 0)
            if not more:
                await _readable(sock)

    def _accept_batch(self, sock: socket.socket) -> tuple[bool, bool]:
        """Return whether more connections may wait, and whether any was refused."""
        refused = False
        for _ in range(BATCH):
            try:
                taken, peer = sock.accept()
            except BlockingIOError:
                return False, refused
            entry = self._connections.admit(str(peer[0]))
            if entry is None:
                refused = True
                self._refuse(taken)
            else:
                taken.setblocking(False)
                entry.end = taken.close
                self._spawn(self._take(taken, entry))
        return True, refused

    async def _take(self, taken: socket.socket, entry: Entry) -> None:
        """Set the connection up, with TLS where there is a certificate, unless it has made room for others already."""
        setting_up = asyncio.current_task()
        if taken.fileno() < 0 or setting_up is None:
            return
        entry.end = setting_up.cancel
        loop = asyncio.get_running_loop()
        connection = Connection(entry, self._connections, self._server, loop)
        limit_s = HANDSHAKE_S if self._tls is not None else None
        try:
            transport, _ = await loop.connect_accepted_socket(
                lambda: connection, taken, ssl=self._tls, ssl_handshake_timeout=limit_s
            )
        except (OSError, ssl.SSLError, asyncio.CancelledError):
            self._connections.forget(entry)
            with contextlib.suppress(OSError):
                taken.close()
            return
        entry.end = transport.abort

    async def _sweep(self) -> None:
        while True:
            await asyncio.sleep(SWEEP_EVERY_S)
            self._connections.sweep()

    async def _close_refused(self) -> None:
        while True:
            await asyncio.sleep(CLOSE_EVERY_S)
            now_s = monotonic()
            while self._refused and self._refused[0][0] <= now_s:
                self._refused.popleft()[1].close()

    def _report(self, fault: OSError) -> None:
        if monotonic() >= self._logged_s + LOG_EVERY_S:
            self._logged_s = monotonic()
            log.error("a connection cannot be accepted: %s; %d are open", fault.strerror, len(self._connections))


async def _readable(sock: socket.socket) -> None:
    loop = asyncio.get_running_loop()
    ready = asyncio.Event()
    loop.add_reader(sock, ready.set)
    try:
        await ready.wait()
    finally:
        loop.remove_reader(sock)
