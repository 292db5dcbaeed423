"""`gig load`: a trace against a running suite."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, replace
from pathlib import Path
from typing import Annotated, Any

import grpc
import typer
from rich.console import Console
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeElapsedColumn
from rich.table import Table

from dispatcher import policy as policies
from dispatcher.log.journal import write_journal
from load_tests.behaviour import settings as behaviours
from load_tests.bench.running import running_suite
from load_tests.experiments.options import AsJson
from load_tests.live.suite_process import SuiteFailed
from load_tests.live.wallet import Wallet
from load_tests.load.ids import with_allowed_ids
from load_tests.load.runner import LoadAccount, LoadPlan, ReportProgress, run_load
from load_tests.replay.day import Day, prepare
from load_tests.traces.command import FormatName, Since, Until, Zones, choices_of, faults_reported, progress
from load_tests.traces.reading import read_trace
from services.auth.issuing import Issuer, new_key
from services.cli import options
from services.cli.failures import FAILED, USAGE, fail, reported
from services.cli.stored_log import prove_stored
from services.cli.token import Key, issuer_of
from services.settings import Settings, resolve

MARKET = "load"
# One call in a thousand.
ERROR_BUDGET = 0.001


def load(
    trace: Annotated[Path, typer.Option("--trace", metavar="PATH", help="The trace: a file or folder of any format.")],
    target: Annotated[
        str | None,
        typer.Option(
            help="The suite's gRPC address, host:port.", show_default="a suite of its own, stopped at the end"
        ),
    ] = None,
    key: Key = None,
    speed: Annotated[float, typer.Option(min=0.01, max=10_000, help="Trace seconds in a second of the clock.")] = 10.0,
    seconds: Annotated[
        float | None, typer.Option(min=1, help="Stop placing after so long.", show_default="whole")
    ] = None,
    ping_every: Annotated[float, typer.Option(min=0.05, help="Seconds between a courier's pings.")] = 5.0,
    error_budget: Annotated[
        float, typer.Option(min=0.0, max=1.0, help="Share of calls that may fail or be refused.")
    ] = ERROR_BUDGET,
    behaviour: Annotated[str, typer.Option(help="How people act: a preset or a TOML file.")] = "lively",
    seed: Annotated[int, typer.Option(help="Of all chance.")] = 1,
    out: Annotated[
        Path | None,
        typer.Option(help="Folder for load.json with its histograms, and journal.jsonl: what people were promised."),
    ] = None,
    policy: Annotated[str, typer.Option(help="Of a suite of its own: a preset or a TOML file.")] = policies.DEFAULT,
    format_name: FormatName = None,
    zones: Zones = None,
    since: Since = None,
    until: Until = None,
    config: options.ConfigFile = None,
    database_url: options.DatabaseUrl = None,
    data_dir: options.DataDir = None,
    market: options.Market = None,
    as_json: AsJson = False,
) -> None:
    """Play a trace against a suite over gRPC: clients in an open loop, each courier on a stream of their own.

    Latencies count from when a call was due by the trace, so that a slow suite cannot slow its own measurement. At the
    end the log's invariants and its money are checked: of a suite of one's own always, of another with --database-url
    or --data-dir (and --market). Exit code 1 where the error budget is spent, a job is lost or doubled, or the log is
    wrong.
    """
    with faults_reported():
        acts = behaviours.load(behaviour)
        with progress(f"reading {trace.name}") as report:
            found = read_trace(trace, choices_of(zones, 0, since, until), format_name, report)
        if found.about.plane is not None:
            fail("a trace in a plane cannot be played live: positions must lie on the globe", USAGE)
        day, mapped = with_allowed_ids(prepare(found, acts, seed))
        flags = {"database_url": database_url, "data_dir": data_dir, "market": market}
        reachable = any(value is not None for value in (database_url, data_dir))
        given = resolve(flags, file=config).values
        settings = given if reachable else None
        with reported():
            wallet = Wallet(issuer_of(key, given) if target else Issuer(new_key()))
        try:
            result, account = asyncio.run(
                _play(
                    day, LoadPlan(target or "", wallet, day, acts, seed, speed, ping_every, seconds), policy, settings
                )
            )
        except grpc.aio.AioRpcError as fault:
            fail(f"{target}: {fault.code().name}: {fault.details()}; is a suite serving there?", FAILED)
        except SuiteFailed as fault:
            fail(str(fault), FAILED)
    result["ids_mapped"] = asdict(mapped) if mapped else None
    result["error_budget"] = error_budget
    result["wrong"] = wrong_with(result)
    if out is not None:
        out.mkdir(parents=True, exist_ok=True)
        (out / "load.json").write_text(json.dumps(result, indent=2) + "\n", "utf-8")
        write_journal(out / "journal.jsonl", account.lines())
    if as_json:
        print(json.dumps({name: value for name, value in result.items() if name != "histograms"}))
    else:
        _print(result, out)
    for sentence in result["wrong"]:
        typer.secho(f"gig: {sentence}", err=True, fg=typer.colors.RED)
    if result["wrong"]:
        raise typer.Exit(FAILED)


def wrong_with(result: dict[str, Any]) -> list[str]:
    """What the run found, each in a sentence; empty if all is well."""
    found = []
    failed = result["faults"] + result["refused_calls"]
    if failed and failed > result["error_budget"] * result["calls"]:
        share, budget = failed / result["calls"], result["error_budget"]
        found.append(f"{share:.3%} of calls failed or were refused, more than the budget of {budget:.3%}")
    found += [f"{result[name]} jobs {name}" for name in ("lost", "doubled") if result[name]]
    found += [f"the log: {sentence}" for sentence in result["violations"] or []]
    return found


async def _play(day: Day, plan: LoadPlan, policy: str, settings: Settings | None) -> tuple[dict[str, Any], LoadAccount]:
    if plan.target:
        with _playing(day) as report:
            account = await run_load(plan, report)
        violations = (await prove_stored(settings, account.lines())).told if settings is not None else None
        return _result(plan, account, violations), account
    flags = ("--market", MARKET, "--policy", policy, "--clock-speed", f"{plan.speed:g}")
    async with running_suite(*flags) as suite:
        own = replace(plan, target=suite.target, wallet=suite.wallet)
        with _playing(day) as report:
            account = await run_load(own, report)
        await suite.stop()
        own_settings = resolve({"data_dir": suite.data_dir, "market": MARKET}).values
        return _result(own, account, (await prove_stored(own_settings, account.lines())).told), account


def _result(plan: LoadPlan, account: LoadAccount, violations: list[str] | None) -> dict[str, Any]:
    latencies, couriers = account.latencies, account.couriers
    return {
        "trace": plan.day.trace.about.name,
        "target": plan.target,
        "market": account.market_id,
        "speed": plan.speed,
        "clock_speed": account.clock_speed,
        "wall_s": round(account.wall_s, 2),
        "requests": account.journal.requested,
        "requests_per_s": round(account.journal.requested / max(account.wall_s, 1e-9), 2),
        "couriers_online_most": account.most_online,
        "offers": couriers.offers,
        "pings": couriers.pings,
        "calls": latencies.calls,
        "calls_per_s": round(latencies.calls / max(account.wall_s, 1e-9), 1),
        "faults": latencies.faults,
        # Calls that were refused because of their caller or their content; they count against the error budget too.
        "refused_calls": latencies.refused,
        "refused": account.journal.refused,
        "unanswered": account.journal.unanswered,
        "lost": account.states.pop("lost", 0),
        "doubled": account.states.pop("doubled", 0) + couriers.offers_doubled,
        "states": account.states,
        "methods": latencies.summary(),
        # None: the log is out of reach.
        "violations": violations,
        "histograms": latencies.encoded(),
    }


@contextmanager
def _playing(day: Day) -> Iterator[ReportProgress]:
    columns = (TextColumn("{task.description}"), BarColumn(), TaskProgressColumn(), TimeElapsedColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task(f"playing {day.trace.about.name}", total=1.0)

        def report(share: float, placed: int, online: int) -> None:
            bar.update(task, completed=share, description=f"{placed} requests, {online} couriers online")

        yield report


def _print(result: dict[str, Any], out: Path | None) -> None:
    console = Console()
    table = Table(box=None, title=f"{result['trace']} on {result['target']}: milliseconds from when a call was due")
    names = ("calls", "errors", "p50_ms", "p90_ms", "p99_ms", "p99.9_ms", "max_ms", "late_p99_ms")
    for name in ("", *names):
        table.add_column(name.removesuffix("_ms").replace("_", " "), justify="right" if name else "left")
    for method, row in result["methods"].items():
        cells = [str(row["calls"]), ", ".join(f"{code} {count}" for code, count in row["errors"].items())]
        table.add_row(method, *cells, *(f"{row[name]:.1f}" if name in row else "" for name in names[2:]))
    console.print(table)
    console.print(
        f"{result['requests']} requests in {result['wall_s']} s ({result['requests_per_s']} a second), at most"
        f" {result['couriers_online_most']} couriers online, {result['pings']} pings; states {result['states']}"
    )
    if result["speed"] != result["clock_speed"]:
        console.print(
            f"the suite's clock runs at {result['clock_speed']:g}, the trace at {result['speed']:g}: to the market"
            f" couriers drive {result['speed'] / result['clock_speed']:g} times as fast as it expects"
        )
    budget = (
        f"{result['faults']} of {result['calls']} calls failed and {result['refused_calls']} were refused; the budget"
        f" for both is {result['error_budget']:.3%}"
    )
    if mapped := result["ids_mapped"]:
        console.print(
            f"{mapped['clients']} clients and {mapped['couriers']} couriers of the trace have ids that the contract"
            " does not allow: they played under other ids, such as client-1"
        )
    checked = result["violations"]
    log = "not checked: give --database-url or --data-dir" if checked is None else f"{len(checked)} violations"
    console.print(f"{budget}. Lost {result['lost']}, doubled {result['doubled']}. The log: {log}")
    if out is not None:
        typer.echo(f"histograms: {out / 'load.json'}")
