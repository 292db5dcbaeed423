"""`gig bench`: benchmarks that a reader can run, each with its figures as text or JSON."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.pretty import pprint
from rich.table import Table

from dispatcher.log.files import read_log
from dispatcher.policy import DEFAULT
from load_tests.bench.bundle import bench_bundle
from load_tests.bench.crash import bench_crash
from load_tests.bench.hostile.attacks import ATTACKS
from load_tests.bench.hostile.runner import Plan as HostilePlan
from load_tests.bench.hostile.runner import bench_hostile
from load_tests.bench.hostile.table import table_of
from load_tests.bench.ingest import bench_ingest
from load_tests.bench.instances import bench_instances
from load_tests.bench.machine import machine
from load_tests.bench.match import bench_match
from load_tests.bench.measures import bench_measures
from load_tests.bench.overload import FloodMissing, bench_overload
from load_tests.bench.place import bench_place
from load_tests.bench.poison.runner import bench_poison
from load_tests.bench.poison.runner import wrong_with as poison_faults
from load_tests.bench.replay import WINDOW_S, bench_replay
from load_tests.bench.restart import TAIL, bench_restart
from load_tests.bench.score import bench_score
from load_tests.bench.stranded.runner import BEFORE, bench_stranded
from load_tests.bench.stranded.runner import wrong_with as stranded_faults
from load_tests.bench.stranded.versions import VersionMissing
from load_tests.live.suite_process import SuiteFailed
from load_tests.traces.command import faults_reported
from load_tests.traces.generated import generated_day
from load_tests.traces.reading import read_trace
from services.cli.failures import FAILED, USAGE, fail, reported

bench = typer.Typer(
    help="Benchmarks on this machine: the service, the solvers, scores, surge and measures.", no_args_is_help=True
)

AsJson = Annotated[bool, typer.Option("--json", help="Print one JSON object, alone, on standard output.")]


@bench.command()
def place(
    seconds: Annotated[float, typer.Option(min=1, help="Measured seconds, for each of the two.")] = 10.0,
    in_flight: Annotated[int, typer.Option(min=1, max=1024, help="Calls in flight.")] = 64,
    as_json: AsJson = False,
) -> None:
    """Durable PlaceJob calls, fsync on, beside a bare grpc.aio echo of the same message."""
    _run(lambda progress: bench_place(seconds, in_flight, progress), as_json)


@bench.command()
def ingest(
    seconds: Annotated[float, typer.Option(min=1, help="Measured seconds, for each size and each of the two.")] = 6.0,
    as_json: AsJson = False,
) -> None:
    """Pings through gRPC into the live index, beside a bare handler that only counts them."""
    _run(lambda progress: bench_ingest(seconds, progress), as_json)


@bench.command()
def crash(
    kills: Annotated[int, typer.Option(min=1, max=10000, help="How often the suite is killed.")] = 5,
    seed: Annotated[int, typer.Option(help="Of the load.")] = 7,
    as_json: AsJson = False,
) -> None:
    """kill -9 of the whole suite under load; afterwards nothing acknowledged may be lost or doubled (else exit 1)."""
    result = _run(lambda progress: bench_crash(kills, seed, progress), as_json)
    if result["lost"] or result["doubled"] or result["violations"]:
        raise typer.Exit(FAILED)


@bench.command()
def overload(
    capacity: Annotated[int, typer.Option(min=10, help="Calls a second that the suite takes.")] = 200,
    times: Annotated[float, typer.Option(min=1, help="How many times as many are offered.")] = 10.0,
    seconds: Annotated[float, typer.Option(min=2, help="Measured seconds, calm and flooded.")] = 20.0,
    as_json: AsJson = False,
) -> None:
    """Ten times as many calls as the suite takes: the latency of those that it takes, beside that of a calm time."""
    try:
        _run(lambda progress: bench_overload(capacity, times, seconds, progress), as_json)
    except FloodMissing as fault:
        fail(str(fault), FAILED)


@bench.command()
def restart(
    events: Annotated[int, typer.Option(min=10_000, help="Events on the log.")] = 1_000_000,
    live: Annotated[int, typer.Option(min=1, help="Live jobs.")] = 10_000,
    tail: Annotated[int, typer.Option(min=0, help="Events behind the last snapshot.")] = TAIL,
    snapshots: Annotated[int, typer.Option(min=1, help="Snapshots under load.")] = 5,
    as_json: AsJson = False,
) -> None:
    """From a kill -9 to serving again with a long log; and the event loop's lag while snapshots are made."""
    _measured(lambda progress: asyncio.run(bench_restart(events, live, tail, snapshots, progress)), as_json)


