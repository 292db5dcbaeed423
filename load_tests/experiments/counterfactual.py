"""One log under another policy: which decisions change, and who would have earned what."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq

from dispatcher.log.files import read_log
from dispatcher.measures.catalogue.report import reading_of
from gig.v1 import policy_pb2 as policy_pb
from load_tests.behaviour.settings import Behaviour
from load_tests.experiments.calibration import errors_table, recorded_quantities, replayed_quantities
from load_tests.experiments.comparison import interval, is_clear
from load_tests.experiments.design import Experiment, Variant
from load_tests.experiments.experiment import Findings, run_experiment
from load_tests.experiments.running import ReportProgress
from load_tests.traces.errors import TraceError
from load_tests.traces.reading import Trace, read_trace
from load_tests.traces.schema import table_of_rows

AS_IT_WAS, CHANGED = "as-it-was", "changed"
EARNINGS = pa.schema(
    [
        ("courier_id", pa.string()),
        ("recorded_minor", pa.int64()),
        ("as_it_was_minor", pa.float64()),
        ("changed_minor", pa.float64()),
        ("difference_minor", pa.float64()),
        ("low", pa.float64()),
        ("high", pa.float64()),
    ]
)


@dataclass(frozen=True, slots=True)
class Answer:
    """``jobs``: one row for each job, ``couriers``: for each courier; ``fidelity``: how far the replay under the log's
    own policy is from the log itself, which limits what the rest can say."""

    jobs: pa.Table
    couriers: pa.Table
    summary: dict[str, Any]
    fidelity: dict[str, Any]
    findings: Findings


@dataclass(frozen=True, slots=True)
class Rules:
    """The first policy and zones of a log, and how often others came into force after them."""

    policy: policy_pb.Policy
    zones: str
    policy_changes: int
    zone_changes: int


def rules_of(log: Path) -> Rules:
    """Read the rules of a log. Raises TraceError where it holds no policy."""
    policies: list[policy_pb.Policy] = []
    zones: list[str] = []
    for event in read_log(log):
        if event.HasField("policy_set"):
            policies.append(event.policy_set.policy)
        elif event.HasField("zones_set"):
            zones.append(event.zones_set.geojson)
    if not policies:
        raise TraceError(f"{log}: holds no policy; is it the log of a market, from its beginning?")
    return Rules(policies[0], zones[0] if zones else "", len(policies) - 1, max(len(zones) - 1, 0))


def run_counterfactual(
    log: Path,
    trace: Path,
    rules: Rules,
    changed: policy_pb.Policy,
    behaviour: Behaviour,
    seeds: tuple[int, ...],
    out: Path,
    processes: int,
    report: ReportProgress = lambda _share, _done: None,
) -> Answer:
    """Write decisions.parquet and earnings.parquet beside the experiment's own tables and report.

    ``rules``: of the log; its zones hold under the ``changed`` policy too.
    """
    compared = Variant(AS_IT_WAS, rules.policy), Variant(CHANGED, changed)
    experiment = Experiment(trace, compared, behaviour, seeds, own_travel=True, zones=rules.zones)
    findings = run_experiment(experiment, out, processes, report)
    recorded = read_trace(trace)
    jobs, couriers = job_changes(recorded, findings), courier_changes(log, findings)
    pq.write_table(jobs, out / "decisions.parquet", compression="zstd")
    pq.write_table(couriers, out / "earnings.parquet", compression="zstd")
    fidelity = fidelity_of(recorded, jobs, couriers, findings)
    return Answer(jobs, couriers, summary_of(jobs, couriers), fidelity, findings)


def job_changes(trace: Trace, findings: Findings) -> pa.Table:
    """For each job: who had it in the record; in what share of seeds it goes to the same courier as in the record, and
    to another than under the log's own policy; mean waits, pay, and how often it was completed under both."""
    recorded = pl.DataFrame(pl.from_arrow(trace.requests)).select(
        job_id="request_id", recorded_courier_id="recorded_courier_id", recorded_state="recorded_state"
    )
    jobs = pl.DataFrame(pl.from_arrow(findings.jobs)).with_columns(done=pl.col("state") == "completed")
    was, now = (jobs.filter(pl.col("policy") == label) for label in (AS_IT_WAS, CHANGED))
    both = was.join(now, on=["job_id", "seed"], suffix="_changed").join(recorded, on="job_id", how="left")
    found = (
        both.with_columns(
            other=pl.col("courier_id") != pl.col("courier_id_changed"),
            as_recorded=pl.col("courier_id") == pl.col("recorded_courier_id"),
        )
        .group_by("job_id", maintain_order=True)
        .agg(
            pl.col("recorded_courier_id").first(),
            pl.col("recorded_state").first(),
            pl.len().alias("seeds"),
            pl.col("other").mean().alias("other_courier_share"),
            pl.col("as_recorded").mean().alias("as_recorded_share"),
            pl.col("done").mean().alias("completed_share"),
            pl.col("done_changed").mean().alias("completed_share_changed"),
            pl.col("wait_s").mean(),
            pl.col("wait_s_changed").mean(),
            pl.col("pay_minor").mean(),
            pl.col("pay_minor_changed").mean(),
        )
        .sort("job_id")
    )
    return found.to_arrow()


