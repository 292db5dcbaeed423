"""Figures over all couriers: what no counter can hold. Computed by arrays, now and then.

Nothing here is about fewer than ten people: such a figure is absent.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass, field

import numpy as np

from dispatcher.measures.areas import SMALLEST_GROUP
from dispatcher.measures.fold import Measures
from dispatcher.measures.histogram import HOURLY_EDGES, Histogram
from dispatcher.measures.opinions import NEAR_STARS, one_stars_to_cut
from dispatcher.measures.records import CourierRecord, Totals
from dispatcher.measures.work_time import HOUR_US, Sums
from geo.units import Floats

# Who was online for less is not compared.
LEAST_ONLINE_US = HOUR_US
# Under each of two policies.
LEAST_UNDER_POLICY_US = HOUR_US // 2
QUANTILES = (0.1, 0.5, 0.9)


@dataclass(slots=True)
class Figures:
    """As of one moment. None: there are too few people, or nothing to compare.

    Of this week, over couriers online for an hour or more: ``couriers``; ``gini`` and ``theil`` of hourly earnings on
    online time; ``below_floor`` by basis ("gross", "net" of cost). Over everyone online this week: ``hourly`` by basis,
    ``net`` (mean, minor units an hour), ``unpaid`` (quantiles). Since the records began: ``fairness_max``,
    ``fairness_sd``, ``steering`` (share of offers, and of online time, of the best-scored tenth). Over the active with
    a score: ``pressure``, ``fragility`` (median, lowest tenth), ``correction`` (mean absolute change, stars). Over
    those at work under the last two policies: ``losers``, ``mean_change``.
    """

    time_us: int = 0
    sums: Sums = field(default_factory=Sums)
    couriers: int = 0
    hourly: dict[str, Histogram] = field(default_factory=dict)
    net: float | None = None
    below_floor: dict[str, float] = field(default_factory=dict)
    unpaid: tuple[float, ...] | None = None
    gini: float | None = None
    theil: float | None = None
    fairness_max: float | None = None
    fairness_sd: float | None = None
    steering: tuple[float, float] | None = None
    pressure: float | None = None
    fragility: tuple[float, float] | None = None
    correction: float | None = None
    losers: float | None = None
    mean_change: float | None = None


def figures(measures: Measures) -> Figures:
    """As of the moment that the measures were last brought to."""
    measures.whereabouts.fold()
    records = list(measures.couriers.values())
    found = Figures(measures.time_us, measures.time.sums(records))
    weeks = [record.since(record.week) for record in records]
    _earnings(found, measures, records, weeks)
    _fairness(found, records)
    _scores(found, measures, [record for record, week in zip(records, weeks, strict=True) if week.online_us])
    _policies(found, measures, records)
    return found


def _columns(weeks: list[Totals]) -> Floats:
    """Rows: online and engaged hours, minor units, kilometres; shape (4, couriers)."""
    rows = [(week.online_us, week.engaged_us, week.earned, week.metres) for week in weeks]
    columns: Floats = np.array(rows, np.float64).reshape(-1, 4).T / np.array([[HOUR_US], [HOUR_US], [1.0], [1000.0]])
    return columns


def _earnings(found: Figures, measures: Measures, records: list[CourierRecord], weeks: list[Totals]) -> None:
    terms = measures.terms
    online, engaged, earned, km = _columns(weeks)
    cost = km * np.array([terms.costs.get(record.vehicle, 0.0) for record in records])
    hours = {"online": online, "engaged": engaged}
    rates = {basis: earned[spent > 0] / spent[spent > 0] for basis, spent in hours.items()}
    rates = {basis: values for basis, values in rates.items() if values.size >= SMALLEST_GROUP}
    edges = hourly_edges(rates.values())
    found.hourly = {basis: _histogram(values, edges) for basis, values in rates.items()}
    worked = online > 0
    if worked.sum() >= SMALLEST_GROUP:
        found.net = float((earned - cost)[worked].sum() / online[worked].sum())
        found.unpaid = _unpaid(records)
    long = online * HOUR_US >= LEAST_ONLINE_US
    found.couriers = int(long.sum())
    if found.couriers < SMALLEST_GROUP:
        return
    gross, net = earned[long] / online[long], (earned - cost)[long] / online[long]
    found.gini, found.theil = gini(gross), theil(gross)
    if terms.floor_per_hour:
        for name, values in (("gross", gross), ("net", net)):
            found.below_floor[name] = float((values < terms.floor_per_hour).mean())


def hourly_edges(rates: Iterable[Floats]) -> tuple[float, ...]:
    """Return edges for hourly earnings, minor units: HOURLY_EDGES, or a power of ten of them where a median is beyond
    the last edge, as in currencies whose units are small."""
    median = max((float(np.median(values)) for values in rates), default=0.0)
    tens = max(math.ceil(math.log10(median / HOURLY_EDGES[-1])), 0) if median > 0 else 0
    return tuple(edge * 10**tens for edge in HOURLY_EDGES)


def _histogram(values: Floats, edges: tuple[float, ...]) -> Histogram:
    counts = np.bincount(np.searchsorted(edges, values), minlength=len(edges) + 1)
    return Histogram(edges, counts.tolist(), float(values.sum()))


def _unpaid(records: list[CourierRecord]) -> tuple[float, ...] | None:
    """Quantiles over couriers of (P1 + unpaid P2) / online, since their records began."""
    shares = [
        (record.phases_us[0] + record.waiting_us + record.cancelled_us) / online
        for record in records
        if (online := sum(record.phases_us)) > 0
    ]
    return tuple(np.quantile(shares, QUANTILES).tolist()) if len(shares) >= SMALLEST_GROUP else None


def _fairness(found: Figures, records: list[CourierRecord]) -> None:
    """What each got of all earnings, less what each gave of all online time; and who gets the offers."""
    rows = [(sum(r.phases_us), r.earned, r.offers_made, r.score or np.nan) for r in records if sum(r.phases_us)]
    if len(rows) < SMALLEST_GROUP:
        return
    online, earned, offers, score = np.array(rows, np.float64).T
    if earned.sum() > 0:
        gap = earned / earned.sum() - online / online.sum()
        found.fairness_max, found.fairness_sd = float(np.abs(gap).max()), float(gap.std())
    scored = np.flatnonzero(~np.isnan(score))
    if scored.size >= SMALLEST_GROUP and offers[scored].sum():
        best = scored[np.argsort(-score[scored], kind="stable")][: max(scored.size // 10, 1)]
        share = offers[best].sum() / offers[scored].sum(), online[best].sum() / online[scored].sum()
        found.steering = float(share[0]), float(share[1])


def _scores(found: Figures, measures: Measures, active: list[CourierRecord]) -> None:
    terms, now = measures.terms, measures.time_us
    scored = [record for record in active if record.ratings > 0]
    if len(scored) < SMALLEST_GROUP:
        return
    found.correction = float(np.mean([abs(measures.opinions.correction_of(r, terms, now)) for r in scored]))
    if terms.thresholds:
        scores, thresholds = np.array([record.score for record in scored]), np.array(terms.thresholds)
        near = (np.abs(scores[:, None] - thresholds[None, :]) <= NEAR_STARS).any(axis=1)
        found.pressure = float(near.mean())
        cuts = np.array([one_stars_to_cut(record, terms, now) for record in scored], np.float64)
        found.fragility = float(np.median(cuts)), float(np.quantile(cuts, 0.1, method="lower"))


def _policies(found: Figures, measures: Measures, records: list[CourierRecord]) -> None:
    if not measures.policy_changes:
        return
    pairs = [(record.before, record.since(record.version)) for record in records]
    enough = LEAST_UNDER_POLICY_US
    kept = [(a, b) for a, b in pairs if a.online_us >= enough and b.online_us >= enough]
    if len(kept) < SMALLEST_GROUP:
        return
    before, after = (
        np.array([side.earned / side.online_us * HOUR_US for side in sides]) for sides in zip(*kept, strict=True)
    )
    found.losers = float((after < before).mean())
    found.mean_change = float(after.mean() - before.mean())


def gini(values: Floats) -> float | None:
    """Mean absolute difference of all pairs over twice the mean (Gini 1912); None where the mean is not positive.

    ``values``: shape (n,). By order: 2 sum(i x_i) / (n sum x) - (n + 1) / n.
    """
    total, n = float(values.sum()), values.size
    if total <= 0:
        return None
    ranks = np.arange(1, n + 1)
    return float(2 * (ranks * np.sort(values)).sum() / (n * total) - (n + 1) / n)


def theil(values: Floats) -> float | None:
    """Mean of x/m ln(x/m), with m the mean (Theil 1967); those who earned nothing count 0. None where m is not
    positive."""
    mean = float(values.mean())
    if mean <= 0:
        return None
    ratio = np.maximum(values, 0.0) / mean
    logs = np.log(ratio, out=np.zeros_like(ratio), where=ratio > 0)
    return float((ratio * logs).mean())
