"""`gig measures`: the catalogue of measures of a log, by family: name, value, unit, formula."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.table import Table

from dispatcher.measures import Measures, figures
from dispatcher.measures.catalogue import CATALOGUE, Family, Reading
from dispatcher.measures.catalogue.measure import Value
from dispatcher.measures.catalogue.page import page
from dispatcher.measures.catalogue.report import as_data
from services.cli import options
from services.cli.failures import reported
from services.cli.stored_log import events_of
from services.host.repair import unfoldable
from services.settings import Settings, resolve

Source = Annotated[
    Path | None, typer.Argument(help="A file that `gig log export` wrote.", show_default="the market's database")
]
# Where no terminal says how wide it is.
PAGE_WIDTH = 130
InFamily = Annotated[Family | None, typer.Option("--family", help="Only these.", show_default="all four")]
AsPage = Annotated[bool, typer.Option("--docs", help="Print the catalogue itself as Markdown; no log is read.")]


def measures(
    source: Source = None,
    family: InFamily = None,
    docs: AsPage = False,
    config: options.ConfigFile = None,
    database_url: options.DatabaseUrl = None,
    data_dir: options.DataDir = None,
    market: options.Market = None,
    as_json: options.Json = False,
) -> None:
    """Everything that is measured of work in a market, computed from its log.

    A dash means that nothing of the kind has happened yet, or that it would be about fewer than ten people.
    """
    if docs:
        print(page(), end="")
        return
    flags = {"database_url": database_url, "data_dir": data_dir, "market": market}
    with reported():
        reading = asyncio.run(_read(source, resolve(flags, file=config).values))
    chosen = [measure for measure in CATALOGUE if family in (None, measure.family)]
    if as_json:
        print(json.dumps(as_data(reading, chosen)))
        return
    _print(reading, chosen)


async def _read(source: Path | None, settings: Settings) -> Reading:
    folded = Measures()
    async for event in events_of(source, settings, "measuring"):
        try:
            folded.fold(event)
        except Exception as fault:
            raise unfoldable(settings.market, event, fault) from fault
    folded.bring_to(folded.time_us)
    return Reading(folded, figures(folded))


def _print(reading: Reading, chosen: Any) -> None:
    console = Console()
    if not console.is_terminal:
        console = Console(width=PAGE_WIDTH)
    for family in Family:
        rows = [measure for measure in chosen if measure.family is family]
        if not rows:
            continue
        table = Table(title=family.value, title_style="bold", title_justify="left", padding=(0, 1), show_lines=True)
        for column in ("measure", "value", "unit", "formula"):
            table.add_column(column, overflow="fold", ratio=2 if column == "formula" else None)
        for measure in rows:
            value = _text(measure.value(reading))
            table.add_row(f"{measure.number}. {measure.name}", value, measure.unit, measure.formula)
        console.print(table)


def _text(value: Value) -> str:
    if value is None:
        return "-"
    if isinstance(value, int | float):
        return f"{value:,.4g}" if abs(value) < 1000 else f"{value:,.0f}"
    return "\n".join(f"{name}: {_text(part)}" for name, part in value.items())
