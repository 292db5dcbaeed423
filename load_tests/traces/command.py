"""`gig trace`: what a trace file holds; into this project's own form, whole or a sample."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table

from load_tests.traces.describing import describe as described
from load_tests.traces.errors import TraceError
from load_tests.traces.formats import FORMATS
from load_tests.traces.generated import generated_day
from load_tests.traces.location_checks import Box
from load_tests.traces.reading import open_trace
from load_tests.traces.source import Choices, ReportRows, Source
from load_tests.traces.writing import sampled, whole, write_trace
from services.cli.failures import USAGE, fail, reported

trace = typer.Typer(
    help="Traces of real days: event logs, MDRP instances, New York TLC, Chicago TNP, CSV.", no_args_is_help=True
)

Path_ = Annotated[Path, typer.Argument(metavar="PATH", help="The trace: a file or folder of any known format.")]
Out = Annotated[Path, typer.Argument(help="The folder to write; one that holds a trace is replaced.")]
FormatName = Annotated[
    str | None, typer.Option("--format", help="Its format; `gig trace formats` lists them.", show_default="by its look")
]
Zones = Annotated[
    Path | None,
    typer.Option(help="Outlines (shapefile, GeoJSON) or centroids (CSV) of the zones that the trace names."),
]
Since = Annotated[str | None, typer.Option(help="Only requests from this time on: 2025-05-16T06:00-04:00.")]
Until = Annotated[str | None, typer.Option(help="Only requests before this time.")]
Seed = Annotated[int, typer.Option(help="Of points drawn inside zones, and of samples.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print one JSON object, alone, on standard output.")]
BARS = " ▁▂▃▄▅▆▇█"


@trace.command()
def formats() -> None:
    """The formats that can be read, and how each one's columns become a trace."""
    console = Console()
    for known in FORMATS:
        console.print(f"[bold]{known.name}[/bold]  {known.title}")
        console.print(known.mapping.replace("\n", " "), style="dim", soft_wrap=False)


@trace.command()
def describe(
    path: Path_,
    format_name: FormatName = None,
    zones: Zones = None,
    since: Since = None,
    until: Until = None,
    seed: Seed = 0,
    as_json: AsJson = False,
) -> None:
    """What a trace holds: rows kept and dropped, its span, places, and what was recorded of waits, pay and offers."""
    with faults_reported(), progress(f"reading {path.name}") as report:
        choices = choices_of(zones, seed, since, until)
        box = _box_of(zones, seed) if zones is not None else None
        found = described(open_trace(path, choices, format_name, report), box)
    if as_json:
        print(json.dumps(found))
    else:
        _print(found)


@trace.command()
def convert(
    path: Path_,
    out: Out,
    format_name: FormatName = None,
    zones: Zones = None,
    since: Since = None,
    until: Until = None,
    seed: Seed = 0,
) -> None:
    """Write a trace as Parquet tables with one schema, which every other command reads at once."""
    with faults_reported(), progress(f"converting {path.name}") as report:
        source = open_trace(path, choices_of(zones, seed, since, until), format_name, report)
        written = write_trace(source, out, whole)
    _print_written(source, written, out)


@trace.command()
def sample(
    path: Path_,
    out: Out,
    share: Annotated[float, typer.Option(min=0.0, max=1.0, help="Of requests, and of couriers.")] = 0.1,
    format_name: FormatName = None,
    zones: Zones = None,
    since: Since = None,
    until: Until = None,
    seed: Seed = 0,
) -> None:
    """Write a share of a trace's requests and couriers, chosen by their names: a smaller share lies in a larger one."""
    with faults_reported(), progress(f"sampling {path.name}") as report:
        source = open_trace(path, choices_of(zones, seed, since, until), format_name, report)
        written = write_trace(source, out, sampled(share, seed))
    _print_written(source, written, out)


