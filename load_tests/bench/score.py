"""Ratings folded one by one, beside computing all scores anew; and ticks of surge over many cells."""

from __future__ import annotations

from collections.abc import Callable
from time import perf_counter
from typing import Any

import h3.api.basic_int as h3
import numpy as np

from dispatcher import commands, policy
from dispatcher.market import Market, MovedCouriers
from dispatcher.pricing.surge import SurgeField, counted, field_of, tick
from dispatcher.times import SECOND
from geo.cells import CellGrid
from geo.units import Floats
from gig.v1 import courier_service_pb2 as courier_pb
from gig.v1 import job_pb2 as job_pb
from gig.v1 import types_pb2 as types_pb
from ratings.book import RatingBook, ScoreRules

SEED = 3
# A city's share of people: each courier is rated often, each client rates now and then.
COURIERS, CLIENTS = 20_000, 300_000
SPACING_S = 7.0
STARS = (0.03, 0.03, 0.07, 0.17, 0.70)
RULES = ScoreRules(
    half_life_s=90 * 86_400.0,
    prior_weight=10.0,
    prior_mean=4.6,
    market_weight=200.0,
    leniency_weight=5.0,
    leniency_limit=1.5,
)
# Two ways of summing a million floats differ in the last digits.
TOLERANCE = 1e-6
TICKS = 20
CENTRE = (40.75, -73.98)
RESOLUTION = 8


def bench_score(ratings: int, cells: int, progress: Callable[[str], None]) -> dict[str, Any]:
    """Ratings a second of the incremental fold, whether its scores equal those computed anew from all ratings, and the
    median milliseconds of a surge tick, alone and within a market that counts its jobs and couriers first."""
    progress(f"{ratings:,} ratings")
    result = _ratings(ratings)
    progress(f"{TICKS} ticks over {cells:,} cells")
    return result | _surge(cells)


def _ratings(count: int) -> dict[str, Any]:
    rng = np.random.default_rng(SEED)
    rated, raters = rng.integers(0, COURIERS, count), rng.integers(0, CLIENTS, count)
    stars = rng.choice(5, count, p=STARS) + 1
    given = list(
        zip(
            [f"courier-{number}" for number in rated.tolist()],
            [f"client-{number}" for number in raters.tolist()],
            stars.tolist(),
            _times(count).tolist(),
            strict=True,
        )
    )
    book, counts = RatingBook(), []
    began = perf_counter()
    for person, rater, one, at in given:
        counts.append(book.add(person, rater, one, at, RULES))
    fold_s = perf_counter() - began
    now = given[-1][3]
    began = perf_counter()
    anew = scores_anew(rated, np.array(counts), _times(count), now)
    anew_s = perf_counter() - began
    folded = np.array([book.score(f"courier-{number}", now, RULES) for number in range(COURIERS)])
    sequential = _leniencies_anew(rated, raters, stars, np.array(counts))
    off = float(np.abs(folded - anew).max())
    return {
        "ratings": count,
        "ratings_per_s": round(count / fold_s),
        "equal_to_recomputed": bool(off < TOLERANCE and sequential < TOLERANCE),
        "largest_difference": max(off, sequential),
        "recomputing_all_s": round(anew_s, 3),
    }


def _times(count: int) -> Floats:
    """Of the ratings, Unix seconds."""
    times: Floats = 1.7e9 + SPACING_S * np.arange(count, dtype=np.float64)
    return times


def scores_anew(rated: Any, counts: Floats, times: Floats, now: float) -> Floats:
    """All scores from all ratings at once, by the definition in ratings.book, given what each rating counts."""
    weights = 0.5 ** ((now - times) / (RULES.half_life_s or np.inf))
    sums = np.bincount(rated, weights * counts, COURIERS)
    weight = np.bincount(rated, weights, COURIERS)
    mean = (RULES.market_weight * RULES.prior_mean + counts.sum()) / (RULES.market_weight + counts.size)
    scores: Floats = (RULES.prior_weight * mean + sums) / (RULES.prior_weight + weight)
    return scores


