"""The report's figures, from the experiment's tables. Colours: Okabe and Ito's, told apart by the colour-blind too."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import plotly.graph_objects as go
import polars as pl

from dispatcher.currencies import minor_units_in
from geo.units import Floats

COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#F0E442", "#000000")
PHASES = (
    ("p1_s", "waiting for work (P1)"),
    ("p2_s", "to the pickup (P2)"),
    ("p2w_s", "waiting at the pickup"),
    ("p3_s", "with a job (P3)"),
)
PHASE_COLOURS = ("#BBBBBB", "#56B4E9", "#E69F00", "#009E73")
POINTS = np.linspace(0, 1, 201)
MOST_CHANGES = 15
LEAST_ONLINE_H = 0.25


def waits(jobs: pl.DataFrame, labels: Sequence[str]) -> go.Figure:
    """How many clients waited at most so long, all seeds together."""
    figure = _figure("minutes from request to pickup", "share of completed jobs")
    for at, label in enumerate(labels):
        values = jobs.filter((pl.col("policy") == label) & pl.col("wait_s").is_not_null())["wait_s"].to_numpy()
        if values.size:
            figure.add_scatter(x=np.quantile(values, POINTS) / 60, y=POINTS, name=label, line_color=_colour(at))
    figure.update_yaxes(range=[0, 1.02], tickformat=".0%")
    return figure


def service(results: pl.DataFrame, labels: Sequence[str]) -> go.Figure:
    """What became of requests: means over seeds, each seed a dot."""
    figure = _figure("", "share of requests")
    parts = (("service_rate", "completed"), ("cancelled_share", "cancelled"), ("expired_share", "expired"))
    for at, label in enumerate(labels):
        of_policy = results.filter((pl.col("policy") == label) & (pl.col("family") == "service"))
        names, means = [], []
        for name, text in parts:
            values = of_policy.filter(pl.col("measure") == name)["value"].drop_nulls().to_numpy()
            if values.size:
                names.append(text)
                means.append(float(values.mean()))
        figure.add_bar(x=names, y=means, name=label, marker_color=_colour(at))
    figure.update_layout(barmode="group")
    figure.update_yaxes(tickformat=".0%", rangemode="tozero")
    return figure


def earnings(couriers: pl.DataFrame, labels: Sequence[str], currency: str) -> go.Figure:
    """Couriers by what an hour online brought them."""
    figure = _figure(f"{currency} earned an hour online", "share of couriers")
    hourly = {label: hourly_earnings(couriers, label) / minor_units_in(currency) for label in labels}
    known = np.concatenate([values for values in hourly.values() if values.size] or [np.zeros(1)])
    edges = np.linspace(0, max(float(np.quantile(known, 0.995)), 1.0), 41)
    for at, (label, values) in enumerate(hourly.items()):
        if values.size:
            counts, _ = np.histogram(np.clip(values, edges[0], edges[-1]), edges)
            figure.add_scatter(
                x=(edges[:-1] + edges[1:]) / 2,
                y=counts / values.size,
                name=label,
                line_color=_colour(at),
                line_shape="hvh",
                fill="tozeroy",
                fillcolor=_faint(at),
            )
    figure.update_yaxes(tickformat=".0%")
    return figure


def lorenz(couriers: pl.DataFrame, labels: Sequence[str]) -> go.Figure:
    """What share of all hourly earnings the least earning part of the couriers has (Lorenz 1905)."""
    figure = _figure("share of couriers, the least earning first", "share of hourly earnings")
    figure.add_scatter(x=[0, 1], y=[0, 1], name="all the same", line={"color": "#999999", "dash": "dot"})
    for at, label in enumerate(labels):
        values = np.sort(hourly_earnings(couriers, label))
        if values.size and values.sum() > 0:
            share = np.concatenate([[0.0], np.cumsum(values) / values.sum()])
            people = np.linspace(0, 1, share.size)
            figure.add_scatter(x=POINTS, y=np.interp(POINTS, people, share), name=label, line_color=_colour(at))
    figure.update_xaxes(tickformat=".0%")
    figure.update_yaxes(tickformat=".0%")
    return figure


def hours(couriers: pl.DataFrame, labels: Sequence[str]) -> go.Figure:
    """Where the couriers' time online went."""
    figure = _figure("share of time online", "")
    sums = {
        label: np.array([couriers.filter(pl.col("policy") == label)[name].sum() for name, _ in PHASES])
        for label in labels
    }
    for at, (_, text) in enumerate(PHASES):
        shares = [float(sums[label][at] / max(sums[label].sum(), 1e-9)) for label in labels]
        figure.add_bar(
            y=list(labels),
            x=shares,
            name=text,
            orientation="h",
            marker_color=PHASE_COLOURS[at],
            text=[f"{share:.0%}" for share in shares],
        )
    figure.update_layout(barmode="stack")
    figure.update_xaxes(tickformat=".0%", range=[0, 1])
    figure.update_yaxes(autorange="reversed")
    return figure


