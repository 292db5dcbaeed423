"""Instances of benchmarks, replayed by their own rules: solution files, and every rule checked."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from enum import StrEnum
from pathlib import Path
from typing import Any

import typer
from rich.console import Console
from rich.progress import Progress
from rich.table import Table

from dispatcher import policy as policies
from dispatcher.log.files import write_log
from dispatcher.measures.catalogue.report import as_data, reading_of
from dispatcher.pay.ledger_check import check_ledger
from gig.v1.events_pb2 import Event
from load_tests.instances import cargo_check, cargo_summary, mdrp_check, mdrp_summary
from load_tests.instances.cargo_day import CargoSimulation
from load_tests.instances.cargo_policy import limits_of, on_network
from load_tests.instances.cargo_solution import read_routes, write_routes
from load_tests.instances.mdrp_day import MdrpSimulation
from load_tests.instances.mdrp_policy import under_instance
from load_tests.instances.mdrp_solution import write_solution
from load_tests.traces import cargo, mdrp
from services.cli.failures import FAILED


class Format(StrEnum):
    MDRP = "mdrp"
    CARGO = "cargo"


DEFAULT_POLICY = {Format.MDRP: "mdrp", Format.CARGO: "cargo-pooled"}

# What a format reads and plays: the summary, and each broken rule in a sentence.
Replayed = tuple[dict[str, Any], list[str]]


def replay_instance(
    path: Path, out: Path, kind: Format, policy: str | None, vehicles: int | None, as_json: bool
) -> None:
    """One replay by the instance's rules; exit code 1 if any of them is broken."""
    began = time.perf_counter()
    chosen = policies.load(policy or DEFAULT_POLICY[kind])
    if kind is Format.MDRP:
        summary, broken = _mdrp(path, chosen, out)
    else:
        summary, broken = _cargo(path, chosen, out, vehicles)
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


def _mdrp(path: Path, chosen: Any, out: Path) -> Replayed:
    instance = mdrp.read_instance(path)
    ruled = under_instance(chosen, instance.parameters)
    with _progress(instance.name) as told:
        day = MdrpSimulation(instance, ruled).run(told)
    write_solution(day, out)
    _keep(day.events, out)
    broken = mdrp_check.violations(instance, mdrp_check.read_solution(out))
    _, wrong = check_ledger(day.events)
    verdict = {"feasible": not broken, "violations": len(broken), "ledger_faults": len(wrong)}
    return {**verdict, **mdrp_summary.summarise(day)}, [*broken, *wrong]


def _cargo(path: Path, chosen: Any, out: Path, vehicles: int | None) -> Replayed:
    instance = cargo.read_instance(path)
    ruled = on_network(chosen, instance.network)
    began = time.perf_counter()
    with _progress(instance.name) as told:
        day = CargoSimulation(instance, ruled, vehicles).run(told)
    dispatch_s = time.perf_counter() - began
    write_routes(day.waypoints, out)
    _keep(day.events, out)
    broken = cargo_check.violations(instance, read_routes(out), limits_of(ruled))
    _, wrong = check_ledger(day.events)
    verdict = {"valid": not broken, "violations": len(broken), "ledger_faults": len(wrong)}
    summary = {**verdict, **cargo_summary.summarise(day)}
    # Everything between the first request and the last drop-off: roads, rounds, and the Market's own work.
    summary["dispatch_s"] = round(dispatch_s, 3)
    summary["ms_per_request"] = round(dispatch_s / max(len(instance.customers), 1) * 1000, 3)
    return summary, [*broken, *wrong]


def _keep(events: Sequence[Event], out: Path) -> None:
    """The log, and what the catalogue's measures come to over it."""
    write_log(out / "events.log.gz", events)
    report = as_data(reading_of(events))
    (out / "measures.json").write_text(json.dumps(report, indent=2) + "\n", "utf-8")


@contextmanager
def _progress(name: str) -> Iterator[Callable[[float], None]]:
    with Progress(console=Console(stderr=True), transient=True) as progress:
        task = progress.add_task(f"replaying {name}", total=1.0)
        yield lambda share: progress.update(task, completed=share)


def _print(summary: dict[str, Any], out: Path) -> None:
    table = Table(box=None, show_header=False, title=f"{summary['instance']} under {summary['policy']}")
    for name, value in summary.items():
        if name not in ("instance", "policy"):
            table.add_row(name, str(value))
    Console().print(table)
    typer.echo(f"solution, log, measures and summary: {out}")
