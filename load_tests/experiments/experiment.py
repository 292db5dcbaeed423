"""An experiment from start to end: cells, tables, differences, the report; all in one folder."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq

from load_tests.experiments.comparison import differences_table, results_table
from load_tests.experiments.design import Experiment, cells_of
from load_tests.experiments.report import figures
from load_tests.experiments.report.page import Picture, Section, difference_rows, value_rows, write_page
from load_tests.experiments.running import ReportProgress, Workers, outcome_of, tables_of
from load_tests.traces.formats.parquet import ABOUT, read_about


@dataclass(frozen=True, slots=True)
class Findings:
    """``results``, ``differences``, ``couriers``, ``jobs``: tables, as written beside the report. ``sha256``: of every
    cell's log and measures, in order: the same inputs give the same."""

    results: pa.Table
    differences: pa.Table
    couriers: pa.Table
    jobs: pa.Table
    sha256: str
    refused: dict[str, int]
    currency: str


def run_experiment(
    experiment: Experiment, out: Path, processes: int, report: ReportProgress = lambda _share, _done: None
) -> Findings:
    """Writes results.parquet, differences.parquet, couriers.parquet, jobs.parquet, summary.json and report.html."""
    cells = cells_of(experiment, out)
    with Workers(processes) as workers:
        workers.run(cells, report)
    outcomes = [outcome_of(cell) for cell in cells]
    results = results_table(outcomes)
    findings = Findings(
        results,
        differences_table(results, experiment.variants[0].label),
        tables_of(cells, "couriers"),
        tables_of(cells, "jobs"),
        _hash(outcomes),
        _refused(outcomes),
        str(outcomes[0]["currency"]),
    )
    for name in ("results", "differences", "couriers", "jobs"):
        pq.write_table(getattr(findings, name), out / f"{name}.parquet", compression="zstd")
    (out / "summary.json").write_text(json.dumps(summary_of(experiment, findings), indent=2) + "\n", "utf-8")
    write_report(experiment, findings, out / "report.html")
    return findings


def summary_of(experiment: Experiment, findings: Findings) -> dict[str, Any]:
    service = pl.DataFrame(pl.from_arrow(findings.results)).filter(pl.col("family") == "service")
    means = service.group_by("policy", "measure", maintain_order=True).agg(pl.col("value").mean())
    by_policy: dict[str, dict[str, float | None]] = {}
    for label, name, value in means.iter_rows():
        by_policy.setdefault(label, {})[name] = value
    return {
        "trace": read_about(experiment.trace / ABOUT).name,
        "behaviour": experiment.behaviour.name,
        "policies": [variant.label for variant in experiment.variants],
        "seeds": len(experiment.seeds),
        "service": by_policy,
        "refused": findings.refused,
        "sha256": findings.sha256,
    }


def write_report(experiment: Experiment, findings: Findings, path: Path) -> None:
    about = read_about(experiment.trace / ABOUT)
    labels = [variant.label for variant in experiment.variants]
    results, couriers, jobs = (
        pl.DataFrame(pl.from_arrow(table)) for table in (findings.results, findings.couriers, findings.jobs)
    )
    pictures = [
        Picture("Service", "What became of the requests; means over seeds.", figures.service(results, labels)),
        Picture("Waiting", "Completed jobs, all seeds together.", figures.waits(jobs, labels)),
        Picture(
            "Earnings",
            "Couriers online for a quarter of an hour or more, all seeds together; without tips.",
            figures.earnings(couriers, labels, findings.currency),
        ),
        Picture(
            "Lorenz curve",
            "The further below the dotted line, the less equal hourly earnings are.",
            figures.lorenz(couriers, labels),
        ),
        Picture("Hours", "Phases after New York's Taxi and Limousine Commission.", figures.hours(couriers, labels)),
        Picture("Take rate", "Each dot is a seed.", figures.take_rate(jobs, labels)),
        Picture("Decisions", "About people, a replay, by kind and by who decided.", figures.decisions(results, labels)),
    ]
    differences = pl.DataFrame(pl.from_arrow(findings.differences))
    for label in labels[1:]:
        changed = figures.changes(differences.filter(pl.col("policy") == label))
        if changed is not None:
            caption = "Measures whose interval does not hold zero, with their 95 % bootstrap intervals; all are below."
            pictures.insert(0, Picture(f"What {label} changes most against {labels[0]}", caption, changed))
    sections = [
        Section(
            f"{label} against {labels[0]}",
            "Means over seeds, and the mean of paired differences with its 95 % bootstrap interval. Bold: the interval"
            " does not hold zero. Many measures are compared at once: of those that do not differ, about one in twenty"
            " is bold by chance.",
            ("measure", "unit", labels[0], label, "difference", "95 % interval"),
            difference_rows(differences.filter(pl.col("policy") == label).to_dicts()),
        )
        for label in labels[1:]
    ]
    if not sections:
        sections = [_alone(findings, labels[0])]
    seeds = experiment.seeds
    facts = [
        ("trace", f"{about.name}: {about.source}"),
        ("policies", ", ".join(labels)),
        ("behaviour", f"{experiment.behaviour.name}: {experiment.behaviour.description}"),
        ("seeds", f"{len(seeds)} ({seeds[0]} to {seeds[-1]}), the same chance for every policy"),
        ("requests refused", ", ".join(f"{why}: {count}" for why, count in findings.refused.items()) or "none"),
        ("hash of all logs and measures", findings.sha256),
    ]
    write_page(
        path,
        f"{about.name}: {' and '.join(labels)}",
        "The same day, the same people and the same chance under each policy, on the Market that also runs live.",
        facts,
        pictures,
        sections,
    )


def _alone(findings: Findings, label: str) -> Section:
    """Where there is nothing to compare with: the values."""
    means = (
        pl.DataFrame(pl.from_arrow(findings.results))
        .group_by("family", "measure", "unit", maintain_order=True)
        .agg(pl.col("value").mean())
    )
    return Section(label, "Means over seeds.", ("measure", "unit", label), value_rows(means.to_dicts()))


def _hash(outcomes: Sequence[dict[str, Any]]) -> str:
    state = hashlib.sha256()
    for outcome in outcomes:
        kept = {name: outcome[name] for name in ("policy", "seed", "log_sha256", "service", "measures")}
        state.update(json.dumps(kept, sort_keys=True).encode())
    return state.hexdigest()


def _refused(outcomes: Sequence[dict[str, Any]]) -> dict[str, int]:
    found: dict[str, int] = {}
    for outcome in outcomes:
        for why, count in outcome["refused"].items():
            found[f"{outcome['policy']}: {why}"] = found.get(f"{outcome['policy']}: {why}", 0) + count
    return found