def courier_changes(log: Path, findings: Findings) -> pa.Table:
    """For each courier, minor units without tips: earned in the record, under the log's policy and under the changed
    one (means over seeds), the mean difference of pairs and its bootstrap interval."""
    recorded = {name: record.earned for name, record in reading_of(read_log(log)).measures.couriers.items()}
    earned: dict[str, dict[str, dict[int, int]]] = {AS_IT_WAS: {}, CHANGED: {}}
    couriers = findings.couriers.select(["policy", "seed", "courier_id", "earned_minor"]).to_pylist()
    for row in couriers:
        earned[row["policy"]].setdefault(row["courier_id"], {})[row["seed"]] = row["earned_minor"]
    rows: list[tuple[Any, ...]] = []
    for name in sorted(earned[AS_IT_WAS].keys() | earned[CHANGED].keys()):
        was, now = earned[AS_IT_WAS].get(name, {}), earned[CHANGED].get(name, {})
        seeds = sorted(was.keys() | now.keys())
        pairs = np.array([(was.get(seed, 0), now.get(seed, 0)) for seed in seeds], np.float64)
        low, high = interval(pairs[:, 1] - pairs[:, 0])
        before, after = pairs.mean(axis=0).tolist()
        rows.append((name, recorded.get(name), before, after, after - before, low, high))
    return table_of_rows(EARNINGS, rows)


def summary_of(jobs: pa.Table, couriers: pa.Table) -> dict[str, Any]:
    """Shares over jobs; minor units over couriers."""
    change = np.array(couriers["difference_minor"].to_pylist())
    sure = [row for row in couriers.to_pylist() if is_clear(row["low"], row["high"])]
    other = np.array(jobs["other_courier_share"].to_pylist(), np.float64)
    return {
        "jobs": jobs.num_rows,
        "jobs_to_another_courier_share": float(other.mean()) if other.size else None,
        "couriers": couriers.num_rows,
        "earn_more": int((change > 0).sum()),
        "earn_less": int((change < 0).sum()),
        "clearly_more": sum(row["difference_minor"] > 0 for row in sure),
        "clearly_less": sum(row["difference_minor"] < 0 for row in sure),
        "mean_change_minor": float(change.mean()) if change.size else None,
        "p10_change_minor": float(np.quantile(change, 0.1)) if change.size else None,
        "p90_change_minor": float(np.quantile(change, 0.9)) if change.size else None,
    }


def fidelity_of(trace: Trace, jobs: pa.Table, couriers: pa.Table, findings: Findings) -> dict[str, Any]:
    """The replay under the log's own policy against the log: jobs that go to the courier who really had them, how
    couriers' earnings correlate, and errors of the distributions."""
    was = pl.DataFrame(pl.from_arrow(findings.jobs)).filter(pl.col("policy") == AS_IT_WAS)
    errors = errors_table(recorded_quantities(trace), replayed_quantities(was.to_arrow(), findings.currency))
    same = pl.DataFrame(pl.from_arrow(jobs))["as_recorded_share"].drop_nulls()
    pairs = [
        (row["recorded_minor"], row["as_it_was_minor"])
        for row in couriers.to_pylist()
        if row["recorded_minor"] is not None
    ]
    return {
        "same_courier_share": same.mean(),
        "earnings_correlation": _correlation(pairs),
        "errors": {row["quantity"]: row["error"] for row in errors.to_pylist()},
    }


def _correlation(pairs: Sequence[tuple[float, float]]) -> float | None:
    values = np.array(pairs, np.float64).reshape(-1, 2)
    if len(values) < 3 or not np.all(values.std(axis=0) > 0):
        return None
    from scipy.stats import pearsonr

    return float(pearsonr(values[:, 0], values[:, 1]).statistic)