def take_rate(jobs: pl.DataFrame, labels: Sequence[str]) -> go.Figure:
    """Of what clients paid for completed jobs: what the platform kept; seeds are dots, the bar is their mean."""
    figure = _figure("", "share of fares that the platform kept")
    done = jobs.filter(pl.col("state") == "completed")
    for at, label in enumerate(labels):
        by_seed = (
            done.filter(pl.col("policy") == label)
            .group_by("seed", maintain_order=True)
            .agg((pl.col("platform_minor").sum() / pl.col("fare_minor").sum()).alias("rate"))
        )["rate"].to_numpy()
        if by_seed.size:
            figure.add_bar(x=[label], y=[float(by_seed.mean())], name=label, marker_color=_faint(at))
            figure.add_scatter(
                x=[label] * by_seed.size, y=by_seed, mode="markers", marker_color=_colour(at), showlegend=False
            )
    figure.update_layout(showlegend=False)
    figure.update_yaxes(tickformat=".1%")
    return figure


def decisions(results: pl.DataFrame, labels: Sequence[str]) -> go.Figure:
    """Decisions about people in a replay, by kind: means over seeds."""
    figure = _figure("decisions", "")
    of_kind = results.filter(pl.col("measure").str.starts_with("Decisions: "))
    kinds = of_kind["measure"].unique(maintain_order=True).to_list()
    for at, label in enumerate(labels):
        means = [
            of_kind.filter((pl.col("policy") == label) & (pl.col("measure") == kind))["value"].mean() for kind in kinds
        ]
        names = [kind.removeprefix("Decisions: ") for kind in kinds]
        figure.add_bar(y=names, x=means, name=label, orientation="h", marker_color=_colour(at))
    figure.update_yaxes(autorange="reversed")
    return figure


def changes(differences: pl.DataFrame) -> go.Figure | None:
    """The measures that change most, as a share of what they are under the baseline, of those whose interval does not
    hold zero. None where there is none."""
    clear = differences.filter(
        pl.col("low").is_not_null() & ((pl.col("low") > 0) | (pl.col("high") < 0)) & (pl.col("baseline_mean").abs() > 0)
    ).with_columns((pl.col("difference") / pl.col("baseline_mean").abs()).alias("share"))
    most = clear.sort(pl.col("share").abs(), descending=True).head(MOST_CHANGES).reverse()
    if not most.height:
        return None
    scale = most["baseline_mean"].abs()
    share = most["share"]
    figure = _figure("change against the baseline", "")
    figure.add_scatter(
        x=share,
        y=most["measure"],
        mode="markers",
        marker={"color": [COLOURS[1] if value < 0 else COLOURS[0] for value in share], "size": 9},
        error_x={
            "type": "data",
            "symmetric": False,
            "array": most["high"] / scale - share,
            "arrayminus": share - most["low"] / scale,
        },
    )
    figure.add_vline(x=0, line_color="#999999", line_dash="dot")
    figure.update_layout(height=140 + 26 * most.height, margin={"l": 240}, showlegend=False)
    figure.update_xaxes(tickformat="+.0%")
    return figure


def side_by_side(recorded: Floats, replayed: Floats, text: str) -> go.Figure:
    """Two distribution functions."""
    figure = _figure(text, "share of completed jobs")
    middle = np.linspace(0.01, 0.99, 197)
    for at, (label, values) in enumerate((("recorded", recorded), ("replayed", replayed))):
        figure.add_scatter(x=np.quantile(values, middle), y=middle, name=label, line_color=_colour(at))
    figure.update_yaxes(range=[0, 1.02], tickformat=".0%")
    return figure


def frontier(points: pl.DataFrame) -> go.Figure:
    """Clients' wait against couriers' hourly earnings; those that nothing beats on both counts are joined."""
    figure = _figure("mean wait for the pickup, minutes", "mean earnings an hour online")
    figure.add_scatter(
        x=points["wait_mean_s"] / 60,
        y=points["hourly"],
        mode="markers",
        name="tried",
        marker={"color": "#999999", "size": 8},
        text=points["label"],
    )
    best = points.filter(pl.col("efficient")).sort("wait_mean_s")
    figure.add_scatter(
        x=best["wait_mean_s"] / 60,
        y=best["hourly"],
        mode="lines+markers",
        name="nothing is better on both",
        line_color=COLOURS[1],
        text=best["label"],
    )
    return figure


def hourly_earnings(couriers: pl.DataFrame, label: str) -> Floats:
    """Minor units an hour, of everyone online for a quarter of an hour or more."""
    of_policy = couriers.filter(pl.col("policy") == label)
    online = sum((of_policy[name].to_numpy() for name, _ in PHASES), np.zeros(of_policy.height)) / 3600
    long = online >= LEAST_ONLINE_H
    found: Floats = of_policy["earned_minor"].to_numpy()[long] / online[long]
    return found


def _figure(x: str, y: str) -> go.Figure:
    figure = go.Figure()
    figure.update_layout(
        template="simple_white",
        height=340,
        margin={"l": 60, "r": 20, "t": 60, "b": 50},
        legend={"orientation": "h", "y": 1.02, "yanchor": "bottom"},
        font={"family": "system-ui, sans-serif", "size": 13},
    )
    figure.update_xaxes(title=x)
    figure.update_yaxes(title=y)
    return figure


def _colour(at: int) -> str:
    return COLOURS[at % len(COLOURS)]


def _faint(at: int) -> str:
    red, green, blue = (int(_colour(at)[place : place + 2], 16) for place in (1, 3, 5))
    return f"rgba({red},{green},{blue},0.18)"
