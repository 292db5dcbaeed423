"""The catalogue of measures in Prometheus' text formats, of any number of markets, written at each scrape.

The lines are those that prometheus-client would write, which takes 7 ms a market; names and labels of a series are put
together once, and each scrape writes only numbers.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import lru_cache
from itertools import accumulate
from typing import Any

from prometheus_client.utils import floatToGoString

from dispatcher.measures.areas import SMALLEST_GROUP
from dispatcher.measures.catalogue import CATALOGUE, Kind, Metric, Reading
from dispatcher.measures.catalogue.market import STATE_OF_MARKET
from dispatcher.measures.histogram import Histogram

METRICS: tuple[Metric, ...] = (*STATE_OF_MARKET, *(metric for measure in CATALOGUE for metric in measure.metrics))

# Counts recur in a scrape and from one to the next.
_number = lru_cache(1 << 14)(floatToGoString)


class MeasureText:
    """``readings``: of each market by its id. Labels are closed vocabularies; never a person, and nothing on how people
    are spread where fewer than ten couriers are known."""

    def __init__(self, readings: Callable[[], Mapping[str, Reading]]) -> None:
        self._readings = readings
        # By metric and market: values of the labels -> what stands before each of their numbers.
        self._series: dict[tuple[str, str], dict[Any, Any]] = {}

    def lines(self, openmetrics: bool) -> Iterator[str]:
        """Of each metric a block: its help, its type, its samples; with exemplars in OpenMetrics."""
        readings = self._readings()
        for metric in METRICS:
            yield from _head(metric, openmetrics)
            for market, reading in readings.items():
                if metric.people and len(reading.measures.couriers) < SMALLEST_GROUP:
                    continue
                known = self._series.setdefault((metric.name, market), {})
                for labels, value in metric.read(reading).items():
                    if isinstance(value, Histogram):
                        if any(value.counts):
                            yield _buckets(metric, market, labels, value, known, openmetrics)
                        continue
                    start = known.get(labels)
                    if start is None:
                        start = known[labels] = _start(metric, market, labels)
                    yield f"{start}{_number(value)}\n"


def _head(metric: Metric, openmetrics: bool) -> tuple[str, str]:
    name = f"{metric.name}_total" if metric.kind is Kind.COUNTER and not openmetrics else metric.name
    return f"# HELP {name} {_escaped(metric.help)}\n", f"# TYPE {name} {metric.kind.value}\n"


def _start(metric: Metric, market: str, labels: Sequence[str]) -> str:
    name = f"{metric.name}_total" if metric.kind is Kind.COUNTER else metric.name
    return _named(name, metric, market, labels)


def _named(name: str, metric: Metric, market: str, labels: Sequence[str], **more: str) -> str:
    """A series' name with its labels in order, and the space before its number."""
    pairs = {"market": market, **dict(zip(metric.labels, labels, strict=True)), **more}
    inside = ",".join(f'{name}="{_escaped(value)}"' for name, value in sorted(pairs.items()))
    return f"{name}{{{inside}}} "


def _escaped(text: str) -> str:
    return text.replace("\\", r"\\").replace("\n", r"\n").replace('"', r"\"")


def _buckets(
    metric: Metric, market: str, labels: Sequence[str], found: Histogram, known: dict[Any, Any], openmetrics: bool
) -> str:
    """Cumulative, each with the decision that was last seen in it; then count and sum, which OpenMetrics forbids where
    values may be negative."""
    starts = known.get(labels)
    if starts is None:
        edges = (*map(float, found.edges), float("inf"))
        buckets = [_named(f"{metric.name}_bucket", metric, market, labels, le=floatToGoString(edge)) for edge in edges]
        sums = [_named(f"{metric.name}_{what}", metric, market, labels) for what in ("count", "sum")]
        starts = known[labels] = buckets, *sums
    buckets, count, total = starts
    counts = list(accumulate(found.counts))
    numbers = map(_number, counts)
    if openmetrics and any(found.examples):
        lines = [
            f"{start}{number}{_exemplar(example)}\n"
            for start, number, example in zip(buckets, numbers, found.examples, strict=True)
        ]
    else:
        lines = [f"{start}{number}\n" for start, number in zip(buckets, numbers, strict=True)]
    if found.edges[0] < 0:
        return "".join(lines)
    return f"{''.join(lines)}{count}{_number(counts[-1])}\n{total}{_number(found.total)}\n"


def _exemplar(example: tuple[str, float] | None) -> str:
    if example is None:
        return ""
    decision_id, value = example
    return f' # {{decision_id="{_escaped(decision_id)}"}} {_number(value)}'
