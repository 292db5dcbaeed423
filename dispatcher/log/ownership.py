"""Who may write a market: a session advisory lock of PostgreSQL, held on a connection that does nothing else.

The lock decides who serves; the epoch (dispatcher.log.store) is the fence behind it: a writer that lost the lock
without noticing writes nothing. The lock passes on as soon as PostgreSQL sees the end of the holder's connection. It
belongs to a session, so the connection must be direct, or come from a pooler in session mode.
"""

from __future__ import annotations

import asyncio
import logging
import os
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

import asyncpg

from dispatcher.errors import MarketHeld, StaleWriter
from dispatcher.log.sql import query
from dispatcher.log.store import LogStore

log = logging.getLogger(__name__)

# A process that was just killed has lost its lock long before.
WAIT_S = 3.0
# Longest query of the epoch; after that the connection counts as dead.
LOOK_LIMIT_S = 5.0
CHANNEL = "gig_writer"
# PostgreSQL notices within some ten seconds that the holder's machine is gone.
KEEPALIVE = {"tcp_keepalives_idle": "5", "tcp_keepalives_interval": "2", "tcp_keepalives_count": "3"}
# PostgreSQL cuts longer application names.
LONGEST_NAME = 63


class MarketLock:
    """The lock of one market. ``purpose`` is what this process does with it, for the message to others."""

    def __init__(self, pool: asyncpg.Pool, market_id: str, purpose: str = "serve") -> None:
        self._pool, self._market_id, self._purpose = pool, market_id, purpose
        self._connection: asyncpg.pool.PoolConnectionProxy | None = None
        self._backend = 0
        self._signalled = asyncio.Event()
        self._one = asyncio.Lock()

    @property
    def held(self) -> bool:
        """Whether this process has the lock, as far as it can know without asking."""
        return self._connection is not None

    async def acquire(self, *, take_over: bool = False, wait_s: float = WAIT_S) -> None:
        """Return with the lock, which another process may give up within ``wait_s`` seconds.

        ``take_over``: fence the holder by a new epoch and end its connection first. Raises MarketHeld with what is
        known of the holder.
        """
        async with self._one:
            if self.held:
                return
            await self._drop()
            connection = await self._pool.acquire()
            try:
                await self._prepare(connection, wait_s)
                await self._take(connection, take_over=take_over, wait_s=wait_s)
                await connection.add_listener(CHANNEL, self._notified)
                connection.add_termination_listener(self._ended)
            except BaseException:
                await self._pool.release(connection)
                raise
            self._connection, self._backend = connection, connection.get_server_pid()

    async def release(self) -> None:
        async with self._one:
            await self._drop()

    async def changed(self, at_most_s: float) -> None:
        """Return when somebody acquires a market, the connection ends, or after ``at_most_s`` seconds."""
        with suppress(TimeoutError):
            await asyncio.wait_for(self._signalled.wait(), at_most_s)
        self._signalled.clear()

    async def check(self, store: LogStore) -> None:
        """Raise StaleWriter where another process has acquired the market since ``store`` did."""
        connection = self._connection or self._pool
        while not store.acquiring:
            mine = store.epoch
            try:
                found = await connection.fetchval(query("epoch"), self._market_id, timeout=LOOK_LIMIT_S)
            except TimeoutError:
                if self._connection is not None:
                    self._connection.terminate()
                raise
            if store.epoch == mine and not store.acquiring:
                if found != mine:
                    raise StaleWriter(self._market_id)
                return

    async def _prepare(self, connection: asyncpg.pool.PoolConnectionProxy, wait_s: float) -> None:
        name = f"gig {self._purpose} {self._market_id}, process {os.getpid()} on {socket.gethostname()}"
        settings = {"application_name": name[:LONGEST_NAME], "lock_timeout": f"{max(round(wait_s * 1000), 1)}"}
        for setting, value in (settings | KEEPALIVE).items():
            await connection.execute("SELECT set_config($1, $2, false)", setting, value)

    async def _take(self, connection: asyncpg.pool.PoolConnectionProxy, *, take_over: bool, wait_s: float) -> None:
        if self._backend:
            # Our own former connection, which the server may not know to be dead.
            await self._terminate(connection, only=self._backend)
        if take_over:
            await LogStore(self._pool, self._market_id).acquire()
            await self._terminate(connection)
        try:
            await connection.execute(query("take_lock"), self._market_id, timeout=wait_s + LOOK_LIMIT_S)
        except asyncpg.LockNotAvailableError as fault:
            raise MarketHeld(self._market_id, await self._holder(connection)) from fault

    async def _terminate(self, connection: asyncpg.pool.PoolConnectionProxy, only: int | None = None) -> None:
        """End the holder's connection where PostgreSQL lets this user do it; else the epoch makes the holder stop."""
        for row in await connection.fetch(query("lock_holder"), self._market_id):
            if only is not None and row["pid"] != only:
                continue
            try:
                await connection.execute("SELECT pg_terminate_backend($1)", row["pid"])
            except asyncpg.InsufficientPrivilegeError:
                log.warning("PostgreSQL does not let this user end the connection of %s", row["application_name"])

    async def _holder(self, connection: asyncpg.pool.PoolConnectionProxy) -> str:
        row = await connection.fetchrow(query("lock_holder"), self._market_id)
        if row is None:
            return "another process"
        name = row["application_name"] or "a process without a name"
        address = f" from {row['address']}" if row["address"] else ""
        since = row["backend_start"]
        began = f" since {since:%Y-%m-%d %H:%M:%S} UTC" if since is not None else ""
        return f"{name}{address} (PostgreSQL backend {row['pid']}{began})"

    async def _drop(self) -> None:
        connection, self._connection = self._connection, None
        if connection is None:
            return
        connection.remove_termination_listener(self._ended)
        with suppress(asyncpg.PostgresError, asyncpg.InterfaceError, OSError):
            await connection.remove_listener(CHANNEL, self._notified)
        # A session that held a lock is not given to others. The pool has taken back one that has ended meanwhile.
        with suppress(asyncpg.InterfaceError):
            connection.terminate()
        await self._pool.release(connection)

    def _notified(self, _connection: object, _pid: int, _channel: str, market_id: object) -> None:
        if market_id == self._market_id:
            self._signalled.set()

    def _ended(self, _connection: object) -> None:
        """The pool has taken the connection back by itself."""
        self._connection = None
        self._signalled.set()


@asynccontextmanager
async def held(pool: asyncpg.Pool, market_id: str, purpose: str) -> AsyncIterator[None]:
    """Hold a market's lock for a command that writes its log. Raises MarketHeld."""
    lock = MarketLock(pool, market_id, purpose)
    await lock.acquire()
    try:
        yield
    finally:
        await lock.release()
