"""`gig replay`: a recorded day on the Market, offline."""

from __future__ import annotations

import json
import time
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.progress import Progress
from rich.table import Table

from dispatcher import policy as policies
from dispatcher.log.files import write_log
from load_tests.replay.mdrp_check import read_solution, violations
from load_tests.replay.mdrp_day import MdrpSimulation
from load_tests.replay.mdrp_policy import under_instance
from load_tests.replay.mdrp_solution import write_solution
from load_tests.replay.mdrp_summary import summarise
from load_tests.traces.errors import TraceError
from load_tests.traces.mdrp import read_instance
from services.cli.failures import FAILED, USAGE, fail, reported


class Format(StrEnum):
    MDRP = "mdrp"


Trace = Annotated[Path, typer.Argument(help="The recorded day: for mdrp, the instance's folder.")]
TraceFormat = Annotated[Format, typer.Option("--format", help="The trace's format.")]
Policy = Annotated[str, typer.Option(help="The policy: a preset's name or a TOML file.")]
Out = Annotated[Path, typer.Option(help="Folder for solution files, log and summary; made if missing.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print one JSON object, alone, on standard output.")]


def replay(
    path: Trace,
    out: Out,
    trace_format: TraceFormat = Format.MDRP,
    policy: Policy = "mdrp",
    as_json: AsJson = False,
) -> None:
    """Replay a recorded day on the same Market as live, with a simulated clock: bit for bit repeatable.

    mdrp: a day of meal deliveries under the rules of the Meal Delivery Routing Problem. Writes the three solution
    files, events.log.gz and summary.json, and checks the solution against every rule; exit code 1 if one is broken.
    """
    began = time.perf_counter()
    read = {Format.MDRP: _mdrp}[trace_format]
    with reported():
        chosen = policies.load(policy)
        try:
            summary, broken = read(path, chosen, out)
        except TraceError as fault:
            fail(str(fault), USAGE)
    summary["wall_s"] = round(time.perf_counter() - began, 3)
    (out / "summary.json").write_text(json.dumps(summary, indent=2) + "\n", "utf-8")
    if as_json:
        print(json.dumps(summary))
    else:
        _print(summary, out)
    for sentence in broken[:20]:
        typer.secho(f"gig: {sentence}", err=True, fg=typer.colors.RED)
    if broken:
        raise typer.Exit(FAILED)


def _mdrp(path: Path, chosen: Any, out: Path) -> tuple[dict[str, Any], list[str]]:
    instance = read_instance(path)
    ruled = under_instance(chosen, instance.parameters)
    with Progress(console=Console(stderr=True), transient=True) as progress:
        task = progress.add_task(f"replaying {instance.name}", total=1.0)
        day = MdrpSimulation(instance, ruled).run(lambda share: progress.update(task, completed=share))
    write_solution(day, out)
    write_log(out / "events.log.gz", day.events)
    broken = violations(instance, read_solution(out))
    summary = summarise(day)
    return {"feasible": not broken, "violations": len(broken), **summary}, broken


def _print(summary: dict[str, Any], out: Path) -> None:
    table = Table(box=None, show_header=False, title=f"{summary['instance']} under {summary['policy']}")
    for name, value in summary.items():
        if name not in ("instance", "policy"):
            table.add_row(name, str(value))
    Console().print(table)
    typer.echo(f"solution, log and summary: {out}")
