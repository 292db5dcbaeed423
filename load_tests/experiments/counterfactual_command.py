"""`gig counterfactual`: a market's log, had one thing been otherwise."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from dispatcher import policy as policies
from dispatcher.currencies import minor_units_in
from gig.v1 import policy_pb2 as policy_pb
from load_tests.experiments.counterfactual import Answer, Rules, rules_of, run_counterfactual
from load_tests.experiments.options import AsJson, Out, Processes
from load_tests.experiments.parameters import parse, with_values
from load_tests.experiments.preparing import behaviour_for, kept_trace, processes_or_cores, replaying
from load_tests.experiments.report.page import number
from load_tests.traces.command import faults_reported
from load_tests.traces.source import Choices
from services.cli.failures import USAGE, fail

MOST_SHOWN = 5


def counterfactual(
    log: Annotated[Path, typer.Argument(help="A market's event log, as `gig log export` writes it.")],
    out: Out,
    change: Annotated[
        list[str] | None,
        typer.Option("--set", help="A field of the log's policy, otherwise: matching.batch_window=30s."),
    ] = None,
    policy: Annotated[
        str | None, typer.Option(help="Instead of --set: another policy as a whole, a preset or a TOML file.")
    ] = None,
    seeds: Annotated[int, typer.Option(min=1, max=1_000, help="Replays of each, seeds 1 to N.")] = 5,
    behaviour: Annotated[
        str | None, typer.Option(help="How people act: a preset or a TOML file.", show_default="fitted from the log")
    ] = None,
    processes: Processes = None,
    as_json: AsJson = False,
) -> None:
    """Replay a market's log under its own policy and under a changed one: which jobs go to somebody else, who earns
    more and who less. Says too how near the replay under the log's own policy comes to the log."""
    if bool(change) == (policy is not None):
        fail("say what is otherwise: --set FIELD=VALUE (again for more), or --policy", USAGE)
    with faults_reported():
        folder, trace = kept_trace(log, out, "log", Choices())
        rules = rules_of(log)
        changed = _changed(rules.policy, change, policy)
        acts, span = behaviour_for(trace, behaviour), tuple(range(1, seeds + 1))
        with replaying(2 * seeds) as shown:
            many = processes_or_cores(processes)
            answer = run_counterfactual(log, folder, rules, changed, acts, span, out, many, shown)
    found = {"policy_changes_in_log": rules.policy_changes, "summary": answer.summary, "fidelity": answer.fidelity}
    (out / "counterfactual.json").write_text(json.dumps(found, indent=2) + "\n", "utf-8")
    if as_json:
        print(json.dumps(found | {"sha256": answer.findings.sha256}))
    else:
        _print(answer, rules, out)


def _changed(was: policy_pb.Policy, change: list[str] | None, policy: str | None) -> policy_pb.Policy:
    if policy is not None:
        return policies.load(policy)
    values = {}
    for text in change or []:
        parameter = parse(text)
        if len(parameter.values) != 1:
            fail(f"--set {text!r}: one value, please", USAGE)
        values[parameter.path] = parameter.values[0]
    return with_values(was, values)


def _print(answer: Answer, rules: Rules, out: Path) -> None:
    summary, fidelity = answer.summary, answer.fidelity
    if rules.policy_changes:
        typer.echo(f"the log's policy changes {rules.policy_changes} times; this replay uses the first one")
    if rules.zone_changes:
        typer.echo(f"the log's zones change {rules.zone_changes} times; this replay uses the first ones")
    table = Table(box=None, show_header=False)
    share = summary["jobs_to_another_courier_share"] or 0.0
    table.add_row("jobs that go to another courier", f"{share:.1%} of {summary['jobs']:,}")
    table.add_row("couriers who earn more", f"{summary['earn_more']} ({summary['clearly_more']} beyond chance)")
    table.add_row("couriers who earn less", f"{summary['earn_less']} ({summary['clearly_less']} beyond chance)")
    cents = [summary[name] for name in ("mean_change_minor", "p10_change_minor", "p90_change_minor")]
    unit = minor_units_in(answer.findings.currency)
    mean, low, high = (number(None if value is None else value / unit) for value in cents)
    table.add_row("change of earnings", f"mean {mean}, from {low} (p10) to {high} (p90)")
    ordered = sorted(answer.couriers.to_pylist(), key=lambda row: row["difference_minor"])
    for title, rows in (("lose most", ordered[:MOST_SHOWN]), ("gain most", ordered[::-1][:MOST_SHOWN])):
        told = ", ".join(f"{row['courier_id']} {row['difference_minor'] / unit:+.2f}" for row in rows)
        table.add_row(title, told)
    same = fidelity["same_courier_share"]
    table.add_row("replay against the log itself", "")
    table.add_row("  jobs with the same courier", "–" if same is None else f"{same:.1%}")
    table.add_row("  correlation of earnings", number(fidelity["earnings_correlation"]))
    for name, error in fidelity["errors"].items():
        table.add_row(f"  error of mean {name}", "–" if error is None else f"{error:+.1%}")
    Console().print(table)
    typer.echo(f"sha256 {answer.findings.sha256}")
    typer.echo(f"report: {out / 'report.html'}; by courier: {out / 'earnings.parquet'}")
