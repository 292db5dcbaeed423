"""`gig demo`: a city in the terminal."""

from __future__ import annotations

import asyncio
import io
import json
import signal
import socket
import sys
from contextlib import ExitStack
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import Annotated, Any

import grpc
import numpy as np
import typer
from rich.console import Console
from rich.live import Live
from rich.table import Table

from gig.v1 import oversight_service_pb2 as oversight_pb
from load_tests.cities.city import City
from load_tests.cities.generated import GeneratedCity
from load_tests.cities.manhattan_data import data_folder
from load_tests.live import view
from load_tests.live.demonstration import Account, Demonstration, Plan
from load_tests.live.suite_process import SuiteFailed, SuiteProcess
from load_tests.live.wallet import Wallet
from load_tests.traces.cargo import CargoCity, read_instance
from load_tests.traces.errors import TraceError
from services.cli.failures import FAILED, INTERRUPTED, USAGE, fail, reported
from services.cli.token import Key, issuer_of
from services.settings import Settings, default_data_dir, resolve

IN_HAND = ("scheduled", "queued", "offered", "assigned", "at_pickup", "picked_up")
LINE_EVERY_S = 5.0

Seconds = Annotated[
    float | None, typer.Option(min=1, help="Wall seconds to play.", show_default="60; a trace plays to its end")
]
Couriers = Annotated[
    int | None, typer.Option(min=1, max=20000, help="Couriers online.", show_default="420; a trace brings its own")
]
JobsPerMinute = Annotated[float, typer.Option(min=0.1, help="Requests a market minute; a trace brings its own.")]
Speed = Annotated[float, typer.Option(min=0.1, max=600, help="Market seconds in a wall second.")]
Seed = Annotated[int, typer.Option(help="Of all chance in the city and its people.")]
Target = Annotated[
    str | None, typer.Option(help="host:port of a running suite; its own clock and policy hold.", show_default="none")
]
HttpAddress = Annotated[
    str | None,
    typer.Option(help="Where the pages and metrics are.", show_default="127.0.0.1:9464, or a free port"),
]
Trace = Annotated[
    Path | None, typer.Option(help="A recorded day instead: a Cargo .instance file.", show_default="Manhattan")
]
DataDir = Annotated[Path | None, typer.Option(help="Where the log is kept.", show_default="the user's data directory")]
Picture = Annotated[Path | None, typer.Option(help="Save the last frame as an SVG.", show_default="none")]
AsJson = Annotated[bool, typer.Option("--json", help="Print one JSON object, alone, on standard output.")]


def demo(
    seconds: Seconds = None,
    couriers: Couriers = None,
    jobs_per_minute: JobsPerMinute = 20.0,
    speed: Speed = 90.0,
    seed: Seed = 7,
    target: Target = None,
    key: Key = None,
    http_address: HttpAddress = None,
    trace: Trace = None,
    data_dir: DataDir = None,
    picture: Picture = None,
    as_json: AsJson = False,
) -> None:
    """A city in your terminal: riders, restaurants and couriers over real gRPC, for about a minute.

    Starts a suite of its own on an embedded PostgreSQL, drives it, and says at the end what became of every job.
    Ctrl-C ends it early and in order.
    """
    console = Console(stderr=as_json)
    try:
        city, plan = _city_and_plan(trace, seconds, couriers, jobs_per_minute, seed)
        plan = replace(plan, governs=target is None and trace is None, alone=target is None)
    except TraceError as fault:
        fail(str(fault), USAGE)
    folder = (data_dir or default_data_dir() / "demo").expanduser().resolve()
    run = Run(console, city, plan, speed, folder, http_address or _free_http_address())
    with reported():
        # Of a suite of our own, the key that it makes for itself.
        wallet = None if target is None else Wallet(issuer_of(key, resolve({"data_dir": data_dir}).values))
    try:
        account = asyncio.run(run.play(target, wallet))
    except (SuiteFailed, OSError) as fault:
        fail(str(fault), FAILED)
    except grpc.aio.AioRpcError as fault:
        where = target or "the suite"
        fail(f"{where} answered {fault.code().name}: {fault.details()}", FAILED)
    if account is None:
        fail("interrupted before it began", INTERRUPTED)
    result = run.result(account, target)
    if picture is not None:
        _draw(account, city, picture)
    if as_json:
        print(json.dumps(result))
    else:
        run.print_summary(account, result, target)
    if result["lost"] or result["doubled"] or result["offers_doubled"]:
        raise typer.Exit(FAILED)


def _free_http_address() -> str:
    """The usual one, where Prometheus looks; any other where that one is taken."""
    usual = str(Settings.model_fields["http_address"].default)
    host, _, port = usual.rpartition(":")
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, int(port)))
        except OSError:
            return f"{host}:0"
    return usual


