"""`gig log`: the event log of a market, as a file and as text."""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated

import typer
from google.protobuf import json_format
from rich.console import Console
from rich.progress import Progress

from dispatcher.log.files import open_log, read_log, write_event
from gig.v1 import events_pb2 as events_pb
from services.cli import options
from services.cli.failures import reported
from services.cli.stored_log import length_of, stored_log
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


async def _export(settings: Settings, out: Path) -> int:
    async with stored_log(settings) as store:
        length = await length_of(store)
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
    async with stored_log(settings) as store:
        length = await length_of(store)
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
