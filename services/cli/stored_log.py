"""The log that a command reads: of a running suite, of a data directory, or of a file."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from rich.console import Console
from rich.progress import Progress

from dispatcher.errors import NotFound
from dispatcher.log.embedded_postgres import EmbeddedPostgres
from dispatcher.log.files import read_log
from dispatcher.log.store import LogStore, markets, open_pool
from gig.v1 import events_pb2 as events_pb
from services.settings import Settings


@asynccontextmanager
async def stored_log(settings: Settings) -> AsyncIterator[LogStore]:
    """The market's log, from a running database, or from an embedded one that runs for this command alone."""
    running = settings.data_dir / "database.url"
    postgres = None
    if settings.database_url:
        dsn = settings.database_url
    elif running.exists():
        dsn = running.read_text("utf-8")
    else:
        if not (settings.data_dir / "postgres").exists():
            raise NotFound("log", str(settings.data_dir))
        postgres = EmbeddedPostgres(settings.data_dir)
        postgres.start()
        dsn = postgres.dsn
    try:
        pool = await open_pool(dsn, size=1)
        try:
            yield LogStore(pool, settings.market)
        finally:
            await pool.close()
    finally:
        if postgres is not None:
            postgres.stop()


async def length_of(store: LogStore) -> int:
    """Events on the log. Raises NotFound, with the markets that there are."""
    length = await store.length()
    if not length:
        known = ", ".join(await markets(store.pool)) or "none"
        raise NotFound("market", f"{store.market_id} (markets here: {known})")
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
