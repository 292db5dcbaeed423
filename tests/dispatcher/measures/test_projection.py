"""The projection can be kept, restored, looked at and renamed at any time; and what takes days happens on its day."""

from __future__ import annotations

import json

import numpy as np
import pytest

from dispatcher import commands, policy
from dispatcher.measures import Measures, figures
from dispatcher.measures.catalogue import Reading
from dispatcher.measures.catalogue.report import reading_of
from dispatcher.measures.conduct import DAY_US
from dispatcher.measures.histogram import Histogram
from dispatcher.times import SECOND
from gig.v1 import policy_pb2 as policy_pb
from gig.v1 import rating_service_pb2 as rating_pb
from tests.dispatcher.measures.conftest import values
from tests.dispatcher.measures.slowly import Day
from tests.kit import HERE, Bench

HOUR_S = 3600


def folded(bench: Bench) -> Measures:
    measures = Measures()
    for event in bench.log:
        measures.fold(event)
    return measures


def read_at(measures: Measures, now_us: int) -> Reading:
    measures.bring_to(now_us)
    return Reading(measures, figures(measures))


def test_kept_and_restored_halfway_it_ends_as_if_nothing_had_been(day: Day, reading: Reading) -> None:
    measures = Measures()
    for place, event in enumerate(day.log):
        if place in (1000, len(day.log) // 2):
            measures = Measures.from_json(measures.to_json())
        measures.fold(event)
    measures.bring_to(measures.time_us)
    assert measures.to_json() == reading.measures.to_json()


def test_looking_at_it_changes_no_value(day: Day, reading: Reading) -> None:
    measures = Measures()
    for place, event in enumerate(day.log):
        measures.fold(event)
        if place % 97 == 0 and place + 1 < len(day.log):
            following = day.log[place + 1].time
            following_us = following.seconds * SECOND + following.nanos // 1000
            read_at(measures, (measures.time_us + following_us) // 2)
    found = values(read_at(measures, measures.time_us))
    for name, value in values(reading).items():
        assert found[name] == pytest.approx(value, nan_ok=True), name


def test_measures_of_another_version_are_no_measures() -> None:
    with pytest.raises(ValueError, match="another form"):
        Measures.from_json('{"sequence": 3, "pay_minor": {}}')


def test_whoever_is_erased_is_named_no_more(day: Day) -> None:
    measures = reading_of(day.log).measures
    before = values(Reading(measures, figures(measures)))
    for person in ("courier-7", "ria"):
        assert f'"{person}"' in measures.to_json()
        measures.rename(person, f"erased-{person[0]}")
        assert f'"{person}"' not in measures.to_json()
    after = values(Reading(measures, figures(measures)))
    assert all(after[name] == pytest.approx(value) for name, value in before.items())


def test_memory_is_that_of_live_jobs_and_of_couriers_seen_lately() -> None:
    bench = Bench()
    bench.online("bo")
    bench.do(commands.GoOffline(courier_id="bo"))
    bench.now += 40 * DAY_US
    bench.online("eve")
    measures = folded(bench)
    assert set(measures.couriers) == {"bo", "eve"}
    bench.now += 7 * DAY_US
    bench.do(commands.GoOffline(courier_id="eve"))
    measures.fold(bench.log[-1])
    assert set(measures.couriers) == {"eve"}
    assert not measures.jobs
    assert measures.time.sums(measures.couriers.values()).online_us == 7 * DAY_US


def test_a_courier_not_seen_for_28_days_has_gone_and_one_who_came_back_has_not() -> None:
    bench = Bench()
    for name in ("bo", "eve"):
        bench.online(name)
    bench.wait(HOUR_S)
    for name in ("bo", "eve"):
        bench.do(commands.GoOffline(courier_id=name))
    bench.now += 10 * DAY_US
    bench.online("eve")
    bench.wait(HOUR_S)
    bench.do(commands.GoOffline(courier_id="eve"))
    measures = folded(bench)
    assert measures.exits.pending() == {"bad_week": 2}
    bench.now += 25 * DAY_US
    bench.online("flo")
    exits = values(read_at(folded(bench), bench.now))["Churn and exits"]
    # Both earned nothing in their first week; Eve was at work again once, and then no more.
    assert exits["bad_week"] == pytest.approx(1 / 2)
    assert exits["bad_week, followed now"] == 1


def restricted(bench: Bench, notice_s: float) -> None:
    bench.online("bo")
    bench.wait(60)
    bench.do(commands.OpenReview(subject_id="bo", operator_id="olu", statement="asked by the police"))
    review_id = next(iter(bench.market.state.reviews))
    bench.wait(notice_s)
    bench.do(commands.ClaimReview(reviewer_id="ria", review_id=review_id))
    bench.wait(60)
    level = policy_pb.STANDING_LEVEL_RESTRICTED
    bench.do(
        commands.DecideReview(
            reviewer_id="ria", review_id=review_id, outcome=1, reason="until it is clear", level=level
        )
    )
    if bench.market.state.reviews:
        bench.do(commands.ClaimReview(reviewer_id="rob", review_id=review_id))
        bench.do(
            commands.DecideReview(
                reviewer_id="rob", review_id=review_id, outcome=1, reason="until it is clear", level=level
            )
        )


@pytest.mark.parametrize(("notice_s", "short"), [(600.0, 1.0), (80 * HOUR_S, 0.0)])
def test_time_locked_out_is_counted_for_28_days_and_so_is_short_notice(notice_s: float, short: float) -> None:
    bench = Bench()
    restricted(bench, notice_s)
    measures = folded(bench)
    online = measures.time.sums(measures.couriers.values()).online_us
    later = read_at(measures, bench.now + 2 * HOUR_S * SECOND)
    locked = 2 * HOUR_S * SECOND
    assert values(later)["Lockout"] == pytest.approx(
        {"share of time": locked / (locked + online), "under 72 h notice": short}
    )
    assert measures.accounts.locked_until(bench.now + 90 * DAY_US) == 28 * DAY_US


def test_long_days_are_counted_as_they_end() -> None:
    bench = Bench()
    bench.online("bo")
    bench.wait(11 * HOUR_S)
    assert values(read_at(folded(bench), bench.now))["Long days"] == {"8h": 0, "10h": 0, "12h": 0}
    bench.do(commands.GoOffline(courier_id="bo"))
    assert values(read_at(folded(bench), bench.now))["Long days"] == {"8h": 1, "10h": 1, "12h": 0}


def test_waiting_in_a_queue_is_commanded_time() -> None:
    (lat, lng), size = HERE, 0.01
    ring = [[lng + x * size, lat + y * size] for x, y in ((-1, -1), (1, -1), (1, 1), (-1, 1), (-1, -1))]
    zone = {
        "type": "Feature",
        "properties": {"name": "airport", "rule": "queue"},
        "geometry": {"type": "Polygon", "coordinates": [ring]},
    }
    bench = Bench(zones=json.dumps({"type": "FeatureCollection", "features": [zone]}))
    bench.online("bo")
    number = bench.market.state.numbers["bo"]
    bench.do(commands.ObserveQueues(numbers=np.array([number]), zones=np.array([0])))
    bench.wait(300)
    measures = folded(bench)
    measures.bring_to(bench.now)
    assert measures.couriers["bo"].commanded_us == 300 * SECOND


def test_nothing_is_told_of_how_fewer_than_ten_people_are_spread() -> None:
    bench = Bench(policy.load("city"))
    for number in range(9):
        bench.online(f"courier-{number}")
    bench.wait(2 * HOUR_S)
    few = read_at(folded(bench), bench.now).figures
    assert (few.gini, few.hourly, few.below_floor, few.unpaid, few.steering) == (None, {}, {}, None, None)
    bench.online("courier-9")
    bench.wait(2 * HOUR_S)
    enough = read_at(folded(bench), bench.now).figures
    assert enough.below_floor == {"gross": 1.0, "net": 1.0}
    assert enough.hourly["online"].count == 10


def test_a_job_given_up_leaves_its_way_unpaid() -> None:
    bench = Bench()
    bench.assign()
    bench.wait(100)
    bench.progress("FAILED")
    measures = folded(bench)
    assert measures.couriers["bo"].cancelled_us == 100 * SECOND
    assert measures.jobs["job"].state == "queued"


def test_a_late_cancellation_that_pays_leaves_nothing_unpaid() -> None:
    bench = Bench()
    bench.assign()
    bench.wait(200)
    bench.do(commands.CancelJob(job_id="job", client_id="ann"))
    measures = folded(bench)
    assert measures.couriers["bo"].cancelled_us == 0
    assert measures.money.pay == {"cancellation": 500}


def test_a_rating_without_a_reason_lowers_the_coverage() -> None:
    bench = Bench()
    bench.online()
    bench.serve()
    bench.do(commands.RateJob(rating=rating_pb.Rating(job_id="job", rater=1, rater_id="ann", stars=5)))
    assert values(read_at(folded(bench), bench.now))["Explanation coverage"] == 1.0
    bench.log[-1].job_rated.rating.ClearField("decision_id")
    assert values(read_at(folded(bench), bench.now))["Explanation coverage"] == pytest.approx(2 / 3)


def test_an_offer_that_hides_its_destination_lowers_the_information() -> None:
    bench = Bench()
    bench.assign()
    for event in bench.log:
        if event.HasField("offer_made"):
            event.offer_made.offer.jobs[0].ClearField("destination_area")
    assert values(read_at(folded(bench), bench.now))["Information at offer"] == 0.0


@pytest.mark.parametrize(("share", "edge"), [(0.5, 10), (0.9, 60), (1.0, 60)])
def test_a_quantile_is_the_upper_edge_of_its_bucket(share: float, edge: float) -> None:
    histogram = Histogram()
    for seconds in (1, 4, 6, 9, 9.5, 50):
        histogram.add(seconds)
    assert histogram.quantile(share) == edge
