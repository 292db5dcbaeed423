"""`gig log`: the event log of a market, as a file and as text."""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Annotated

import typer
from google.protobuf import json_format
from rich.console import Console
from rich.progress import Progress

from dispatcher.errors import NotFound
from dispatcher.log.embedded_postgres import EmbeddedPostgres
from dispatcher.log.files import open_log, read_log, write_event
from dispatcher.log.store import LogStore, markets, open_pool
from gig.v1 import events_pb2 as events_pb
from services.cli import options
from services.cli.failures import reported
from services.settings import Settings, resolve

log_app = typer.Typer(help="The event log of a market: export it as a file, show it as text.", no_args_is_help=True)

Out = Annotated[Path, typer.Argument(help="The file to write; .gz compresses it.")]
Source = Annotated[
    Path | None, typer.Argument(help="A file that `gig log export` wrote.", show_default="the market's database")
]
After = Annotated[int, typer.Option(help="Only events with a sequence above this.", min=0)]
Last = Annotated[int | None, typer.Option(help="Only the last N events.", min=1)]


@log_app.command()
def export(
    out: Out,
    config: options.ConfigFile = None,
    database_url: options.DatabaseUrl = None,
    data_dir: options.DataDir = None,
    market: options.Market = None,
    as_json: options.Json = False,
) -> None:
    """Write a market's whole log to a file: the suite may be running or not."""
    flags = {"database_url": database_url, "data_dir": data_dir, "market": market}
    with reported():
        events = asyncio.run(_export(resolve(flags, file=config).values, out))
    if as_json:
        print(json.dumps({"events": events, "path": str(out)}))
    else:
        typer.echo(f"{events} events in {out}")


@log_app.command()
def show(
    source: Source = None,
    config: options.ConfigFile = None,
    database_url: options.DatabaseUrl = None,
    data_dir: options.DataDir = None,
    market: options.Market = None,
    after: After = 0,
    last: Last = None,
) -> None:
    """Print events as text, one line each: sequence, time, kind, content as JSON."""
    flags = {"database_url": database_url, "data_dir": data_dir, "market": market}
    with reported():
        if source is not None:
            _print(read_log(source), after, last)
        else:
            asyncio.run(_show(resolve(flags, file=config).values, after, last))


@asynccontextmanager
async def _store(settings: Settings) -> AsyncIterator[LogStore]:
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


async def _length(store: LogStore) -> int:
    """Events on the log. Raises NotFound, with the markets that there are."""
    length = await store.length()
    if not length:
        known = ", ".join(await markets(store.pool)) or "none"
        raise NotFound("market", f"{store.market_id} (markets here: {known})")
    return length


async def _export(settings: Settings, out: Path) -> int:
    async with _store(settings) as store:
        length = await _length(store)
        count = 0
        with Progress(console=Console(stderr=True), transient=True) as progress, open_log(out, "wb") as file:
            task = progress.add_task("exporting", total=length)
            async for event in store.read():
                write_event(file, event)
                count += 1
                if count % 1000 == 0:
                    progress.update(task, completed=count)
        return count


async def _show(settings: Settings, after: int, last: int | None) -> None:
    async with _store(settings) as store:
        length = await _length(store)
        if last is not None:
            after = max(after, length - last)
        async for event in store.read(after):
            _print_event(event)


def _print(events: Iterator[events_pb.Event], after: int, last: int | None) -> None:
    chosen = (event for event in events if event.sequence > after)
    if last is None:
        for event in chosen:
            _print_event(event)
        return
    for event in list(chosen)[-last:]:
        _print_event(event)


def _print_event(event: events_pb.Event) -> None:
    kind = event.WhichOneof("body")
    content = json_format.MessageToDict(getattr(event, kind), preserving_proto_field_name=True)
    sys.stdout.write(f"{event.sequence} {event.time.ToJsonString()} {kind} {json.dumps(content)}\n")
