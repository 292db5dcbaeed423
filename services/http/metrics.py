"""The catalogue of measures as Prometheus metrics, of any number of markets, read at each scrape."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily
from prometheus_client.metrics_core import Metric as Exposed
from prometheus_client.registry import Collector
from prometheus_client.samples import Exemplar

from dispatcher.measures.areas import SMALLEST_GROUP
from dispatcher.measures.catalogue import CATALOGUE, Kind, Metric, Reading
from dispatcher.measures.catalogue.market import STATE_OF_MARKET
from dispatcher.measures.histogram import Histogram

METRICS: tuple[Metric, ...] = (*STATE_OF_MARKET, *(metric for measure in CATALOGUE for metric in measure.metrics))
FAMILIES: Mapping[Kind, type[Any]] = {
    Kind.COUNTER: CounterMetricFamily,
    Kind.GAUGE: GaugeMetricFamily,
    Kind.HISTOGRAM: HistogramMetricFamily,
}


class MeasureCollector(Collector):
    """``readings``: of each market by its id. Labels are closed vocabularies; never a person, and nothing on how people
    are spread where fewer than ten couriers are known."""

    def __init__(self, readings: Callable[[], Mapping[str, Reading]]) -> None:
        self._readings = readings

    def describe(self) -> Iterable[Exposed]:
        """Nothing is read for it."""
        return ()

    def collect(self) -> Iterator[Exposed]:
        readings = self._readings()
        for metric in METRICS:
            yield exposed(metric, readings)


def exposed(metric: Metric, readings: Mapping[str, Reading]) -> Exposed:
    family: Exposed = FAMILIES[metric.kind](metric.name, metric.help, labels=["market", *metric.labels])
    for market, reading in readings.items():
        if metric.people and len(reading.measures.couriers) < SMALLEST_GROUP:
            continue
        for labels, value in metric.read(reading).items():
            if isinstance(value, Histogram):
                if value.count:
                    family.add_metric([market, *labels], _buckets(value), value.total)  # type: ignore[attr-defined]
            else:
                family.add_metric([market, *labels], value)  # type: ignore[attr-defined]
    return family


def _buckets(histogram: Histogram) -> list[Any]:
    """Cumulative, with the decision that each was last seen with."""
    seen, buckets = 0, []
    for edge, count, example in zip((*histogram.edges, "+Inf"), histogram.counts, histogram.examples, strict=True):
        seen += count
        told = None if example is None else Exemplar({"decision_id": example[0]}, example[1])
        buckets.append((str(edge), seen, told))
    return buckets
