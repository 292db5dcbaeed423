"""`gig log`: the event log of a market, as a file and as text."""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer
from google.protobuf import json_format
from rich.console import Console
from rich.progress import Progress
from rich.table import Table

from dispatcher.log import retention
from dispatcher.log.audit import acts_of
from dispatcher.log.files import open_log, read_log, write_event
from dispatcher.log.journal import JournalError, read_journal
from dispatcher.log.proof import proved
from dispatcher.log.pseudonyms import REMOVED, SECRET, KeyUnfit, Pseudonyms
from dispatcher.times import micros
from gig.v1 import events_pb2 as events_pb
from gig.v1 import policy_pb2 as policy_pb
from services.cli import options
from services.cli.failures import USAGE, fail, reported, tell_faults
from services.cli.repair import repair
from services.cli.stored_log import events_of, length_of, stored_log
from services.settings import Settings, resolve

log_app = typer.Typer(
    help="The event log of a market: export it, show it as text, prove it, list privileged access, repair it.",
    no_args_is_help=True,
)
log_app.command()(repair)

Out = Annotated[Path, typer.Argument(help="The file to write; .gz compresses it.")]
Source = Annotated[
    Path | None, typer.Argument(help="A file that `gig log export` wrote.", show_default="the market's database")
]
After = Annotated[int, typer.Option(help="Only events with a sequence above this.", min=0)]
KeyFile = Annotated[
    Path | None,
    typer.Option(
        help="Write names of people as keyed hashes, by the key in this file (16 to 64 bytes), and no words of theirs.",
        show_default="as they are",
    ),
]
Journals = Annotated[
    list[Path] | None,
    typer.Option(
        "--journal", help="What clients were promised: JSON Lines, as gig load --out writes them.", show_default="none"
    ),
]
Person = Annotated[str | None, typer.Option(help="Only what this operator or reviewer did.", show_default="all")]
Last = Annotated[int | None, typer.Option(help="Only the last N events.", min=1)]


@log_app.command()
def export(
    out: Out,
    config: options.ConfigFile = None,
    database_url: options.DatabaseUrl = None,
    data_dir: options.DataDir = None,
    market: options.Market = None,
    pseudonymise: KeyFile = None,
    as_json: options.Json = False,
) -> None:
    """Write a market's whole log to a file: the suite may be running or not."""
    flags = {"database_url": database_url, "data_dir": data_dir, "market": market}
    with reported():
        names = _pseudonyms(pseudonymise)
        events = asyncio.run(_export(resolve(flags, file=config).values, out, names))
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


@log_app.command()
def check(
    source: Source = None,
    journal: Journals = None,
    config: options.ConfigFile = None,
    database_url: options.DatabaseUrl = None,
    data_dir: options.DataDir = None,
    market: options.Market = None,
    as_json: options.Json = False,
) -> None:
    """Prove a log from its events alone: no gaps, each job placed, held and ended once, no courier in two places, each
    offer answered once, every amount balanced; and, with --journal, nothing lost or doubled that was acknowledged.
    Exit code 1 where anything is wrong."""
    flags = {"database_url": database_url, "data_dir": data_dir, "market": market}
    try:
        lines = [line for path in journal or () for line in read_journal(path)]
    except (JournalError, OSError) as fault:
        fail(str(fault), USAGE)
    with reported():
        settings = resolve(flags, file=config).values
        proof = asyncio.run(proved(events_of(source, settings, "checking"), lines))
    if as_json:
        found = {"events": proof.events, "jobs": proof.jobs, "acknowledged": len(lines)}
        print(json.dumps(found | {"faults": proof.faults, "first_faults": proof.told}))
    else:
        compared = f", {len(lines)} acknowledgements kept" if lines and not proof.faults else ""
        typer.echo(f"{proof.events} events, {proof.jobs} jobs, {proof.faults} faults{compared}")
    tell_faults(proof.told, proof.faults, "faults")


@log_app.command()
def audit(
    source: Source = None,
    person: Person = None,
    config: options.ConfigFile = None,
    database_url: options.DatabaseUrl = None,
    data_dir: options.DataDir = None,
    market: options.Market = None,
    as_json: options.Json = False,
) -> None:
    """List what operators and reviewers did: what they set, decided and looked at, about whom and when."""
    flags = {"database_url": database_url, "data_dir": data_dir, "market": market}
    with reported():
        asyncio.run(_audit(source, resolve(flags, file=config).values, person, as_json))


@log_app.command()
def retain(
    config: options.ConfigFile = None,
    database_url: options.DatabaseUrl = None,
    data_dir: options.DataDir = None,
    market: options.Market = None,
    as_json: options.Json = False,
) -> None:
    """Coarsen and expire where people were, as the policy in force says: what the suite does by itself every hour."""
    flags = {"database_url": database_url, "data_dir": data_dir, "market": market}
    with reported():
        done = asyncio.run(_retain(resolve(flags, file=config).values))
    if as_json:
        print(json.dumps(done))
    else:
        typer.echo(", ".join(f"{count} events {stage}" for stage, count in done.items()) or "the policy keeps it all")


async def _retain(settings: Settings) -> dict[str, int]:
    """By the policy in force at the log's last event, and by its time."""
    async with stored_log(settings) as store:
        await length_of(store)
        policy, now_us = policy_pb.Policy(), 0
        async for event in store.read():
            now_us = micros(event.time)
            if event.HasField("policy_set"):
                policy = event.policy_set.policy
        return await retention.retain(store.pool, store.market_id, policy.privacy, now_us)


def _pseudonyms(path: Path | None) -> Pseudonyms | None:
    if path is None:
        return None
    try:
        return Pseudonyms(path.read_bytes().strip())
    except KeyUnfit as fault:
        fail(f"{path}: {fault}", USAGE)


async def _audit(source: Path | None, settings: Settings, person: str | None, as_json: bool) -> None:
    table = Table("event", "time", "who", "role", "did", "about")
    async for event in events_of(source, settings, "looking"):
        for act in acts_of(event):
            if person is not None and act.person_id != person:
                continue
            moment = event.time.ToJsonString()
            if as_json:
                print(json.dumps({"sequence": event.sequence, "time": moment, **asdict(act)}))
            else:
                table.add_row(str(event.sequence), moment, act.person_id, act.role, act.did, act.about)
    if not as_json:
        Console().print(table if table.rows else "no act of an operator or reviewer is on the log")


async def _export(settings: Settings, out: Path, names: Pseudonyms | None) -> int:
    async with stored_log(settings) as store:
        length = await length_of(store)
        count = 0
        with Progress(console=Console(stderr=True), transient=True) as progress, open_log(out, "wb") as file:
            task = progress.add_task("exporting", total=length)
            async for event in store.read():
                write_event(file, event if names is None else names.rewrite(event))
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
    if SECRET in content:
        content[SECRET] = REMOVED
    sys.stdout.write(f"{event.sequence} {event.time.ToJsonString()} {kind} {json.dumps(content)}\n")
