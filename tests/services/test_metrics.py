"""/metrics of the measures: what prometheus-client would write, at any number of markets; nothing on few people."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator

import pytest
from prometheus_client import CollectorRegistry
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily
from prometheus_client.exposition import generate_latest as text_format
from prometheus_client.metrics_core import Metric as Exposed
from prometheus_client.openmetrics.exposition import generate_latest as openmetrics_format
from prometheus_client.openmetrics.parser import text_string_to_metric_families
from prometheus_client.registry import Collector
from prometheus_client.samples import Exemplar
from prometheus_client.utils import floatToGoString

from dispatcher.measures.catalogue import Kind, Reading
from dispatcher.measures.catalogue.report import reading_of
from dispatcher.measures.histogram import Histogram
from load_tests.bench.busy_market import BusyMarket
from services.http.metrics import METRICS, MeasureText
from tests.tools import needed

FAMILIES = {
    Kind.COUNTER: CounterMetricFamily,
    Kind.GAUGE: GaugeMetricFamily,
    Kind.HISTOGRAM: HistogramMetricFamily,
}


class ByTheLibrary(Collector):
    def __init__(self, readings: dict[str, Reading]) -> None:
        self.readings = readings

    def describe(self) -> list[Exposed]:
        return []

    def collect(self) -> Iterator[Exposed]:
        for metric in METRICS:
            family = FAMILIES[metric.kind](metric.name, metric.help, labels=["market", *metric.labels])
            for market, reading in self.readings.items():
                for labels, value in metric.read(reading).items():
                    if not isinstance(value, Histogram):
                        family.add_metric([market, *labels], value)
                    elif value.count:
                        family.add_metric([market, *labels], buckets(value), value.total)
            yield family


def buckets(found: Histogram) -> list[tuple]:
    seen, rows = 0, []
    edges = (*map(float, found.edges), float("inf"))
    for edge, count, example in zip(edges, found.counts, found.examples, strict=True):
        seen += count
        told = None if example is None else Exemplar({"decision_id": example[0]}, example[1])
        rows.append((floatToGoString(edge), seen, told))
    return rows


@pytest.fixture(scope="module")
def readings() -> dict[str, Reading]:
    reading = reading_of(BusyMarket(couriers=40, jobs_an_hour=250, hours=1.5).run())
    return {"one": reading, 'two "quoted" \\ markets': reading}


@pytest.mark.parametrize("openmetrics", [True, False])
def test_the_text_is_what_the_library_writes(readings: dict[str, Reading], openmetrics: bool) -> None:
    registry = CollectorRegistry()
    registry.register(ByTheLibrary(readings))
    expected = (openmetrics_format if openmetrics else text_format)(registry).decode().removesuffix("# EOF\n")
    ours = MeasureText(lambda: readings)
    for _ in range(2):  # the second time from what it remembers
        assert "".join(ours.lines(openmetrics)) == expected


def test_exemplars_name_decisions_and_a_strict_parser_reads_all_of_it(readings: dict[str, Reading]) -> None:
    text = "".join(MeasureText(lambda: readings).lines(openmetrics=True)) + "# EOF\n"
    families = list(text_string_to_metric_families(text))
    assert {family.name for family in families} == {metric.name for metric in METRICS}
    exemplars = [sample.exemplar for family in families for sample in family.samples if sample.exemplar]
    assert exemplars
    assert all(set(exemplar.labels) == {"decision_id"} for exemplar in exemplars)


def test_promtool_has_nothing_to_say_of_them(readings: dict[str, Reading]) -> None:
    text = "".join(MeasureText(lambda: readings).lines(openmetrics=False))
    found = subprocess.run([needed("promtool"), "check", "metrics"], input=text, capture_output=True, text=True)
    assert (found.returncode, found.stdout, found.stderr) == (0, "", "")


def test_nothing_is_told_of_how_fewer_than_ten_people_are_spread() -> None:
    reading = reading_of(BusyMarket(couriers=9, jobs_an_hour=60, hours=1.5).run())
    text = "".join(MeasureText(lambda: {"m": reading}).lines(openmetrics=False))
    spread = [metric.name for metric in METRICS if metric.people]
    assert spread
    for line in text.splitlines():
        assert line.startswith("#") or not line.startswith(tuple(spread))


def test_no_label_names_a_person(readings: dict[str, Reading]) -> None:
    people = set(readings["one"].measures.couriers) | set(readings["one"].measures.reviews.reviewers)
    text = "".join(MeasureText(lambda: readings).lines(openmetrics=False))
    assert not any(f'"{name}"' in text for name in people)