def _called_as() -> str:
    """The command as the user can type it again."""
    command = Path.cwd() / sys.argv[0]
    return str(command.relative_to(Path.cwd())) if command.is_relative_to(Path.cwd()) else command.name


def _decided(table: Table, market: oversight_pb.MarketView) -> None:
    """Decisions about people, and how many of them a human took part in."""
    rows = {row.kind: row for row in market.decisions}
    total = sum(row.by_rule + row.by_solver + row.by_human for row in rows.values())
    human = sum(row.by_human for row in rows.values())
    table.add_row("decisions about people", f"{total:,}", f"{human} by a human")
    rated = sum(row.by_rule for kind, row in rows.items() if kind in ("score", "exclusion"))
    work = market.reviews
    spent = f"{work.time_spent.seconds / 60:.0f} min, {view.money(work.pay_per_hour)} an hour"
    table.add_row("ratings", f"{rated:,}", f"{work.opened} reviews, {work.decided} decided by reviewers: {spent}")


def _draw(account: Account, city: City, path: Path) -> None:
    console = Console(record=True, width=112, file=io.StringIO(), force_terminal=True)
    console.print(view.render(account.market, city.name, 1.0, ""))
    path.write_text(console.export_svg(title="gig demo"), "utf-8")


def _city_and_plan(
    trace: Path | None, seconds: float | None, couriers: int | None, jobs_per_minute: float, seed: int
) -> tuple[City, Plan]:
    rng = np.random.default_rng(seed)
    if trace is not None:
        cargo = CargoCity(read_instance(trace))
        return cargo, Plan(seconds, min(couriers or cargo.couriers, cargo.couriers), 0.0, seed, bicycles=False)
    return _manhattan(rng) or GeneratedCity(rng), Plan(
        seconds or 60.0, couriers or 420, jobs_per_minute, seed, bicycles=True
    )


def _manhattan(rng: np.random.Generator) -> City | None:
    """Return the city of Manhattan, None where its data are not installed. Only this city needs research libraries."""
    folder = data_folder()
    if folder is None:
        return None
    from load_tests.cities.manhattan import Manhattan

    return Manhattan(folder, rng)


