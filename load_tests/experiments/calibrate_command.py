"""`gig calibrate`: how far a replay is from what was recorded."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Any

import pyarrow.parquet as pq
import typer
from rich.console import Console
from rich.table import Table

from dispatcher import policy as policies
from geo.units import Floats
from load_tests.experiments.calibration import QUANTITIES, errors_table, recorded_quantities, replayed_quantities
from load_tests.experiments.design import Experiment
from load_tests.experiments.experiment import run_experiment
from load_tests.experiments.options import AsJson, BehaviourName, Out, Processes, TracePath
from load_tests.experiments.preparing import (
    behaviour_for,
    check,
    kept_trace,
    processes_or_cores,
    replaying,
    variants,
)
from load_tests.experiments.report import figures
from load_tests.experiments.report.page import Picture, Row, Section, number, write_page
from load_tests.traces.command import FormatName, Since, Until, Zones, choices_of, faults_reported
from load_tests.traces.reading import Trace
from services.cli.failures import FAILED, fail


def calibrate(
    path: TracePath,
    out: Out,
    policy: Annotated[
        str, typer.Option(help="The policy that governed then: a preset or a TOML file.")
    ] = policies.DEFAULT,
    seeds: Annotated[int, typer.Option(min=1, max=1_000, help="Replays, seeds 1 to N.")] = 1,
    behaviour: BehaviourName = None,
    processes: Processes = None,
    format_name: FormatName = None,
    zones: Zones = None,
    since: Since = None,
    until: Until = None,
    as_json: AsJson = False,
) -> None:
    """Replay a trace that recorded waits, trips, fares or pay, and set both distributions side by side: means,
    quantiles, the largest gap between them (Kolmogorov-Smirnov) and their distance (Wasserstein)."""
    with faults_reported():
        folder, trace = kept_trace(path, out, format_name, choices_of(zones, 0, since, until))
        experiment = Experiment(folder, variants([policy]), behaviour_for(trace, behaviour), tuple(range(1, seeds + 1)))
        recorded = recorded_quantities(trace)
        if not any(values.size for values in recorded.values()):
            fail(f"{path}: recorded no waits, trips, fares or pay to compare with", FAILED)
        check(experiment, trace)
        with replaying(seeds) as shown:
            findings = run_experiment(experiment, out, processes_or_cores(processes), shown)
        replayed = replayed_quantities(findings.jobs, findings.currency)
        errors = errors_table(recorded, replayed)
        pq.write_table(errors, out / "calibration.parquet")
        write_calibration(trace, experiment, recorded, replayed, errors.to_pylist(), out / "calibration.html")
    label = experiment.variants[0].label
    if as_json:
        print(json.dumps({"trace": trace.about.name, "policy": label, "errors": errors.to_pylist()}))
        return
    table = Table(box=None, title=f"{trace.about.name}: recorded, and replayed under {label}")
    for name in ("", "unit", "recorded mean", "replayed mean", "error", "KS", "Wasserstein"):
        table.add_column(name, justify="right" if name else "left")
    for row in errors.to_pylist():
        error = "–" if row["error"] is None else f"{row['error']:+.1%}"
        means = number(row["recorded_mean"]), number(row["replayed_mean"])
        table.add_row(row["quantity"], row["unit"], *means, error, f"{row['ks']:.3f}", number(row["wasserstein"]))
    Console().print(table)
    typer.echo(f"report: {out / 'calibration.html'}")


def write_calibration(
    trace: Trace,
    experiment: Experiment,
    recorded: dict[str, Floats],
    replayed: dict[str, Floats],
    errors: list[dict[str, Any]],
    path: Path,
) -> None:
    names = [row["quantity"] for row in errors]
    pictures = [
        Picture(
            f"{name[0].upper()}{name[1:]}",
            "Share of completed jobs up to a value; the middle 98 %.",
            figures.side_by_side(recorded[name], replayed[name], f"{name}, {unit}"),
        )
        for name, unit in QUANTITIES
        if name in names
    ]
    columns = [name for name in errors[0] if name not in ("quantity", "unit")] if errors else []
    rows = [
        Row(cells=(str(row["quantity"]), str(row["unit"]), *(number(row[name]) for name in columns))) for row in errors
    ]
    write_page(
        path,
        f"{trace.about.name}: replayed beside recorded",
        "How far a replay is from what was recorded. What differs is the model's, or the policy's that governed then.",
        [
            ("trace", f"{trace.about.name}: {trace.about.source}"),
            ("policy", experiment.variants[0].label),
            ("behaviour", f"{experiment.behaviour.name}: {experiment.behaviour.description}"),
            ("seeds", str(len(experiment.seeds))),
        ],
        pictures,
        [Section("Errors", "Of completed jobs.", ("quantity", "unit", *columns), rows)],
    )
