"""`gig backup` and `gig restore`: a market's log in a folder of files, and a market from it, up to any event."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Iterator
from itertools import takewhile
from pathlib import Path
from typing import Annotated

import typer

from dispatcher.log import backup as backups
from dispatcher.log.backup import BackupError, Part, parts_of, write_part
from dispatcher.log.proof import LogProof
from gig.v1 import events_pb2 as events_pb
from services.cli import options
from services.cli.failures import reported, tell_faults
from services.cli.progress import progress
from services.cli.stored_log import database, length_of, stored_log
from services.host.restoring import restore as restore_market
from services.roads import networks
from services.settings import Settings, resolve

Folder = Annotated[Path, typer.Argument(help="The backup: a folder of log files, one more for each run.")]
Until = Annotated[int | None, typer.Option(help="The last event to restore.", min=2, show_default="the last one")]


def backup(
    folder: Folder,
    config: options.ConfigFile = None,
    database_url: options.DatabaseUrl = None,
    data_dir: options.DataDir = None,
    market: options.Market = None,
    as_json: options.Json = False,
) -> None:
    """Back a market up while it runs, or not: the events since the last backup, in one more file of the folder.

    The log is all that there is to keep. Keys, settings and zone files are yours to keep beside it.
    """
    flags = {"database_url": database_url, "data_dir": data_dir, "market": market}
    with reported():
        last, part = asyncio.run(_backup(folder, resolve(flags, file=config).values))
    if as_json:
        print(json.dumps({"sequence": last, "added": part.last - part.first + 1 if part else 0, "folder": str(folder)}))
    elif part is None:
        typer.echo(f"nothing new: {folder} holds all {last} events")
    else:
        typer.echo(f"events {part.first} to {part.last} in {part.path}")


def restore(
    folder: Folder,
    until: Until = None,
    config: options.ConfigFile = None,
    database_url: options.DatabaseUrl = None,
    data_dir: options.DataDir = None,
    market: options.Market = None,
    roads: options.Roads = None,
    as_json: options.Json = False,
) -> None:
    """Restore a market into an empty database, as it was after any event: log, tables, measures and a snapshot.

    The log is proved on the way; exit code 1 where it is damaged. Then `gig serve` goes on from there.
    """
    flags = {"database_url": database_url, "data_dir": data_dir, "roads": roads}
    with reported():
        settings = resolve(flags, file=config).values
        parts = parts_of(folder, market or "")
        if not parts:
            raise BackupError(f"{folder} holds no backup" + (f" of market {market!r}" if market else ""))
        if until is not None and until > parts[-1].last:
            raise BackupError(f"--until: the backup ends with event {parts[-1].last}")
        proof, moment = asyncio.run(_restore(parts, until or parts[-1].last, settings))
    name = parts[0].market_id
    if as_json:
        told = {"market": name, "events": proof.events, "jobs": proof.jobs, "time": moment}
        print(json.dumps(told | {"faults": proof.faults, "first_faults": proof.told}))
    else:
        typer.echo(f"market {name!r} with {proof.events} events and {proof.jobs} jobs, as it was at {moment}")
    tell_faults(proof.told, proof.faults, "faults")


async def _backup(folder: Path, settings: Settings) -> tuple[int, Part | None]:
    parts = parts_of(folder, settings.market)
    after = parts[-1].last if parts else 0
    async with stored_log(settings) as store:
        length = await length_of(store)
        if after > length:
            raise BackupError(f"{folder} holds {after} events, and the market has {length}: it is not this market's")
        with progress("backing up", length - after) as report:
            part = await write_part(
                folder,
                settings.market,
                after,
                _until(store.read(after), length),
                lambda sequence: report(sequence - after),
            )
    return length, part


async def _until(events: AsyncIterator[events_pb.Event], last: int) -> AsyncIterator[events_pb.Event]:
    """A market that runs never ends by itself."""
    async for event in events:
        if event.sequence > last:
            return
        yield event


async def _restore(parts: list[Part], until: int, settings: Settings) -> tuple[LogProof, str]:
    moment = ""

    def events() -> Iterator[events_pb.Event]:
        nonlocal moment
        for event in takewhile(lambda one: one.sequence <= until, backups.events_of(parts)):
            moment = event.time.ToJsonString()
            yield event

    async with database(settings.database_url, settings.data_dir, size=2) as pool:
        with progress("restoring", until) as report:
            proof = await restore_market(pool, parts[0].market_id, events(), networks(settings.roads), report)
    return proof, moment
