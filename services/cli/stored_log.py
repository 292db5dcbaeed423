"""The log that a command reads: of a running suite, of a data directory, or of a file."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from pathlib import Path

import asyncpg
from rich.console import Console
from rich.progress import Progress

from dispatcher.errors import DispatchError
from dispatcher.log.embedded_postgres import EmbeddedPostgres, EmbeddedPostgresError
from dispatcher.log.files import read_log
from dispatcher.log.journal import Line
from dispatcher.log.proof import LogProof, proved
from dispatcher.log.store import LogStore, markets, open_pool
from gig.v1 import events_pb2 as events_pb
from services.settings import Settings

CONNECT_LIMIT_S = 10.0


@asynccontextmanager
async def database(dsn: str, data_dir: Path, size: int) -> AsyncIterator[asyncpg.Pool]:
    """The one that ``dsn`` names, or an embedded one in ``data_dir`` that runs for this command alone."""
    postgres = None if dsn else EmbeddedPostgres(data_dir)
    if postgres is not None:
        postgres.start()
        dsn = postgres.dsn
    try:
        pool = await open_pool(dsn, size)
        try:
            yield pool
        finally:
            await pool.close()
    finally:
        if postgres is not None:
            postgres.stop()


@asynccontextmanager
async def stored_log(settings: Settings, size: int = 1) -> AsyncIterator[LogStore]:
    """The market's log, from a running database, or from an embedded one that runs for this command alone, with
    ``size`` connections."""
    dsn = settings.database_url or await _running(settings.data_dir / "database.url")
    if not dsn and not (settings.data_dir / "postgres").exists():
        raise EmbeddedPostgresError(
            f"there is no log in {settings.data_dir}: name a market's --data-dir, or set GIG_DATABASE_URL"
        )
    async with database(dsn, settings.data_dir, size) as pool:
        yield LogStore(pool, settings.market)


async def _running(file: Path) -> str:
    """The address in the file, if a database answers there: a server that was killed leaves the file behind."""
    if not file.exists():
        return ""
    dsn = file.read_text("utf-8-sig")
    try:
        connection = await asyncpg.connect(dsn, timeout=CONNECT_LIMIT_S)
    except OSError:
        return ""
    await connection.close()
    return dsn


async def prove_stored(settings: Settings, promised: Iterable[Line]) -> LogProof:
    """The market's whole log, by itself and by what people were promised."""
    async with stored_log(settings) as store:
        return await proved(store.read(), promised)


async def length_of(store: LogStore) -> int:
    """Events on the log. Raises DispatchError, which names the markets that there are."""
    length = await store.length()
    if not length:
        known = ", ".join(await markets(store.pool)) or "none"
        text = f"there is no market {store.market_id!r} here: choose one with --market (markets here: {known})"
        raise DispatchError("MARKET_NOT_FOUND", text, market_id=store.market_id)
    return length


async def events_of(source: Path | None, settings: Settings, text: str) -> AsyncIterator[events_pb.Event]:
    """Every event of a file, or of the market's log, in order; progress on standard error, under ``text``."""
    with Progress(console=Console(stderr=True), transient=True) as progress:
        task = progress.add_task(text, total=None)
        count = 0
        if source is not None:
            for event in read_log(source):
                yield event
                count += 1
                if count % 5000 == 0:
                    progress.update(task, completed=count)
            return
        async with stored_log(settings) as store:
            progress.update(task, total=await length_of(store))
            async for event in store.read():
                yield event
                count += 1
                if count % 5000 == 0:
                    progress.update(task, completed=count)