def _leniencies_anew(rated: Any, raters: Any, stars: Any, counts: Floats) -> float:
    """What each of the last ratings counts, computed once more from nothing but those before it: the largest error.

    A score as of an earlier rating needs all ratings before it, so a sample of raters is followed.
    """
    times = _times(stars.size)
    worst = 0.0
    for rater in np.unique(raters[-20:]):
        own, residual = np.flatnonzero(raters == rater), 0.0
        for given, place in enumerate(own.tolist()):
            bias = residual / (RULES.leniency_weight + given)
            counted_ = stars[place] - min(max(bias, -RULES.leniency_limit), RULES.leniency_limit)
            worst = max(worst, abs(min(max(counted_, 1.0), 5.0) - counts[place]))
            before = np.flatnonzero(rated[:place] == rated[place])
            weights = 0.5 ** ((times[place] - times[before]) / (RULES.half_life_s or np.inf))
            mean = (RULES.market_weight * RULES.prior_mean + counts[:place].sum()) / (RULES.market_weight + place)
            score = (RULES.prior_weight * mean + (weights * counts[before]).sum()) / (
                RULES.prior_weight + weights.sum()
            )
            residual += stars[place] - score
    return worst


def _surge(cells: int) -> dict[str, Any]:
    """The first tick looks the neighbours of all cells up, once and for all; it is told apart."""
    rng = np.random.default_rng(SEED)
    rings = int((cells / 3) ** 0.5) + 2
    disk = h3.grid_disk(h3.latlng_to_cell(*CENTRE, RESOLUTION), rings)
    chosen = np.sort(np.array(list(disk), np.int64))[:cells]
    rules, grid, field = policy.load("plain").surge, CellGrid(), SurgeField()
    spent = []
    for number in range(1, TICKS + 1):
        at_us = number * 60 * SECOND
        demand, supply = (counted(rng.choice(chosen, 2 * cells)) for _ in range(2))
        began = perf_counter()
        event = tick(field, demand, supply, rules, at_us, grid)
        field = field_of(event, at_us, number)
        spent.append((perf_counter() - began) * 1000)
    return {
        "cells": int(chosen.size),
        "surge_market_tick_ms": _market_tick_ms(chosen),
        "surge_tick_ms": round(float(np.median(spent[1:])), 2),
        "surge_first_tick_ms": round(spent[0], 2),
        "surge_cells_kept": int(field.cells.size),
    }


def _market_tick_ms(cells: Any) -> float:
    """Median of a market's whole tick, with a free courier in each cell, and a waiting job for every second one."""
    market, now = Market.new(), 1_700_000_000 * SECOND
    market.apply(market.opening("bench", policy.load("plain"), now, secret=b""))
    for number, cell in enumerate(cells.tolist()):
        latitude, longitude = h3.cell_to_latlng(cell)
        position = types_pb.Position(latitude=latitude, longitude=longitude)
        profile = courier_pb.CourierProfile(vehicle_type=types_pb.VEHICLE_TYPE_CAR)
        online = courier_pb.GoOnline(profile=profile, position=position)
        market.apply(market.decide(commands.GoOnline(courier_id=f"courier-{number}", online=online), now))
        if number % 2 == 0:
            place = types_pb.Place(position=position)
            spec = job_pb.JobSpec(kind=types_pb.JOB_KIND_RIDE, pickup=place, dropoff=place)
            job = commands.PlaceJob(job_id=f"job-{number}", client_id=f"client-{number}", spec=spec)
            market.apply(market.decide(job, now))
    spent = []
    for _ in range(TICKS):
        now += 60 * SECOND
        began = perf_counter()
        market.apply(market.tick_surge(MovedCouriers.none(), now))
        spent.append((perf_counter() - began) * 1000)
    return round(float(np.median(spent[1:])), 2)
