"""`gig replay`: a recorded day under one policy or several."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import polars as pl
import typer
from rich.console import Console
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeRemainingColumn
from rich.table import Table

from dispatcher import policy as policies
from load_tests.behaviour import settings as behaviours
from load_tests.behaviour.fitting import fit
from load_tests.behaviour.settings import Behaviour
from load_tests.experiments.design import Experiment, Variant
from load_tests.experiments.experiment import Findings, run_experiment, summary_of
from load_tests.experiments.report.page import number
from load_tests.experiments.running import Told
from load_tests.replay.day import prepare
from load_tests.replay.instance_replay import Format, replay_instance
from load_tests.replay.policies import under_trace
from load_tests.traces.command import FormatName, Since, Until, Zones, choices_of, faults_told, opened, progress
from load_tests.traces.reading import format_of, read_trace
from load_tests.traces.writing import write_trace
from services.cli.failures import USAGE, fail

TracePath = Annotated[
    Path, typer.Argument(metavar="TRACE", help="The recorded day: any format of `gig trace formats`, or cargo.")
]
Policies = Annotated[
    list[str] | None,
    typer.Option(
        "--policy", help="A preset's name or a TOML file; give several to compare. The first is the baseline."
    ),
]
Seeds = Annotated[int | None, typer.Option(min=1, max=10_000, help="Replays of each policy, seeds 1 to N.")]
BehaviourName = Annotated[
    str | None,
    typer.Option(
        "--behaviour",
        help="How people act: a preset (fixed, lively) or a TOML file.",
        show_default="fixed for instances, fitted where the trace holds offers, else lively",
    ),
]
Processes = Annotated[int | None, typer.Option(min=1, help="Replays at a time.", show_default="one a core")]
Out = Annotated[Path, typer.Option(help="Folder for results; made if missing. Finished replays in it are kept.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print one JSON object, alone, on standard output.")]
HEADLINES = ("service_rate", "wait_mean_s", "wait_p90_s", "Hourly earnings, online: mean", "Utilisation: all")
TRACE_FOLDER = "trace"


def replay(
    path: TracePath,
    out: Out,
    policy: Policies = None,
    seeds: Seeds = None,
    behaviour: BehaviourName = None,
    processes: Processes = None,
    format_name: FormatName = None,
    zones: Zones = None,
    since: Since = None,
    until: Until = None,
    vehicles: Annotated[
        int | None, typer.Option(min=1, help="cargo: only the first so many vehicles.", show_default="all")
    ] = None,
    own_travel: Annotated[
        bool, typer.Option(help="Policies estimate ways by their own travel models, not by the trace's.")
    ] = False,
    logs: Annotated[bool, typer.Option(help="Keep each replay's event log.")] = False,
    as_json: AsJson = False,
) -> None:
    """Replay a recorded day on the Market that also runs live, with a simulated clock: bit for bit repeatable.

    With several policies or --seeds: common random numbers, paired differences with bootstrap confidence intervals for
    every measure, as Parquet and as one HTML report. An instance of a benchmark (mdrp, cargo) alone, under one policy:
    by the instance's own rules, with its solution files, each rule checked (exit code 1 if one is broken).
    """
    chosen = policy or []
    with faults_told():
        if vehicles is not None and not _is_cargo(path, format_name):
            fail("--vehicles goes with --format cargo", USAGE)
        kind = _instance(path, format_name)
        if kind is not None and len(chosen) < 2 and seeds is None and behaviour is None:
            replay_instance(path, out, kind, chosen[0] if chosen else None, vehicles, as_json)
            return
        if kind is Format.CARGO:
            fail("a cargo instance is replayed by its own rules: one policy, no --seeds, no --behaviour", USAGE)
        folder = out / TRACE_FOLDER
        with progress(f"reading {path.name}") as told:
            source = opened(path, format_name, choices_of(zones, 0, since, until), told)
            written = write_trace(source, folder)
        default = "mdrp" if source.about.plane is not None else policies.DEFAULT
        experiment = Experiment(
            folder,
            variants(chosen or [default]),
            behaviour_for(folder, behaviour),
            tuple(range(1, (seeds or 1) + 1)),
            own_travel,
            logs,
        )
        check(experiment)
        if not as_json:
            typer.echo(f"{written:,} requests of {source.tally.rows:,} rows in {source.about.name}", err=True)
        with replaying(len(experiment.variants) * len(experiment.seeds)) as shown:
            findings = run_experiment(experiment, out, processes or os.cpu_count() or 1, shown)
    if as_json:
        print(json.dumps(summary_of(experiment, findings)))
    else:
        print_findings(experiment, findings, out)


def variants(names: list[str]) -> tuple[Variant, ...]:
    """Each under its file's or preset's name; the same name twice is numbered."""
    found: list[Variant] = []
    for name in names:
        label = Path(name).stem
        known = [variant.label for variant in found]
        number_of = 2
        while label in known:
            label = f"{Path(name).stem}-{number_of}"
            number_of += 1
        found.append(Variant(label, policies.load(name)))
    return tuple(found)


def behaviour_for(trace: Path, name: str | None) -> Behaviour:
    """The one that is named; else everyone does as they are told in instance sets, people act as a trace with offers
    says that they did, and elsewhere as in "lively"."""
    if name is not None:
        return behaviours.load(name)
    found = read_trace(trace)
    if found.about.instance_set:
        return behaviours.load("fixed")
    return fit(found).behaviour if found.offers.num_rows else behaviours.load("lively")


def check(experiment: Experiment) -> None:
    """Before hours of work: that every policy can govern the trace."""
    day = prepare(read_trace(experiment.trace), experiment.behaviour, experiment.seeds[0])
    for variant in experiment.variants:
        under_trace(variant.policy, day, experiment.own_travel)


@contextmanager
def replaying(cells: int) -> Iterator[Told]:
    """A bar on standard error with the time left."""
    columns = (TextColumn("{task.description}"), BarColumn(), TaskProgressColumn(), TimeRemainingColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task(f"replay 0 of {cells}", total=1.0)
        yield lambda share, done: bar.update(task, completed=share, description=f"replay {done} of {cells}")


def print_findings(experiment: Experiment, findings: Findings, out: Path) -> None:
    results = pl.DataFrame(pl.from_arrow(findings.results))
    table = Table(box=None, title=f"means over {len(experiment.seeds)} seeds")
    table.add_column("")
    for variant in experiment.variants:
        table.add_column(variant.label, justify="right")
    for name in HEADLINES:
        of_name = results.filter(pl.col("measure") == name)
        cells = [
            number(of_name.filter(pl.col("policy") == variant.label)["value"].mean())  # type: ignore[arg-type]
            for variant in experiment.variants
        ]
        table.add_row(f"{name} ({of_name['unit'][0]})" if of_name.height else name, *cells)
    Console().print(table)
    for why, count in findings.refused.items():
        typer.echo(f"requests refused, {why}: {count}")
    typer.echo(f"sha256 {findings.sha256}")
    typer.echo(f"report: {out / 'report.html'}")


def _is_cargo(path: Path, format_name: str | None) -> bool:
    return format_name == Format.CARGO or (format_name is None and path.suffix == ".instance")


def _instance(path: Path, format_name: str | None) -> Format | None:
    """Whether it is an instance with rules of its own."""
    if _is_cargo(path, format_name):
        return Format.CARGO
    return Format.MDRP if format_of(path, format_name).name == Format.MDRP else None
