"""`gig replay`: a recorded day under one policy or several."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import polars as pl
import typer
from rich.console import Console
from rich.table import Table

from load_tests.experiments.design import Experiment
from load_tests.experiments.experiment import Findings, run_experiment, summary_of
from load_tests.experiments.options import AsJson, BehaviourName, MarketZones, Out, Processes, TracePath
from load_tests.experiments.preparing import (
    behaviour_for,
    check,
    kept_trace,
    processes_or_cores,
    replaying,
    usual_policy,
    variants,
    zones_document,
)
from load_tests.experiments.report.page import number
from load_tests.instances.replaying import Format, replay_instance
from load_tests.traces.command import FormatName, Since, Until, Zones, choices_of, faults_reported
from load_tests.traces.reading import format_of
from services.cli.failures import USAGE, fail

Policies = Annotated[
    list[str] | None,
    typer.Option(
        "--policy", help="A preset's name or a TOML file; give several to compare. The first is the baseline."
    ),
]
Seeds = Annotated[int | None, typer.Option(min=1, max=10_000, help="Replays of each policy, seeds 1 to N.")]
HEADLINES = ("service_rate", "wait_mean_s", "wait_p90_s", "Hourly earnings, online: mean", "Utilisation: all")


def replay(
    path: TracePath,
    out: Out,
    policy: Policies = None,
    seeds: Seeds = None,
    behaviour: BehaviourName = None,
    processes: Processes = None,
    format_name: FormatName = None,
    zones: Zones = None,
    market_zones: MarketZones = None,
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
    with faults_reported():
        if vehicles is not None and not _is_cargo(path, format_name):
            fail("--vehicles goes with --format cargo", USAGE)
        kind = _instance(path, format_name)
        if kind is not None and len(chosen) < 2 and seeds is None and behaviour is None:
            replay_instance(path, out, kind, chosen[0] if chosen else None, vehicles, as_json)
            return
        if kind is Format.CARGO:
            fail("a cargo instance is replayed by its own rules: one policy, no --seeds, no --behaviour", USAGE)
        folder, trace = kept_trace(path, out, format_name, choices_of(zones, 0, since, until))
        experiment = Experiment(
            folder,
            variants(chosen or [usual_policy(trace.about)]),
            behaviour_for(trace, behaviour),
            tuple(range(1, (seeds or 1) + 1)),
            own_travel,
            logs,
            zones_document(market_zones),
        )
        check(experiment, trace)
        if not as_json:
            typer.echo(f"{trace.tally.kept:,} requests of {trace.tally.rows:,} rows in {trace.about.name}", err=True)
        with replaying(len(experiment.variants) * len(experiment.seeds)) as shown:
            findings = run_experiment(experiment, out, processes_or_cores(processes), shown)
    if as_json:
        print(json.dumps(summary_of(experiment, findings)))
    else:
        _print(experiment, findings, out)


def _print(experiment: Experiment, findings: Findings, out: Path) -> None:
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
