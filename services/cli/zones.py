"""`gig zones`: what is wrong with a zone document, and the document repaired."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

from geo.documents import read_document
from geo.geojson import zones_from_geojson
from geo.zones import ZoneError
from services.cli import options
from services.cli.failures import FAILED, USAGE, fail

zones_app = typer.Typer(help="Zone documents in GeoJSON: check and repair them.", no_args_is_help=True)

File = Annotated[Path, typer.Argument(metavar="FILE", help="A GeoJSON document of zones.", show_default=False)]
Out = Annotated[Path | None, typer.Option("--repair", metavar="OUT", help="Write the repaired document here.")]
HINT = "A geometry is repaired where that changes its area by less than 0.01 %; draw the others again."


@zones_app.callback()
def group() -> None:
    """Keep `check` a command of a group."""


@zones_app.command()
def check(file: File, out: Out = None, as_json: options.Json = False) -> None:
    """Check a zone document as `gig serve --zones` and SetZones read it: list its repairs, or up to 20 faults.

    Exit code 0 where the document can be used, with repairs or without; 1 where it has faults; 2 where the file cannot
    be read.
    """
    try:
        text = read_document(file)
        zones = zones_from_geojson(text)
    except OSError as fault:
        fail(f"{file}: {fault.strerror or fault}", USAGE)
    except ZoneError as fault:
        _show_faults(file, fault, as_json)
        raise typer.Exit(FAILED) from fault
    if out is not None:
        _write(out, zones.document)
    if as_json:
        print(json.dumps({"zones": len(zones.zones), "repairs": list(zones.repairs), "faults": []}))
        return
    for repair in zones.repairs:
        typer.echo(repair)
    typer.echo(f"{file}: {len(zones.zones)} zones, {len(zones.repairs)} repairs")


def _show_faults(file: Path, error: ZoneError, as_json: bool) -> None:
    if as_json:
        print(json.dumps({"zones": 0, "repairs": [], "faults": list(error.faults), "fault_count": error.count}))
    for sentence in error.sentences:
        typer.secho(sentence, err=True, fg=typer.colors.RED)
    typer.secho(f"gig: {file}: {error.count} faults. {HINT}", err=True, fg=typer.colors.RED)


def _write(out: Path, document: str) -> None:
    unfinished = out.with_name(f"{out.name}.unfinished")
    try:
        unfinished.write_text(document, "utf-8")
        unfinished.replace(out)
    except OSError as fault:
        unfinished.unlink(missing_ok=True)
        fail(f"{out}: {fault.strerror or fault}", FAILED)
