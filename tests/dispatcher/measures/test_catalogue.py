"""The catalogue is whole, each measure says what it is, and a busy market leaves none of them empty."""

from __future__ import annotations

import re

import pytest

from dispatcher.measures import Measures, figures
from dispatcher.measures.catalogue import CATALOGUE, Family, Kind, Measure, Reading
from dispatcher.measures.catalogue.market import STATE_OF_MARKET

METRICS = (*STATE_OF_MARKET, *(metric for measure in CATALOGUE for metric in measure.metrics))
# What takes weeks: the value is absent until then, and who is being followed is told.
SLOW = {"Churn and exits"}
# Defined only when clients' accounts are judged too.
ONE_SIDED = {"Asymmetry"}


def test_it_has_every_number_once_in_four_families() -> None:
    assert [measure.number for measure in CATALOGUE] == list(range(1, 47))
    assert {measure.family for measure in CATALOGUE} == set(Family)


@pytest.mark.parametrize("measure", CATALOGUE, ids=lambda measure: measure.name)
def test_each_says_what_it_is_how_it_is_computed_and_where_it_comes_from(measure: Measure) -> None:
    assert len(measure.text) > 20
    assert len(measure.formula) > 5
    assert len(measure.source) > 5
    assert measure.unit


@pytest.mark.parametrize("measure", CATALOGUE, ids=lambda measure: measure.name)
def test_none_is_empty_in_a_busy_market(measure: Measure, reading: Reading) -> None:
    value = measure.value(reading)
    parts = list(value.values()) if isinstance(value, dict) else [value]
    assert parts
    if measure.name in SLOW | ONE_SIDED:
        assert any(part is not None for part in parts)
    else:
        assert all(part is not None for part in parts), value


def test_metrics_are_named_by_prometheus_conventions_and_once() -> None:
    names = [metric.name for metric in METRICS]
    assert len(set(names)) == len(names)
    for metric in METRICS:
        assert re.fullmatch(r"gig_[a-z0-9_]+", metric.name)
        assert not metric.name.endswith(("_total", "_ms", "_minutes", "_km", "_percent"))
        assert metric.help[0].isupper()
        assert not metric.help.endswith(".")


@pytest.mark.parametrize("metric", METRICS, ids=lambda metric: metric.name)
def test_labels_are_closed_vocabularies_that_name_nobody(metric, reading: Reading) -> None:
    samples = metric.read(reading)
    assert len(samples) <= 60
    for labels in samples:
        assert len(labels) == len(metric.labels)
        assert not any(re.search(r"\A(courier|client|job|ri|ro|re)-?\d", value) for value in labels)


def test_counters_never_fall(day) -> None:
    measures, last = Measures(), {}
    for place, event in enumerate(day.log):
        measures.fold(event)
        if place % 500 == 499:
            measures.bring_to(measures.time_us)
            now = Reading(measures, figures(measures))
            for metric in METRICS:
                if metric.kind is Kind.COUNTER and metric.name != "gig_decisions":
                    for labels, value in metric.read(now).items():
                        assert value >= last.get((metric.name, labels), 0) - 1e-6, (metric.name, labels)
                        last[metric.name, labels] = value


def test_a_part_of_a_whole_is_exported_at_zero_before_it_was_seen_once() -> None:
    """Else a market in which no contest was ever won would show no rate, instead of none won."""
    measures = Measures()
    measures.reviews.contests["score/opened"] += 1
    now = Reading(measures, figures(measures))
    read = {metric.name: metric.read(now) for metric in METRICS}
    outcomes = {("score", "opened"): 1, ("score", "upheld"): 0, ("score", "overturned"): 0}
    assert read["gig_contests"] == outcomes
    assert read["gig_offers"][("accepted",)] == 0
    assert read["gig_nudges"][("followed",)] == 0
