"""What a measure is: a value read from the projection, with its formula, unit and source; and the metrics that carry
it."""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import Enum
from typing import Any

from dispatcher.measures.fold import Measures
from dispatcher.measures.histogram import Histogram
from dispatcher.measures.population import Figures

Value = float | Mapping[str, float | None] | None
Labels = tuple[str, ...]
# By the values of the labels, in their order.
Samples = Mapping[Any, float] | Mapping[Any, Histogram]


class Family(Enum):
    """After Casilli, Qualifier, monétiser, automatiser (2017)."""

    MONETISATION = "monetisation"
    QUALIFICATION = "qualification"
    AUTOMATION = "automation"
    GOVERNMENTALITY = "governmentality"


class Kind(Enum):
    COUNTER = "counter"
    GAUGE = "gauge"
    HISTOGRAM = "histogram"


@dataclass(frozen=True, slots=True)
class Reading:
    """The projection and the figures over all couriers, of one moment."""

    measures: Measures
    figures: Figures


@dataclass(frozen=True, slots=True)
class Metric:
    """``name`` as Prometheus has it, counters without ``_total``. ``labels``: name -> the values that it takes, for the
    reader. ``people``: it tells how people are spread, so it is absent for fewer than ten."""

    name: str
    kind: Kind
    help: str
    labels: Mapping[str, str]
    read: Callable[[Reading], Samples]
    people: bool = False


@dataclass(frozen=True, slots=True)
class Measure:
    number: int
    name: str
    family: Family
    unit: str
    text: str
    formula: str
    source: str
    value: Callable[[Reading], Value]
    metrics: tuple[Metric, ...]


Reader = Callable[[Reading], Value]


def measure(number: int, name: str, family: Family, unit: str, *metrics: Metric) -> Callable[[Reader], Measure]:
    """Makes a measure of its reading. The docstring tells what it is; its lines ``Formula:`` and ``Source:`` say how it
    is computed and where it comes from."""

    def made(read: Reader) -> Measure:
        parts = re.split(r"^(Formula|Source): ", inspect.getdoc(read) or "", flags=re.MULTILINE)
        told = dict(zip(parts[1::2], parts[2::2], strict=True))
        text, formula, source = (" ".join(part.split()) for part in (parts[0], told["Formula"], told["Source"]))
        return Measure(number, name, family, unit, text, formula, source, read, metrics)

    return made


def counter(name: str, text: str, labels: Mapping[str, str], read: Callable[[Reading], Samples]) -> Metric:
    return Metric(name, Kind.COUNTER, text, labels, read)


def gauge(
    name: str, text: str, labels: Mapping[str, str], read: Callable[[Reading], Samples], people: bool = False
) -> Metric:
    return Metric(name, Kind.GAUGE, text, labels, read, people)


def histogram(
    name: str, text: str, labels: Mapping[str, str], read: Callable[[Reading], Samples], people: bool = True
) -> Metric:
    return Metric(name, Kind.HISTOGRAM, text, labels, read, people)


def each(values: Mapping[str, float], known: tuple[str, ...] = ()) -> dict[Labels, float]:
    """One label, whose values are the keys. ``known`` ones are there from the start, at zero: a share of the whole
    would otherwise have no value until its part was seen once."""
    return {(name,): 0 for name in known} | {(name,): value for name, value in values.items()}


def only(value: float | None) -> dict[Labels, float]:
    """No label; nothing where there is no value."""
    return {} if value is None else {(): value}


def parts(values: Mapping[str, float]) -> dict[Labels, float]:
    """Several labels, whose values the keys hold, divided by slashes."""
    return {tuple(name.split("/")): value for name, value in values.items()}


def ratio(part: float, whole: float) -> float | None:
    return part / whole if whole else None


def spread(histogram_: Histogram) -> dict[str, float | None]:
    """A distribution in a few numbers; quantiles are upper edges of buckets."""
    some = bool(histogram_.count)
    return {
        "count": histogram_.count,
        "mean": histogram_.mean if some else None,
        "p50": histogram_.quantile(0.5) if some else None,
        "p90": histogram_.quantile(0.9) if some else None,
    }
