"""Measures add up to what the log says."""

from __future__ import annotations

import pytest

from dispatcher import commands
from dispatcher.measures import Measures
from dispatcher.measures.histogram import Histogram
from dispatcher.times import SECOND
from tests.kit import Bench


def folded(bench: Bench) -> Measures:
    measures = Measures()
    for event in bench.log:
        measures.fold(event)
    return measures


def worked_day() -> Bench:
    bench = Bench()
    bench.assign()
    bench.now += 100 * SECOND
    bench.progress("ARRIVED")
    bench.now += 20 * SECOND
    bench.progress("PICKED_UP")
    bench.now += 300 * SECOND
    bench.progress("COMPLETED")
    bench.place("second")
    bench.do(commands.CancelJob(job_id="second", client_id="ann"))
    return bench


def test_courier_time_is_split_into_the_phases_of_work() -> None:
    measures = folded(worked_day())
    seconds = measures.courier_seconds
    assert (seconds["P2"], seconds["P2w"], seconds["P3"]) == (100, 20, 300)


def test_jobs_money_and_waits_are_those_of_the_log() -> None:
    bench = worked_day()
    measures = folded(bench)
    job = bench.job()
    assert measures.jobs_by_state() == {"completed": 1, "cancelled": 1}
    assert measures.fares_minor == job.fare.total.minor_units
    assert sum(measures.pay_minor.values()) == job.pay.total.minor_units
    assert measures.wait_for_pickup.total == 120
    assert measures.offers == {"accepted": 1}


def test_measures_survive_their_json_form() -> None:
    measures = folded(worked_day())
    assert Measures.from_json(measures.to_json()) == measures


@pytest.mark.parametrize(("share", "edge"), [(0.5, 10), (0.9, 60), (1.0, 60)])
def test_a_quantile_is_the_upper_edge_of_its_bucket(share: float, edge: float) -> None:
    histogram = Histogram()
    for seconds in (1, 4, 6, 9, 9.5, 50):
        histogram.add(seconds)
    assert histogram.quantile(share) == edge