@bench.command()
def poison(
    attempts: Annotated[int, typer.Option(min=2, help="Messages, half of them just inside their bounds.")] = 1640,
    seed: Annotated[int, typer.Option(help="Of the battery's order and its pairs.")] = 1,
    as_json: AsJson = False,
) -> None:
    """Send messages at and beyond the contract's bounds to a market that serves others, and restart it between.

    Every number, time and text of every mutating method and stream message takes its extremes, alone and in pairs. Exit
    code 1 where the server exits, a restart from its log fails, ordinary jobs are not served, a message outside the
    bounds is not refused by its field's name, an answer is INTERNAL or UNKNOWN, or fewer than 300 are accepted.
    """
    result = _run(lambda progress: bench_poison(attempts, seed, progress), as_json)
    wrong = poison_faults(result)
    if wrong:
        fail("; ".join(wrong), FAILED)


@bench.command()
def hostile(
    attack: Annotated[list[str] | None, typer.Option(help="Only this attack; repeatable.", show_default="all")] = None,
    runs: Annotated[int, typer.Option(min=1, max=100, help="Runs of each attack, of which the median counts.")] = 3,
    seconds: Annotated[float, typer.Option(min=0.5, help="Measured seconds of each run, calm and attacked.")] = 10.0,
    history: Annotated[int, typer.Option(min=1, help="Jobs of the client who is erased.")] = 40_000,
    as_json: AsJson = False,
) -> None:
    """Attack a server of its own over loopback, and measure what others notice: p99 latency, refusals, memory.

    The attacker is a process of its own, bound to one core. Exit code 1 where the others' p99 is above twice the calm
    one and more than 20 ms above it, a call of others is refused, or memory rises by more than 200 MiB.
    """
    unknown = [name for name in attack or [] if name not in ATTACKS]
    if unknown:
        fail(f"--attack: there is no {unknown[0]!r}; attacks are: {', '.join(ATTACKS)}", USAGE)
    plan = HostilePlan(tuple(attack or ATTACKS), runs, seconds, history)
    result = _run(lambda progress: bench_hostile(plan, progress), as_json, table_of)
    if result["failed"]:
        fail("; ".join(result["failed"]), FAILED)


@bench.command()
def match(
    jobs: Annotated[int, typer.Option(min=1, max=200_000, help="Open jobs.")] = 5_000,
    couriers: Annotated[int, typer.Option(min=1, max=500_000, help="Free couriers.")] = 10_000,
    k: Annotated[int, typer.Option("--k", min=1, max=200, help="Candidates a job.")] = 20,
    repeat: Annotated[int, typer.Option(min=1, max=100, help="Runs, of which the median counts.")] = 5,
    growth: Annotated[bool, typer.Option(help="Also time rounds of 1,000 to 20,000 jobs.")] = True,
    as_json: AsJson = False,
) -> None:
    """A whole 1:1 round by stages, beside scipy's and OR-Tools' own solvers (exit 1 if its cost is not theirs)."""
    result = _measured(lambda progress: bench_match(jobs, couriers, k, repeat, growth, progress), as_json)
    if {result["cost"], result["optimal_cost"], *result["peer_costs"].values()} != {result["cost"]}:
        fail("the costs differ: the round was not decided at least cost", FAILED)


