"""`gig log repair`: make a log that cannot be folded usable again."""

from __future__ import annotations

import asyncio
import getpass
import json
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.table import Table

from dispatcher.log.ownership import held
from dispatcher.log.store import LogStore
from gig.v1 import types_pb2 as types_pb
from services.cli import options
from services.cli.failures import FAILED, USAGE, fail, reported
from services.cli.progress import progress
from services.cli.stored_log import length_of, stored_log
from services.clock import MarketClock
from services.host.repair import Repair, carry_out, survey
from services.host.trial import RepairFailed
from services.roads import networks
from services.settings import Settings, resolve

# One for the lock, one for reading, one for writing.
CONNECTIONS = 3

DryRun = Annotated[bool, typer.Option("--dry-run", help="Say what a repair would do; change nothing.")]
Yes = Annotated[bool, typer.Option("--yes", help="Repair without asking.")]
Reason = Annotated[str, typer.Option(help="Why, for the log.")]
Operator = Annotated[str | None, typer.Option("--by", help="Who repairs, for the log.", show_default="your user name")]


def repair(
    dry_run: DryRun = False,
    yes: Yes = False,
    reason: Reason = "events about it cannot be applied",
    operator: Operator = None,
    config: options.ConfigFile = None,
    database_url: options.DatabaseUrl = None,
    data_dir: options.DataDir = None,
    market: options.Market = None,
    roads: options.Roads = None,
    as_json: options.Json = False,
) -> None:
    """Repair a log with events that cannot be applied.

    The repair folds the log from its first event and skips each event that cannot be applied. The subject of that event
    (a job, a courier, a policy) is quarantined: it leaves the market, and an event at the end of the log records it.
    Everything else stays. Stop the server of the market first; --dry-run also works while it runs.
    """
    flags = {"database_url": database_url, "data_dir": data_dir, "market": market, "roads": roads}
    asks = not yes and not dry_run
    if asks and (as_json or not sys.stdin.isatty()):
        fail("cannot ask for confirmation here: use --dry-run to see the repair, or --yes to carry it out", USAGE)
    with reported():
        settings = resolve(flags, file=config).values
        try:
            found, applied = asyncio.run(
                _repair(settings, reason, operator or getpass.getuser(), _Wish(dry_run, yes, as_json))
            )
        except RepairFailed as fault:
            fail(f"{fault}; restore the market from a backup, or report this with the output of --dry-run", FAILED)
    if as_json:
        print(json.dumps(_answer(settings.market, found, applied)))
    elif applied:
        typer.echo(f"repaired: {len(found.skipped)} events are skipped, {len(found.quarantined)} subjects quarantined")
    elif found.needed:
        typer.echo("nothing was changed")


@dataclass(frozen=True, slots=True)
class _Wish:
    """Options of the command: whether to change nothing, to ask nothing, and to print JSON."""

    dry_run: bool
    yes: bool
    as_json: bool

    def confirmed(self, found: Repair) -> bool:
        """Show the repair; return whether to carry it out."""
        if not self.as_json:
            _show(found)
        if self.dry_run or not found.needed:
            return False
        return self.yes or typer.confirm("repair the log?")


async def _repair(settings: Settings, reason: str, operator: str, wish: _Wish) -> tuple[Repair, bool]:
    roads = networks(settings.roads)
    async with stored_log(settings, CONNECTIONS) as store:
        length = await length_of(store)
        async with _owned(store, dry=wish.dry_run):
            with progress("folding", length) as report:
                now_us = MarketClock().now()
                found = await survey(store, roads, reason=reason, operator_id=operator, now_us=now_us, report=report)
            if not wish.confirmed(found):
                return found, False
            await store.acquire()
            with progress("writing", length) as report:
                await carry_out(store, found, roads, report)
    return found, True


@asynccontextmanager
async def _owned(store: LogStore, *, dry: bool) -> AsyncIterator[None]:
    if dry:
        yield
        return
    async with held(store.pool, store.market_id, "log repair"):
        yield


def _show(found: Repair) -> None:
    typer.echo(f"{found.events} events, {len(found.unfoldable)} of them cannot be applied")
    if found.broken_snapshots:
        typer.echo(f"snapshots that cannot be used: {', '.join(map(str, found.broken_snapshots))}")
    if not found.unfoldable:
        return
    table = Table("event", "kind", "subject", "fails with")
    for one in found.unfoldable:
        subject = f"{one.subject.kind_name} {one.subject.id}".strip()
        table.add_row(str(one.sequence), one.kind, subject, one.where)
    Console().print(table)
    out = Table("quarantined", "id", "skipped events", "jobs that end", "jobs that wait again")
    for row in _quarantined(found):
        ends = sum(job["ended"] for job in row["jobs"])
        skipped = ", ".join(map(str, row["skipped_sequences"]))
        out.add_row(row["subject_kind"], row["subject_id"], skipped, str(ends), str(len(row["jobs"]) - ends))
    Console().print(out)


def _quarantined(found: Repair) -> list[dict[str, Any]]:
    bodies = (event.subject_quarantined for event in found.quarantined)
    return [
        {
            "subject_kind": types_pb.SubjectKind.Name(body.kind).removeprefix("SUBJECT_KIND_").lower(),
            "subject_id": body.subject_id,
            "skipped_sequences": list(body.skipped_sequences),
            "jobs": [{"job_id": job.job_id, "ended": job.ended} for job in body.jobs],
        }
        for body in bodies
    ]


def _answer(market: str, found: Repair, applied: bool) -> dict[str, Any]:
    return {
        "market": market,
        "events": found.events,
        "unfoldable": [
            {
                "sequence": one.sequence,
                "kind": one.kind,
                "subject_kind": one.subject.kind_name,
                "subject_id": one.subject.id,
                "where": one.where,
            }
            for one in found.unfoldable
        ],
        "quarantined": _quarantined(found),
        "dropped_snapshots": list(found.broken_snapshots),
        "applied": applied,
    }
