"""What comes before the replays of a command: the trace in Parquet form, its policy and behaviour, a check, a bar."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import typer
from rich.console import Console
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeRemainingColumn

from dispatcher import policy as policies
from geo.documents import read_document
from geo.faults import ZoneError
from geo.geojson import zones_from_geojson
from load_tests.behaviour import settings as behaviours
from load_tests.behaviour.fitting import fit
from load_tests.behaviour.settings import Behaviour
from load_tests.experiments.design import Experiment, Variant
from load_tests.experiments.running import ReportProgress
from load_tests.replay.day import prepare
from load_tests.replay.policies import under_trace
from load_tests.replay.seats import day_warnings
from load_tests.traces.command import progress
from load_tests.traces.errors import TraceError
from load_tests.traces.reading import Trace, open_trace, read_trace
from load_tests.traces.source import About, Choices
from load_tests.traces.writing import write_trace

TRACE_FOLDER = "trace"


def kept_trace(path: Path, out: Path, format_name: str | None, choices: Choices) -> tuple[Path, Trace]:
    """The trace's copy in the folder of results, which is what workers read; and the trace itself, whose tally is that
    of the source."""
    with progress(f"reading {path.name}") as report:
        source = open_trace(path, choices, format_name, report)
        write_trace(source, out / TRACE_FOLDER)
    return out / TRACE_FOLDER, replace(read_trace(out / TRACE_FOLDER), tally=source.tally)


def usual_policy(about: About) -> str:
    return "mdrp" if about.plane is not None else policies.DEFAULT


def variants(names: Sequence[str]) -> tuple[Variant, ...]:
    """Each under its file's or preset's name; the same name twice is numbered."""
    found: list[Variant] = []
    for name in names:
        label = Path(name).stem
        known = [variant.label for variant in found]
        number = 2
        while label in known:
            label = f"{Path(name).stem}-{number}"
            number += 1
        found.append(Variant(label, policies.load(name)))
    return tuple(found)


def behaviour_for(trace: Trace, name: str | None) -> Behaviour:
    """The one that is named; else everyone does as they are told in instance sets, people act as a trace with offers
    says that they did, and elsewhere as in "lively"."""
    if name is not None:
        return behaviours.load(name)
    if trace.about.instance_set:
        return behaviours.load("fixed")
    return fit(trace).behaviour if trace.offers.num_rows else behaviours.load("lively")


def check(experiment: Experiment, trace: Trace) -> None:
    """Check that every policy can govern the trace, before hours of work; print warnings on standard error."""
    day = prepare(trace, experiment.behaviour, experiment.seeds[0])
    warnings: dict[str, None] = {}
    for variant in experiment.variants:
        under_trace(variant.policy, day, experiment.own_travel)
        warnings |= dict.fromkeys(day_warnings(day, variant.policy))
    for warning in warnings:
        typer.secho(f"warning: {warning}", err=True, fg=typer.colors.YELLOW)


def zones_document(file: Path | None) -> str:
    """Return a zone document with its repairs; empty without a file. Raises TraceError where it cannot be used."""
    if file is None:
        return ""
    try:
        return zones_from_geojson(read_document(file)).document
    except OSError as fault:
        raise TraceError(f"{file}: {fault.strerror or fault}") from fault
    except ZoneError as fault:
        raise TraceError(f"{file}: {'; '.join(fault.sentences)}") from fault


def processes_or_cores(processes: int | None) -> int:
    return processes or os.cpu_count() or 1


@contextmanager
def replaying(cells: int) -> Iterator[ReportProgress]:
    """A bar on standard error with the time left."""
    columns = (TextColumn("{task.description}"), BarColumn(), TaskProgressColumn(), TimeRemainingColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task(f"replay 0 of {cells}", total=1.0)
        yield lambda share, done: bar.update(task, completed=share, description=f"replay {done} of {cells}")
