"""A report that can hardly be true goes to a human as a question; it counts, it is paid, and nothing else follows."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dispatcher import commands, policy
from dispatcher.decisions.explain import explain
from dispatcher.decisions.index import decisions_of
from dispatcher.errors import DispatchError
from dispatcher.market import Market
from dispatcher.measures import Measures
from dispatcher.times import SECOND, timestamp
from geo.travel import great_circle_m
from gig.v1 import courier_service_pb2 as courier_pb
from gig.v1 import events_pb2 as events_pb
from gig.v1 import policy_pb2 as policy_pb
from gig.v1 import transparency_service_pb2 as pb
from ratings.standing import Level
from services.host.applied import Applied
from services.host.courier_messages import messages
from tests.kit import HERE, Bench, Spot

# 4.7 km from HERE.
FAR = (40.792, -73.98)
CHECKS = {pb.PLAUSIBILITY_CHECK_STOP_DISTANCE: "stop_distance", pb.PLAUSIBILITY_CHECK_SPEED: "speed"}


def report(bench: Bench, step: str, job_id: str = "job", at: Spot | None = None, seconds_ago: float = 0.0) -> None:
    """A report of progress by a courier whose phone was ``at`` a place some time ago."""
    seen = None if at is None else commands.SeenAt(*at, bench.now - round(seconds_ago * SECOND))
    progress = courier_pb.Progress(job_id=job_id, step=f"PROGRESS_STEP_{step}")
    bench.do(commands.ReportProgress(courier_id="bo", progress=progress, seen=seen))


def flags(bench: Bench) -> list[events_pb.ProgressFlagged]:
    return [event.progress_flagged for event in bench.log if event.HasField("progress_flagged")]


def failed(bench: Bench) -> list[set[str]]:
    return [{CHECKS[fact.check] for fact in one.flag.facts} for one in flags(bench)]


def with_job(dropoff: Spot = FAR, chosen: policy_pb.Policy | None = None) -> Bench:
    """The courier has accepted a job whose pickup is where they are."""
    bench = Bench(chosen)
    bench.online()
    bench.place(dropoff=dropoff)
    bench.round()
    bench.answer(bench.job().offer_id)
    return bench


def test_a_far_trip_completed_at_once_without_moving_is_paid_and_flagged() -> None:
    bench = with_job()
    report(bench, "ARRIVED", at=HERE)
    report(bench, "PICKED_UP", at=HERE)
    bench.wait(1.2)
    report(bench, "COMPLETED", at=HERE)
    assert bench.state() == "COMPLETED"
    assert failed(bench) == [{"stop_distance", "speed"}]
    completed = next(event for event in bench.log if event.HasField("job_completed"))
    paid = sum(leg.minor_units for leg in completed.job_completed.postings.legs if leg.holder_id == "bo")
    assert paid == bench.job().pay.total.minor_units > 0


def test_a_late_report_is_compared_with_the_time_of_its_step_and_not_of_the_report() -> None:
    """Delivered far away, and back at the pickup when the phone is: honest, where the time between allows the way."""
    bench = with_job()
    for step in ("ARRIVED", "PICKED_UP"):
        report(bench, step, at=HERE)
    bench.wait(1_800)
    for seconds, expected in ((900, []), (10, [{"stop_distance"}])):
        progress = courier_pb.Progress(job_id="job", step=courier_pb.PROGRESS_STEP_COMPLETED)
        progress.occurred_time.CopyFrom(timestamp(bench.now - seconds * SECOND))
        seen = commands.SeenAt(*HERE, bench.now)
        events = bench.market.decide(commands.ReportProgress(courier_id="bo", progress=progress, seen=seen), bench.now)
        found = [event.progress_flagged.flag for event in events if event.HasField("progress_flagged")]
        assert [{CHECKS[fact.check] for fact in flag.facts} for flag in found] == expected


def test_honest_work_is_not_flagged() -> None:
    bench = with_job()
    for step, at, seconds in (("ARRIVED", HERE, 60), ("PICKED_UP", HERE, 30), ("COMPLETED", FAR, 700)):
        bench.wait(seconds)
        report(bench, step, at=at, seconds_ago=5)
    assert flags(bench) == []


def test_a_courier_who_works_without_positions_is_judged_by_the_time_between_events_alone() -> None:
    bench = with_job()
    report(bench, "PICKED_UP")
    bench.wait(700)
    report(bench, "COMPLETED")
    assert flags(bench) == []


@pytest.mark.parametrize("steps", [("ARRIVED",), ("PICKED_UP",), ("ARRIVED", "NO_SHOW"), ("ARRIVED", "PICKED_UP")])
def test_every_step_is_reported_near_its_stop(steps) -> None:
    bench = with_job()
    bench.wait(900)
    for step in steps:
        report(bench, step, at=FAR)
        bench.wait(1_000)
    assert failed(bench) == [{"stop_distance"}] * len(steps)


@settings(max_examples=80, deadline=None)
@given(
    metres=st.floats(0, 20_000),
    age_s=st.integers(0, 3600),
    took_s=st.integers(0, 3600),
    stop_distance=st.sampled_from([50.0, 500.0, 5_000.0]),
    fastest=st.sampled_from([1.0, 40.0, 300.0]),
)
def test_a_report_is_flagged_exactly_where_a_bound_of_the_policy_does_not_hold(
    metres, age_s, took_s, stop_distance, fastest
) -> None:
    chosen = policy.load("plain")
    chosen.plausibility.stop_distance_metres, chosen.plausibility.fastest_mps = stop_distance, fastest
    bench = with_job(chosen=chosen)
    bench.wait(4_000)
    report(bench, "PICKED_UP", at=HERE)
    bench.wait(took_s)
    seen = (FAR[0] + metres / 111_195, FAR[1])
    report(bench, "COMPLETED", at=seen, seconds_ago=age_s)
    trip, off = (float(great_circle_m(*start, *FAR)) for start in (HERE, seen))
    expected = set()
    if off > stop_distance + fastest * age_s:
        expected.add("stop_distance")
    if trip > 2 * stop_distance + fastest * took_s:
        expected.add("speed")
    assert failed(bench) == ([expected] if expected else [])
    assert bench.state() == "COMPLETED"
    assert Market.fold(bench.log).snapshot() == bench.market.snapshot()


def test_a_flag_is_a_question_to_a_human_and_takes_nothing_from_the_courier() -> None:
    bench = with_job()
    before = bench.market.state.account("bo")
    report(bench, "PICKED_UP", at=HERE)
    report(bench, "COMPLETED", at=HERE)
    (flag,) = flags(bench)
    (review,) = bench.market.state.reviews.values()
    assert (review.kind, review.subject_id, review.review_id) == (pb.REVIEW_KIND_PROGRESS, "bo", flag.review_id)
    assert review.decision_id == flag.decision_id
    assert "4.7 km" in review.statement
    assert bench.market.state.account("bo") == before
    assert before.level is Level.GOOD
    assert bench.courier_state() == "FREE"
    bench.place("next")
    bench.round()
    assert bench.job("next").courier_id == "bo"


def test_the_courier_is_notified_and_what_they_answer_reaches_the_human() -> None:
    bench = with_job()
    report(bench, "PICKED_UP", at=HERE)
    report(bench, "COMPLETED", at=HERE)
    event = next(event for event in bench.log if event.HasField("progress_flagged"))
    ((person, message),) = messages(Applied(event, "progress_flagged", (), None))
    sent = message.notice
    assert (person, sent.decision_id) == ("bo", event.progress_flagged.decision_id)
    assert "A human is asked." in sent.text
    (key,) = decisions_of(event)
    decision = explain(event, key.decision_id, "bo", bench.market.state.policy.standing)
    assert (decision.kind, decision.decider) == (pb.DECISION_KIND_FLAG, pb.DECIDER_RULE)
    assert {given.name for given in decision.inputs} >= {"stop_distance", "speed", "speed.elapsed"}
    bench.do(commands.ContestDecision(person_id="bo", decision=decision, statement="I pressed the button too late."))
    (review,) = bench.market.state.reviews.values()
    assert review.statement.endswith("I pressed the button too late.")


@pytest.mark.parametrize("outcome", [pb.REVIEW_OUTCOME_UPHELD, pb.REVIEW_OUTCOME_OVERTURNED])
def test_neither_answer_of_the_human_changes_an_account_by_itself(outcome) -> None:
    bench = with_job()
    report(bench, "PICKED_UP", at=HERE)
    report(bench, "COMPLETED", at=HERE)
    (review_id,) = bench.market.state.reviews
    bench.do(commands.ClaimReview(reviewer_id="rae", review_id=review_id))
    with pytest.raises(DispatchError):
        decide(bench, review_id, outcome, level=policy_pb.STANDING_LEVEL_RESTRICTED)
    decide(bench, review_id, outcome)
    assert not bench.market.state.reviews
    assert bench.market.state.account("bo").level is Level.GOOD
    assert not [event for event in bench.log if event.HasField("standing_changed")]


def decide(bench: Bench, review_id: str, outcome: pb.ReviewOutcome, **more: object) -> None:
    command = commands.DecideReview(
        reviewer_id="rae", review_id=review_id, outcome=outcome, reason="The phone had no signal there.", **more
    )
    bench.do(command)


def test_a_courier_has_one_review_of_flags_at_a_time_however_many_reports_are_flagged() -> None:
    bench = with_job()
    report(bench, "PICKED_UP", at=FAR)
    report(bench, "COMPLETED", at=HERE)
    for number in range(5):
        bench.serve(f"job-{number}", trip_s=1, dropoff=FAR)
    assert len(flags(bench)) == 7
    assert len({flag.decision_id for flag in flags(bench)}) == 7
    assert [flag.review_id for flag in flags(bench)] == list(bench.market.state.reviews) * 7
    last = [event for event in bench.log if event.HasField("progress_flagged")][-1]
    decision = explain(last, last.progress_flagged.decision_id, "bo", bench.market.state.policy.standing)
    bench.do(commands.ContestDecision(person_id="bo", decision=decision, statement="The map was wrong."))
    (review,) = bench.market.state.reviews.values()
    assert review.statement.endswith("The map was wrong.")


def test_flags_are_counted_by_check_and_as_decisions_of_a_rule() -> None:
    bench = with_job()
    report(bench, "PICKED_UP", at=HERE)
    report(bench, "COMPLETED", at=HERE)
    measures = Measures()
    for event in bench.log:
        measures.fold(event)
    assert measures.flags == {"stop_distance": 1, "speed": 1}
    assert measures.decisions.totals()["flag/rule"] == 1
    assert measures.reviews.opened == 1


@pytest.mark.parametrize("kind", ["absent", "planar"])
def test_a_policy_without_bounds_or_on_a_plane_flags_nothing(kind) -> None:
    chosen = policy.load("plain")
    if kind == "absent":
        chosen.ClearField("plausibility")
    else:
        chosen.ClearField("surge")
        chosen.travel.planar.metres_per_minute = 300.0
    bench = with_job((40.75, 900.0) if kind == "planar" else FAR, chosen)
    report(bench, "PICKED_UP", at=HERE)
    report(bench, "COMPLETED", at=HERE)
    assert flags(bench) == []


@pytest.mark.parametrize("name", policy.presets())
def test_every_preset_of_a_city_bounds_plausibility(name) -> None:
    chosen = policy.load(name)
    city = not name.startswith(("mdrp", "cargo"))
    assert chosen.HasField("plausibility") == city