@trace.command()
def generate(
    out: Out,
    requests: Annotated[int, typer.Option(min=1, max=5_000_000, help="Rides asked for.")] = 5_000,
    couriers: Annotated[int, typer.Option(min=1, max=200_000, help="Each works one shift.")] = 100,
    seed: Annotated[int, typer.Option(help="Of everything.")] = 7,
    all_day: Annotated[bool, typer.Option(help="Couriers work all day, not in shifts.")] = False,
) -> None:
    """Write a city day made from a seed: something to try the other commands on."""
    with faults_reported():
        made = generated_day(requests, couriers, seed, all_day)
        source = Source(made.about, iter([made.requests]), made.tally, lambda: made.shifts, lambda: made.offers)
        written = write_trace(source, out)
    _print_written(source, written, out)


def _box_of(zones: Path, seed: int) -> Box:
    """Return the box around the zones of a file."""
    from load_tests.traces.zones import read_zones

    return read_zones(zones, seed).box()


def choices_of(zones: Path | None, seed: int, since: str | None, until: str | None) -> Choices:
    return Choices(zones, seed, _moment("--since", since), _moment("--until", until))


def _moment(option: str, text: str | None) -> datetime | None:
    if text is None:
        return None
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        fail(f"{option}: {text!r} is no ISO 8601 time such as 2025-05-16T06:00-04:00", USAGE)
    if found.tzinfo is None:
        fail(f"{option}: {text!r} names no time zone: add Z, or an offset such as -04:00", USAGE)
    return found


@contextmanager
def faults_reported() -> Iterator[None]:
    with reported():
        try:
            yield
        except TraceError as fault:
            fail(str(fault), USAGE)


@contextmanager
def progress(text: str) -> Iterator[ReportRows]:
    """A bar on standard error, rows read of rows in all."""
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task(text, total=None)
        yield lambda rows, total: bar.update(task, completed=rows, total=total or None)


def _print_written(source: Source, written: int, out: Path) -> None:
    typer.echo(f"{written} requests of {source.tally.rows} rows: {out}")
    for why, count in source.tally.dropped.most_common():
        typer.echo(f"dropped {count}: {why}")
    for what, count in source.tally.noted.most_common():
        typer.echo(f"noted {count}: {what}")


def _print(found: dict[str, Any]) -> None:
    table = Table(box=None, show_header=False, title=f"{found['name']}: {found['source']}")
    table.add_row("rows", f"{found['rows']:,}, of which {found['requests']:,} are requests ({found['format']})")
    for why, count in found["dropped"].items():
        table.add_row("dropped", f"{count:,}: {why}")
    for why, count in found["implausible"].items():
        table.add_row("implausible", f"{count:,} trips {why}: not used to estimate travel times")
    for what, count in found["noted"].items():
        table.add_row("noted", f"{count:,}: {what}")
    for warning in found["warnings"]:
        table.add_row("[yellow]warning[/yellow]", escape(warning))
    table.add_row("from, until", f"{found['from']}, {found['until']} ({found['days']} days)")
    for name in ("kinds", "recorded_states", "offers"):
        if found[name]:
            table.add_row(name.replace("_", " "), ", ".join(f"{key} {count:,}" for key, count in found[name].items()))
    most = max(found["by_hour_utc"]) or 1
    bars = "".join(BARS[-(-count * (len(BARS) - 1) // most)] for count in found["by_hour_utc"])
    table.add_row("by hour (UTC)", f"{bars}  at most {most:,}")
    if found["box"]:
        table.add_row("box", "{:.5f}, {:.5f} to {:.5f}, {:.5f}".format(*found["box"]))
    table.add_row("couriers", f"{found['couriers']:,} in {found['shifts']:,} shifts")
    spreads = {**found["recorded"], "shift, h": found["shift_hours"]}
    for name, spread in spreads.items():
        if spread:
            known = f"  ({spread['known']:,} known)"
            table.add_row(
                name, "  ".join(f"{key} {value:g}" for key, value in spread.items() if key != "known") + known
            )
    Console().print(table)