@bench.command()
def stranded(
    rounds: Annotated[int, typer.Option(min=1, max=100_000, help="Generated rounds, each of another seed.")] = 1_000,
    runs: Annotated[int, typer.Option(min=1, max=100, help="Runs of each round, of which the fastest counts.")] = 3,
    before: Annotated[
        str | None, typer.Option(help="Compare with this checkout's folder or git revision.", show_default=BEFORE)
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Count jobs without a candidate although a courier can take them, in rounds with many reasons why most cannot.

    Couriers head elsewhere, end their shifts, carry riders, stand in line, are blocked or have declined. A brute-force
    oracle judges. Each round is also solved by an earlier version, in turn. Exit code 1 where such a job is left, the
    search for candidates is cut off, or a round takes more than 1.5 times as long as before.
    """

    def work(progress: Callable[[str], None]) -> dict[str, Any]:
        try:
            return bench_stranded(rounds, runs, before, progress)
        except VersionMissing as fault:
            fail(str(fault), USAGE)

    result = _measured(work, as_json)
    wrong = stranded_faults(result)
    if wrong:
        fail("; ".join(wrong), FAILED)


@bench.command()
def bundle(
    rounds: Annotated[int, typer.Option(min=1, max=100, help="Rounds of each size, each of another seed.")] = 10,
    as_json: AsJson = False,
) -> None:
    """Rounds of 50, 200 and 1,000 deliveries to bundle: cost against one a courier, gap to the bound, time."""
    _measured(lambda progress: bench_bundle(rounds, progress), as_json)


@bench.command()
def score(
    ratings: Annotated[int, typer.Option(min=1000, max=10_000_000, help="Ratings to fold.")] = 1_000_000,
    cells: Annotated[int, typer.Option(min=7, max=200_000, help="H3 cells with demand and supply.")] = 10_000,
    as_json: AsJson = False,
) -> None:
    """Ratings folded one by one, checked against computing all scores anew; surge ticks (exit 1 if scores differ)."""
    result = _measured(lambda progress: bench_score(ratings, cells, progress), as_json)
    if not result["equal_to_recomputed"]:
        fail("the folded scores are not those computed anew", FAILED)


@bench.command()
def measures(
    couriers: Annotated[int, typer.Option(min=20, max=5_000, help="Couriers of the market whose log is folded.")] = 200,
    hours: Annotated[float, typer.Option(min=1.5, max=24, help="Market hours of it.")] = 4.0,
    markets: Annotated[int, typer.Option(min=1, max=1_000, help="Markets in one scrape.")] = 100,
    log: Annotated[
        Path | None, typer.Option(help="Fold this exported log instead.", show_default="a busy market's, made here")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """The measures folded from a log, and a scrape of many markets with the whole catalogue."""
    with reported():
        events = [] if log is None else list(read_log(log))
    _measured(lambda progress: bench_measures(couriers, hours, markets, events, progress), as_json)


@bench.command()
def instances(
    folder: Annotated[Path, typer.Argument(help="A folder of MDRP instances; peers.csv in it is set beside ours.")],
    policy: Annotated[
        list[str] | None, typer.Option(help="Policies to run.", show_default="mdrp-batch and mdrp")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Every instance of a folder under our policies, beside what published solvers reach."""
    with faults_reported():
        _measured(lambda progress: bench_instances(folder, policy or ["mdrp-batch", "mdrp"], progress), as_json)


@bench.command()
def replay(
    requests: Annotated[int, typer.Option(min=100, max=5_000_000, help="Requests of the day.")] = 400_000,
    couriers: Annotated[int, typer.Option(min=10, max=200_000, help="Couriers, each with one shift.")] = 8_000,
    window: Annotated[int, typer.Option(min=1, max=600, help="Seconds of a batch.")] = WINDOW_S,
    policy: Annotated[str, typer.Option(help="A preset or a TOML file.")] = DEFAULT,
    trace: Annotated[
        Path | None, typer.Option(help="Replay this trace instead.", show_default="a day made from the seed")
    ] = None,
    seed: Annotated[int, typer.Option(help="Of the day.")] = 7,
    as_json: AsJson = False,
) -> None:
    """A generated city day replayed on the Market in one process, 1:1 batches, all measures folded."""

    def work(progress: Callable[[str], None]) -> dict[str, Any]:
        progress("making the day" if trace is None else f"reading {trace.name}")
        found = generated_day(requests, couriers, seed) if trace is None else read_trace(trace)
        return bench_replay(found, policy, window, seed, progress)

    with faults_reported():
        _measured(work, as_json)


def _measured(work: Callable[[Callable[[str], None]], dict[str, Any]], as_json: bool) -> dict[str, Any]:
    with Console(stderr=True).status("starting") as status:
        result = work(status.update)
    return _shown(result, as_json)


def _run(
    work: Callable[[Callable[[str], None]], Awaitable[dict[str, Any]]],
    as_json: bool,
    table: Callable[[dict[str, Any]], Table] | None = None,
) -> dict[str, Any]:
    with Console(stderr=True).status("starting") as status, reported():
        try:
            result = asyncio.run(_awaited(work(status.update)))
        except (SuiteFailed, RuntimeError) as fault:
            fail(str(fault), FAILED)
    return _shown(result, as_json, table)


def _shown(
    result: dict[str, Any], as_json: bool, table: Callable[[dict[str, Any]], Table] | None = None
) -> dict[str, Any]:
    result["machine"] = machine()
    if as_json:
        print(json.dumps(result))
    elif table is not None:
        Console().print(table(result))
    else:
        pprint(result, expand_all=True)
    return result


async def _awaited(work: Awaitable[dict[str, Any]]) -> dict[str, Any]:
    return await work