class Run:
    """One demonstration with its suite, its view and its summary."""

    def __init__(
        self, console: Console, city: City, plan: Plan, speed: float, data_dir: Path, http_address: str
    ) -> None:
        self._console, self._city, self._plan, self._speed = console, city, plan, speed
        self._data_dir = data_dir
        self._http_address = http_address
        self._market = f"demo-{datetime.now().astimezone():%Y%m%d-%H%M%S}"
        self._live: Live | None = None
        self._last_line = 0.0

    async def play(self, target: str | None, wallet: Wallet | None) -> Account | None:
        """None where it was interrupted before it began."""
        stop = asyncio.Event()
        loop = asyncio.get_running_loop()
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.add_signal_handler(number, stop.set)
        if target is not None and wallet is not None:
            return await self._demonstrate(target, wallet, stop)
        self._data_dir.mkdir(parents=True, exist_ok=True)
        zones = self._data_dir / "zones.geojson"
        zones.write_text(self._city.zones_geojson or '{"type": "FeatureCollection", "features": []}', "utf-8")
        suite = SuiteProcess(
            *("--market", self._market, "--clock-speed", f"{self._speed:g}"),
            *("--policy", self._city.policy, "--zones", str(zones), "--http-address", self._http_address),
            data_dir=self._data_dir,
            output=self._data_dir / "suite.log",
        )
        with self._console.status("starting the suite on an embedded PostgreSQL"):
            await suite.start()
        page = f"http://127.0.0.1:{suite.http_port}"
        operator, courier = suite.wallet.token("operator", "ann"), suite.wallet.token("courier", "courier-1")
        link = "[link={}]{}[/link]"
        self._console.print(
            "The market:", link.format(f"{page}/#token={operator}", f"{page}/#token={operator}"), soft_wrap=True
        )
        self._console.print(
            "A courier's page:", link.format(f"{page}/me#token={courier}", f"{page}/me#token={courier}"), soft_wrap=True
        )
        try:
            return None if stop.is_set() else await self._demonstrate(suite.target, suite.wallet, stop)
        finally:
            await suite.stop()

    async def _demonstrate(self, target: str, wallet: Wallet, stop: asyncio.Event) -> Account:
        demonstration = Demonstration(target, wallet, self._city, self._plan, self._show)
        with ExitStack() as screen:
            if self._console.is_terminal:
                self._live = screen.enter_context(Live(console=self._console, refresh_per_second=4))
            return await demonstration.run(stop)

    def _show(self, market: oversight_pb.MarketView, share: float) -> None:
        if self._live is not None:
            self._live.update(view.render(market, self._city.name, share, "Ctrl-C ends it early, in order"))
            return
        now = asyncio.get_running_loop().time()
        if now - self._last_line >= LINE_EVERY_S:
            self._last_line = now
            self._console.print(view.line(market), highlight=False)

    def result(self, account: Account, target: str | None) -> dict[str, Any]:
        """The summary as data."""
        market, states, placed = account.market, account.states, account.placed
        in_hand = sum(states.get(state, 0) for state in IN_HAND)
        completed = states.get("completed", 0)
        served = completed + sum(states.get(state, 0) for state in ("assigned", "at_pickup", "picked_up"))
        return {
            "city": self._city.name,
            "requested": account.journal.requested,
            "placed": placed,
            "completed": completed,
            "in_hand": in_hand,
            "cancelled": states.get("cancelled", 0),
            "expired": states.get("expired", 0),
            "failed": states.get("failed", 0),
            "lost": states["lost"],
            "doubled": states["doubled"],
            "refused": sum(account.journal.refused.values()),
            "unanswered": account.journal.unanswered,
            "completed_or_in_hand_share": round((completed + in_hand) / placed, 4) if placed else None,
            "service_rate": round(served / account.journal.requested, 4) if account.journal.requested else None,
            "offers": account.couriers.offers,
            "offers_doubled": account.couriers.offers_doubled,
            "pings": account.couriers.pings,
            "wait_for_accept_mean_s": market.wait_for_accept.mean.ToMilliseconds() / 1000,
            "wait_for_pickup_mean_s": market.wait_for_pickup.mean.ToMilliseconds() / 1000,
            "wait_for_pickup_p90_s": market.wait_for_pickup.p90.ToMilliseconds() / 1000,
            "fares_minor": market.fares.minor_units,
            "pay_minor": market.pay.minor_units,
            "currency": market.pay.currency_code,
            "decisions": {row.kind: row.by_rule + row.by_solver + row.by_human for row in market.decisions},
            "automation_rate": {row.kind: round(row.automation_rate, 4) for row in market.decisions},
            "reviews_decided": market.reviews.decided,
            "opinions_refused": sum(account.opinions.values()),
            "market_s": round(account.market_s, 1),
            "interrupted": account.interrupted,
            "market": market.market_id,
            "data_dir": None if target else str(self._data_dir),
        }

    def print_summary(self, account: Account, result: dict[str, Any], target: str | None) -> None:
        out = self._console
        out.print(f"\n[bold]{self._city.name}[/bold], {result['market_s'] / 60:.0f} market minutes")
        out.print(f"[dim]{self._city.source}[/dim]")
        table = Table(box=None, show_header=False, padding=(0, 2))
        share = result["completed_or_in_hand_share"]
        table.add_row("jobs placed", str(result["placed"]), f"of {result['requested']} requested")
        table.add_row("completed", str(result["completed"]), f"and {result['in_hand']} still in hand")
        table.add_row(
            "cancelled, expired, failed", f"{result['cancelled']}, {result['expired']}, {result['failed']}", ""
        )
        table.add_row("lost or doubled", f"{result['lost'] + result['doubled']}", "by the clients' own journals")
        table.add_row("completed or in hand", "-" if share is None else f"{share:.1%}", "of the jobs placed")
        table.add_row(
            "service rate", f"{result['service_rate'] or 0:.1%}", "picked up or on the way, of those requested"
        )
        table.add_row("wait for acceptance", f"{result['wait_for_accept_mean_s'] / 60:.1f} min", "mean")
        pickup = f"mean; 90 % within {result['wait_for_pickup_p90_s'] / 60:.0f} min"
        table.add_row("wait for pickup", f"{result['wait_for_pickup_mean_s'] / 60:.1f} min", pickup)
        table.add_row("clients paid", view.money(account.market.fares), "")
        table.add_row("couriers got", view.money(account.market.pay), f"over {result['offers']} offers")
        _decided(table, account.market)
        refusals = (*account.journal.refused.items(), *account.couriers.refusals.items(), *account.opinions.items())
        out.print(table)
        for text, count in refusals:
            out.print(f"[yellow]refused {count}x[/yellow] {text}", highlight=False)
        if target is None:
            gig = _called_as()
            where = f"--data-dir {self._data_dir} --market {self._market}"
            out.print(f"\nThe log is kept in {self._data_dir}, market {self._market}. Try next:", soft_wrap=True)
            for text in (
                f"{gig} log show {where} --last 20",
                f"{gig} log export day.log.gz {where}",
                f"{gig} ledger check {where}",
                f"{gig} serve            the suite for your own clients, gRPC on port 50051",
                f"{gig} replay --help    a recorded day under a policy of yours",
            ):
                out.print(f"  {text}", highlight=False, soft_wrap=True)
