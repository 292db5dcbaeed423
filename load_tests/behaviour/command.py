"""`gig behaviour`: how people act in replays, shown, and fitted from a trace."""

from __future__ import annotations

from importlib import resources
from pathlib import Path
from typing import Annotated

import typer

from load_tests.behaviour import settings
from load_tests.behaviour.fitting import as_toml
from load_tests.behaviour.fitting import fit as fitted
from load_tests.traces.command import FormatName, Path_, Since, Until, Zones, choices_of, faults_reported, progress
from load_tests.traces.reading import read_trace

behaviour = typer.Typer(
    help="How couriers and clients act in replays: the presets, and models fitted from a trace.", no_args_is_help=True
)


@behaviour.command()
def show(
    name: Annotated[str, typer.Argument(help="A preset; without one, their names.", show_default="all")] = "",
) -> None:
    """A preset as TOML, with the source of each model."""
    with faults_reported():
        for each in [name] if name else settings.presets():
            found = settings.load(each)
            if not name:
                typer.echo(f"{found.name}: {found.description}")
                continue
            known = resources.files("load_tests.behaviour.presets").joinpath(f"{name}.toml")
            typer.echo(known.read_text("utf-8-sig") if known.is_file() else Path(name).read_text("utf-8-sig"), nl=False)


@behaviour.command()
def fit(
    path: Path_,
    out: Annotated[Path | None, typer.Option(help="The TOML file to write.", show_default="standard output")] = None,
    format_name: FormatName = None,
    zones: Zones = None,
    since: Since = None,
    until: Until = None,
) -> None:
    """Fit acceptance, answer delays, patience and boarding from what a trace recorded, by maximum likelihood."""
    with faults_reported():
        with progress(f"reading {path.name}") as report:
            trace = read_trace(path, choices_of(zones, 0, since, until), format_name, report)
        found = fitted(trace)
        text = as_toml(found)
        if out is None:
            typer.echo(text, nl=False)
        else:
            out.write_text(text, "utf-8")
            for note in found.notes:
                typer.echo(note)
            typer.echo(f"behaviour: {out}")
