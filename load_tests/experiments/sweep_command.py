"""`gig sweep`: a policy's parameters varied on a trace."""

from __future__ import annotations

import json
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from dispatcher import policy as policies
from load_tests.experiments.options import AsJson, BehaviourName, Out, Processes, TracePath
from load_tests.experiments.parameters import grid, parse
from load_tests.experiments.preparing import (
    behaviour_for,
    check,
    kept_trace,
    processes_or_cores,
    replaying,
    usual_policy,
)
from load_tests.experiments.report.page import number
from load_tests.experiments.sweep import Sweep, run_sweep
from load_tests.traces.command import FormatName, Since, Until, Zones, choices_of, faults_reported


def sweep(
    path: TracePath,
    out: Out,
    vary: Annotated[
        list[str],
        typer.Option(
            help="A field of the policy, and its values: matching.batch_window=2s,10s,30s, or a range 2s..60s."
        ),
    ],
    policy: Annotated[
        str | None,
        typer.Option(help="The policy that is varied: a preset or a TOML file.", show_default="plain or mdrp"),
    ] = None,
    trials: Annotated[
        int, typer.Option(min=0, max=100_000, help="Points that an optimiser tries; 0: the whole grid of values.")
    ] = 0,
    seeds: Annotated[int, typer.Option(min=1, max=1_000, help="Replays of each point, seeds 1 to N.")] = 3,
    behaviour: BehaviourName = None,
    processes: Processes = None,
    format_name: FormatName = None,
    zones: Zones = None,
    since: Since = None,
    until: Until = None,
    as_json: AsJson = False,
) -> None:
    """Vary a policy's parameters on a recorded day, over a grid or by an optimiser (NSGA-II), and draw the frontier:
    clients' mean wait against couriers' mean earnings an hour. Points tried before in the same folder are kept."""
    with faults_reported():
        parameters = tuple(parse(text) for text in vary)
        folder, trace = kept_trace(path, out, format_name, choices_of(zones, 0, since, until))
        chosen = policies.load(policy or usual_policy(trace.about))
        plan = Sweep(folder, chosen, parameters, behaviour_for(trace, behaviour), tuple(range(1, seeds + 1)), trials)
        cells = trials if trials else len(grid(parameters)) * seeds
        if not trials:
            check(plan.experiment(grid(parameters)), trace)
        with replaying(cells) as shown:
            points = run_sweep(plan, out, processes_or_cores(processes), shown)
    if as_json:
        print(json.dumps({"points": points.to_dicts()}))
        return
    table = Table(box=None, title=f"{chosen.name} on {trace.about.name}: settings that nothing beats on both counts")
    for name in (*(parameter.path for parameter in parameters), "mean wait, s", "earnings an hour", "service rate"):
        table.add_column(name, justify="right")
    for row in points.filter(points["efficient"]).sort("wait_mean_s").to_dicts():
        values = [str(row[parameter.path]) for parameter in parameters]
        table.add_row(*values, number(row["wait_mean_s"]), number(row["hourly"]), number(row["service_rate"]))
    Console().print(table)
    typer.echo(f"{points.height} settings, frontier: {out / 'frontier.html'}")
