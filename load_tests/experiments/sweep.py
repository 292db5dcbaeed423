"""A policy's parameters varied, over a grid or by an optimiser: clients' wait against couriers' hourly earnings."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import polars as pl
import pyarrow.parquet as pq

from dispatcher.currencies import minor_units_in
from gig.v1 import policy_pb2 as policy_pb
from load_tests.behaviour.settings import Behaviour
from load_tests.experiments.design import Experiment, Variant, cells_of
from load_tests.experiments.parameters import Parameter, grid, label_of, with_values
from load_tests.experiments.report import figures
from load_tests.experiments.report.page import Picture, Row, Section, number, write_page
from load_tests.experiments.running import ReportProgress, Workers, outcome_of
from load_tests.traces.formats.parquet import ABOUT, read_about

if TYPE_CHECKING:
    import optuna

WAIT, HOURLY = "wait_mean_s", "Hourly earnings, online: mean"


@dataclass(frozen=True, slots=True)
class Sweep:
    """``trials``: how many points an optimiser tries; 0: the whole grid of the parameters' values."""

    trace: Path
    policy: policy_pb.Policy
    parameters: tuple[Parameter, ...]
    behaviour: Behaviour
    seeds: tuple[int, ...]
    trials: int = 0

    def experiment(self, points: Sequence[dict[str, Any]]) -> Experiment:
        variants = tuple(Variant(label_of(point), with_values(self.policy, point)) for point in points)
        return Experiment(self.trace, variants, self.behaviour, self.seeds)


def run_sweep(
    sweep: Sweep, out: Path, processes: int, report: ReportProgress = lambda _share, _done: None
) -> pl.DataFrame:
    """One row for each point: its parameters, means over seeds, and whether nothing is better on both counts. Writes
    points.parquet and frontier.html. Points that were tried before in the same folder are not run again."""
    with Workers(processes) as workers:
        if sweep.trials:
            rows = _optimised(sweep, out, workers, report)
        else:
            rows = _tried(sweep, grid(sweep.parameters), out, workers, report)
    points = pl.DataFrame(rows).with_columns(pl.Series("efficient", efficient(rows)))
    pq.write_table(points.to_arrow(), out / "points.parquet")
    write_frontier(sweep, points, out / "frontier.html")
    return points


def _tried(
    sweep: Sweep, points: Sequence[dict[str, Any]], out: Path, workers: Workers, report: ReportProgress
) -> list[dict[str, Any]]:
    cells = cells_of(sweep.experiment(points), out)
    workers.run(cells, report)
    by_label: dict[str, list[dict[str, Any]]] = {}
    for cell in cells:
        by_label.setdefault(cell.label, []).append(outcome_of(cell))
    return [_row(point, by_label[label_of(point)]) for point in points]


def _row(point: dict[str, Any], outcomes: Sequence[dict[str, Any]]) -> dict[str, Any]:
    means = {
        name: _mean([outcome["service"][name] for outcome in outcomes]) for name in (WAIT, "wait_p90_s", "service_rate")
    }
    minor = _mean([outcome["measures"][HOURLY][1] for outcome in outcomes])
    named = {path: str(value) for path, value in point.items()}
    unit = minor_units_in(outcomes[0]["currency"])
    return {"label": label_of(point), **named, **means, "hourly": None if minor is None else minor / unit}


def _mean(values: Sequence[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return float(np.mean(known)) if known else None


def _optimised(sweep: Sweep, out: Path, workers: Workers, report: ReportProgress) -> list[dict[str, Any]]:
    """NSGA-II (Deb et al. 2002) as Optuna has it, seeded; as many points at a time as replays run at a time."""
    import optuna

    optuna.logging.set_verbosity(optuna.logging.WARNING)
    at_a_time = max(workers.processes // len(sweep.seeds), 1)
    sampler = optuna.samplers.NSGAIISampler(population_size=min(20, max(sweep.trials // 3, 4)), seed=1)
    study = optuna.create_study(directions=["minimize", "maximize"], sampler=sampler)
    rows: dict[str, dict[str, Any]] = {}
    asked = 0
    while asked < sweep.trials:
        trials = [study.ask() for _ in range(min(at_a_time, sweep.trials - asked))]
        points = [{each.path: _suggested(trial, each) for each in sweep.parameters} for trial in trials]
        fresh = {label_of(point): point for point in points if label_of(point) not in rows}
        if fresh:
            part = _part(report, asked, len(trials), sweep.trials)
            rows |= {row["label"]: row for row in _tried(sweep, list(fresh.values()), out, workers, part)}
        for trial, point in zip(trials, points, strict=True):
            row = rows[label_of(point)]
            known = row[WAIT] is not None and row["hourly"] is not None
            study.tell(
                trial, [row[WAIT], row["hourly"]] if known else None, None if known else optuna.trial.TrialState.FAIL
            )
        asked += len(trials)
        report(asked / sweep.trials, asked)
    return list(rows.values())


def _part(report: ReportProgress, before: int, now: int, trials: int) -> ReportProgress:
    """Progress of some trials as progress of all."""
    return lambda share, _done: report((before + share * now) / trials, before)


def _suggested(trial: optuna.Trial, parameter: Parameter) -> Any:
    if parameter.values:
        return trial.suggest_categorical(parameter.path, list(parameter.values))
    low, high = parameter.low or 0.0, parameter.high or 0.0
    if parameter.whole:
        return parameter.value_of(trial.suggest_int(parameter.path, int(low), int(high)))
    return parameter.value_of(trial.suggest_float(parameter.path, low, high))


def efficient(rows: Sequence[dict[str, Any]]) -> list[bool]:
    """Which points no other beats: shorter wait and higher earnings, or one of them and the other the same (Pareto)."""
    values = [(row[WAIT], row["hourly"]) for row in rows]
    return [
        wait is not None
        and hourly is not None
        and not any(
            other_wait is not None
            and other_hourly is not None
            and other_wait <= wait
            and other_hourly >= hourly
            and (other_wait, other_hourly) != (wait, hourly)
            for other_wait, other_hourly in values
        )
        for wait, hourly in values
    ]


def write_frontier(sweep: Sweep, points: pl.DataFrame, path: Path) -> None:
    about = read_about(sweep.trace / ABOUT)
    names = [parameter.path for parameter in sweep.parameters]
    ordered = points.sort("wait_mean_s")
    rows = [
        Row(
            cells=(
                *(str(row[name]) for name in names),
                number(row["wait_mean_s"]),
                number(row["hourly"]),
                number(row["service_rate"]),
                "yes" if row["efficient"] else "",
            ),
            clear=row["efficient"],
        )
        for row in ordered.to_dicts()
    ]
    columns = (*names, "mean wait, s", "mean earnings an hour", "service rate", "nothing better on both")
    seeds = sweep.seeds
    write_page(
        path,
        f"{about.name}: {sweep.policy.name} swept",
        "Clients' mean wait for the pickup against couriers' mean earnings an hour online, for each setting.",
        [
            ("trace", f"{about.name}: {about.source}"),
            ("policy", sweep.policy.name),
            ("varied", "; ".join(names)),
            ("behaviour", f"{sweep.behaviour.name}: {sweep.behaviour.description}"),
            ("seeds", f"{len(seeds)} ({seeds[0]} to {seeds[-1]})"),
        ],
        [Picture("Frontier", "Each dot is a setting, a mean over seeds.", figures.frontier(points))],
        [Section("Settings", "By wait.", columns, rows)],
    )
