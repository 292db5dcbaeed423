"""The projection folded over a busy market's log, and a scrape of many markets."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from time import perf_counter
from typing import Any

import numpy as np

from dispatcher.measures import Measures, figures
from dispatcher.measures.catalogue import CATALOGUE, Reading
from gig.v1 import events_pb2 as events_pb
from load_tests.bench.busy_market import BusyMarket
from services.http.metrics import MeasureText

SCRAPES = 5
# The fold is told as the best of so many, for whatever else the machine does only slows it.
FOLDS = 3


def bench_measures(
    couriers: int, hours: float, markets: int, log: Sequence[events_pb.Event], progress: Callable[[str], None]
) -> dict[str, Any]:
    """Events a second that the fold takes on one core, and the median milliseconds of a scrape of so many markets, each
    with the whole catalogue. ``log``: empty: of a busy market, made here."""
    if not log:
        progress(f"a market of {couriers} couriers, for {hours:g} hours")
        log = BusyMarket(couriers, couriers * 7.0, hours).run()
    progress(f"folding {len(log):,} events")
    folded = [_fold(log) for _ in range(FOLDS)]
    measures = folded[0][1]
    progress(f"{markets} markets scraped")
    readings = {f"market-{number}": Reading(measures, figures(measures)) for number in range(markets)}
    text = MeasureText(lambda: readings)
    scrapes, size = [], 0
    for _ in range(SCRAPES):
        began = perf_counter()
        size = len("".join(text.lines(openmetrics=True)).encode())
        scrapes.append(perf_counter() - began)
    began = perf_counter()
    figures(measures)
    return {
        "events": len(log),
        "events_per_s": round(len(log) / min(seconds for seconds, _ in folded)),
        "couriers": len(measures.couriers),
        "measures": sum(measure.value(readings["market-0"]) is not None for measure in CATALOGUE),
        "markets": markets,
        "scrape_ms": round(float(np.median(scrapes)) * 1000, 1),
        "scrape_bytes": size,
        "figures_ms": round((perf_counter() - began) * 1000, 2),
    }


def _fold(log: Sequence[events_pb.Event]) -> tuple[float, Measures]:
    measures = Measures()
    began = perf_counter()
    for event in log:
        measures.fold(event)
    measures.bring_to(measures.time_us)
    return perf_counter() - began, measures
