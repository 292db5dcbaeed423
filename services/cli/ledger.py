"""`gig ledger`: the money of a log, proved event by event."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from dispatcher import money
from dispatcher.log.proof import TOLD
from dispatcher.pay.ledger_check import LedgerCheck
from services.cli import options
from services.cli.failures import reported, tell_faults
from services.cli.stored_log import events_of
from services.settings import Settings, resolve

ledger_app = typer.Typer(help="The money of a market: every event balances to zero, or it is said which does not.")

Source = Annotated[
    Path | None, typer.Argument(help="A file that `gig log export` wrote.", show_default="the market's database")
]


@ledger_app.callback()
def _group() -> None:
    """Keeps `check` a command of its own, with others to come."""


@ledger_app.command()
def check(
    source: Source = None,
    config: options.ConfigFile = None,
    database_url: options.DatabaseUrl = None,
    data_dir: options.DataDir = None,
    market: options.Market = None,
    as_json: options.Json = False,
) -> None:
    """Prove the ledger of a log: each event sums to zero across client, courier, reviewer, platform and tax; completed
    jobs charge what was quoted and pay what was offered; tips arrive in full. Exit code 1 where an amount is wrong."""
    flags = {"database_url": database_url, "data_dir": data_dir, "market": market}
    with reported():
        ledger, faults = asyncio.run(_check(source, resolve(flags, file=config).values))
    if as_json:
        sums = {"accounts": dict(ledger.accounts), "lines": dict(ledger.lines), "currency": ledger.currency}
        found = {"events": ledger.events, "postings": ledger.postings, "workers": len(ledger.workers), **sums}
        print(json.dumps(found | {"faults": len(faults), "first_faults": faults[:TOLD]}))
    else:
        _show(ledger)
    tell_faults(faults[:TOLD], len(faults), "amounts are wrong")


async def _check(source: Path | None, settings: Settings) -> tuple[LedgerCheck, list[str]]:
    ledger = LedgerCheck()
    faults: list[str] = []
    async for event in events_of(source, settings, "checking"):
        faults.extend(ledger.check(event))
    return ledger, faults


def _show(ledger: LedgerCheck) -> None:
    table = Table("account", "sum", title=f"{ledger.postings} postings in {ledger.events} events")
    table.columns[1].justify = "right"
    for account, amount in sorted(ledger.accounts.items()):
        table.add_row(account, money.text(amount, ledger.currency))
    table.add_section()
    table.add_row("together", money.text(sum(ledger.accounts.values()), ledger.currency))
    lines = Table("pay line", "sum", title=f"{len(ledger.workers)} people who work")
    lines.columns[1].justify = "right"
    for line, amount in sorted(ledger.lines.items()):
        lines.add_row(line, money.text(amount, ledger.currency))
    Console().print(table, lines)
