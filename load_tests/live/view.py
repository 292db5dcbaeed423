"""The live terminal view of a market: jobs and couriers by state, offers, waits, money."""

from __future__ import annotations

from collections.abc import Iterable

from google.protobuf.duration_pb2 import Duration
from rich.console import Group, RenderableType
from rich.panel import Panel
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from dispatcher.money import text as read_money
from gig.v1 import oversight_service_pb2 as pb
from gig.v1 import types_pb2 as types_pb

JOB_STATES = (
    ("scheduled", "cyan"),
    ("queued", "yellow"),
    ("offered", "magenta"),
    ("assigned", "blue"),
    ("at_pickup", "blue"),
    ("picked_up", "green"),
    ("completed", "bold green"),
    ("cancelled", "red"),
    ("expired", "red"),
    ("failed", "red"),
)
COURIER_STATES = (("free", "yellow"), ("to_pickup", "blue"), ("at_pickup", "blue"), ("with_job", "green"))
OFFER_STATES = (
    ("open", "magenta"),
    ("accepted", "green"),
    ("declined", "yellow"),
    ("timed_out", "yellow"),
    ("withdrawn", "red"),
)
BAR_WIDTH = 13


def render(market: pb.MarketView, title: str, share: float, note: str) -> RenderableType:
    """One frame; ``share`` of the demonstration has passed."""
    clock = market.time.ToDatetime().strftime("%H:%M:%S")
    head = Text.assemble(
        (title, "bold"), f"   market time {clock}   x{market.clock_speed:g}   {market.jobs_placed} jobs placed"
    )
    bar = Table.grid()
    bar.add_row(ProgressBar(total=1.0, completed=min(share, 1.0), width=BAR_WIDTH * 6))
    tables = Table.grid(padding=(0, 1))
    tables.add_row(
        _panel("jobs", _states(market.jobs, JOB_STATES)),
        Group(
            _panel("couriers", _states(market.couriers, COURIER_STATES)),
            _panel("offers", _states(market.offers, OFFER_STATES)),
        ),
        Group(_panel("waits", _waits(market)), _panel("money", _money(market))),
    )
    return Group(head, bar, tables, Text(note, style="dim"))


def _panel(title: str, content: RenderableType) -> Panel:
    return Panel(content, title=title, border_style="dim", expand=True)


def line(market: pb.MarketView) -> str:
    """The same in one line, for where no terminal is."""
    jobs = counts(market.jobs)
    return (
        f"{market.time.ToDatetime():%H:%M:%S}  placed {market.jobs_placed}  waiting {jobs.get('queued', 0)}  "
        f"in hand {sum(jobs.get(s, 0) for s in ('offered', 'assigned', 'at_pickup', 'picked_up'))}  "
        f"completed {jobs.get('completed', 0)}  pickup wait p50 {_clock(market.wait_for_pickup.p50)}  "
        f"pay {money(market.pay)}"
    )


# Jobs that are not over.
LIVE_STATES = ("scheduled", "queued", "offered", "assigned", "at_pickup", "picked_up")


def counts(states: Iterable[pb.StateCount]) -> dict[str, int]:
    return {entry.state: entry.count for entry in states}


def money(amount: types_pb.Money) -> str:
    return read_money(amount.minor_units, amount.currency_code)


def _states(states: Iterable[pb.StateCount], order: tuple[tuple[str, str], ...]) -> Table:
    found = counts(states)
    most = max([found.get(state, 0) for state, _ in order] + [1])
    table = Table.grid(padding=(0, 1))
    for state, style in order:
        count = found.get(state, 0)
        bar = "█" * round(BAR_WIDTH * count / most)
        table.add_row(state.replace("_", " "), Text(str(count), justify="right"), Text(bar, style=style))
    return table


def _waits(market: pb.MarketView) -> Table:
    table = Table.grid(padding=(0, 2))
    table.add_row("", "mean", "50 %", "90 %")
    for name, waits in (("accepted", market.wait_for_accept), ("picked up", market.wait_for_pickup)):
        table.add_row(name, _clock(waits.mean), _clock(waits.p50), _clock(waits.p90))
    last = market.last_round
    table.add_row("last round", f"{last.jobs} jobs", f"{last.couriers} free", f"{last.offers} offers")
    return table


def _money(market: pb.MarketView) -> Table:
    table = Table.grid(padding=(0, 2))
    fares, pay, tax = market.fares.minor_units, market.pay.minor_units, market.tax.minor_units
    table.add_row("clients paid", money(market.fares))
    table.add_row("couriers got", money(market.pay))
    net = fares - tax
    table.add_row("take rate", f"{(net - pay) / net:.1%}" if net else "-")
    online = sum(d.ToTimedelta().total_seconds() for d in (market.courier_free, market.courier_to_pickup))
    online += market.courier_with_job.ToTimedelta().total_seconds()
    per_hour = read_money(round(pay * 3600 / online), market.pay.currency_code) if online else "-"
    table.add_row("an hour online", per_hour)
    with_job = market.courier_with_job.ToTimedelta().total_seconds()
    table.add_row("utilisation", f"{with_job / online:.0%}" if online else "-")
    return table


def _clock(duration: Duration) -> str:
    seconds = round(duration.ToTimedelta().total_seconds())
    return f"{seconds // 60}:{seconds % 60:02d}"
