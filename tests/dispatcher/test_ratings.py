"""Both sides rate once, what a worker cannot help does not count, and each score follows from the log."""

from __future__ import annotations

import pytest

from dispatcher import commands, policy
from dispatcher.errors import NotFound, NotYours, WrongState
from dispatcher.ids import market_of
from dispatcher.market import Market
from dispatcher.times import SECOND
from gig.v1 import job_pb2, types_pb2
from gig.v1 import policy_pb2 as policy_pb
from gig.v1 import rating_service_pb2 as rating_pb
from tests.kit import Bench
from tests.ratings.test_book import SlowBook

CLIENT, COURIER = job_pb2.ACTOR_CLIENT, job_pb2.ACTOR_COURIER


def rate(
    bench: Bench, stars: int, by: job_pb2.Actor = CLIENT, job_id: str = "job", tags: tuple[str, ...] = ()
) -> rating_pb.Rating:
    rater = "ann" if by == CLIENT else "bo"
    given = rating_pb.Rating(job_id=job_id, rater=by, rater_id=rater, stars=stars, tags=tags)
    return bench.do(commands.RateJob(rating=given))[0].job_rated.rating


def served(**more: object) -> Bench:
    bench = Bench()
    bench.online()
    bench.serve(**more)
    return bench


def score(bench: Bench, person_id: str = "bo") -> float:
    state = bench.market.state
    return state.book_of(person_id).score(person_id, bench.now / SECOND, state.score_rules)


def test_a_rating_says_what_it_counts_and_what_the_score_was_and_is() -> None:
    bench = served()
    before = score(bench)
    rating = rate(bench, 3)
    assert rating.score_before == pytest.approx(before)
    assert rating.score_after == pytest.approx(score(bench))
    assert rating.score_after < before
    assert market_of(rating.decision_id) == "test"


def test_each_side_rates_once_within_the_window_and_only_their_own_completed_job() -> None:
    bench = served()
    rate(bench, 5)
    rate(bench, 4, COURIER)
    for side in (CLIENT, COURIER):
        with pytest.raises(WrongState, match="rated the job already"):
            rate(bench, 1, side)
    stranger = rating_pb.Rating(job_id="job", rater=CLIENT, rater_id="eve", stars=1)
    with pytest.raises(NotYours):
        bench.do(commands.RateJob(rating=stranger))
    bench.place("open")
    with pytest.raises(WrongState, match="completed"):
        rate(bench, 5, job_id="open")
    with pytest.raises(NotFound):
        rate(bench, 5, job_id="nobodys")
    late = served()
    late.wait(8 * 86_400)
    with pytest.raises(WrongState, match="over"):
        rate(late, 5)


def test_a_job_that_left_the_memory_is_rated_by_what_the_tables_hold_and_still_only_once() -> None:
    bench = served()
    job = job_pb2.Job.FromString(bench.job().SerializeToString())
    bench.wait(5000)
    bench.place("another")
    assert "job" not in bench.market.state.jobs
    given = rating_pb.Rating(job_id="job", rater=CLIENT, rater_id="ann", stars=4)
    bench.do(commands.RateJob(rating=given, past=commands.PastJob(job=job)))
    assert bench.market.state.ratings_of_couriers.rated["bo"].ratings == 1
    with pytest.raises(WrongState, match="already"):
        bench.do(commands.RateJob(rating=given, past=commands.PastJob(job=job)))
    with pytest.raises(WrongState, match="already"):
        bench.do(commands.RateJob(rating=given, past=commands.PastJob(job=job, by_client=4)))


@pytest.mark.parametrize(
    ("tag", "cause"),
    [
        ("late_kitchen", policy_pb.EXCLUSION_CAUSE_LATE_PREPARATION),
        ("app", policy_pb.EXCLUSION_CAUSE_APP_FAULT),
        ("traffic", policy_pb.EXCLUSION_CAUSE_OTHER),
    ],
)
def test_a_tag_that_names_a_cause_outside_the_workers_control_excludes_the_rating(tag, cause) -> None:
    bench = served()
    before = score(bench)
    rating = rate(bench, 1, tags=(tag,))
    assert (rating.cause, score(bench)) == (cause, before)
    assert tag in rating.excluded_because
    assert market_of(rating.decision_id) == "test"


def test_a_late_kitchen_is_seen_from_the_log_without_any_tag() -> None:
    bench = Bench()
    bench.online()
    bench.place(kind=types_pb2.JOB_KIND_DELIVERY)
    bench.round()
    bench.answer(bench.job().offer_id)
    bench.progress("ARRIVED")
    bench.wait(700)
    bench.progress("PICKED_UP")
    bench.progress("COMPLETED")
    rating = rate(bench, 2)
    assert rating.cause == policy_pb.EXCLUSION_CAUSE_LATE_PREPARATION
    assert "700 s" in rating.excluded_because


def test_a_job_that_waited_long_for_anybody_is_not_the_workers_fault() -> None:
    bench = Bench()
    bench.place()
    bench.wait(1000)
    bench.online()
    bench.round()
    bench.answer(bench.job().offer_id)
    for step in ("ARRIVED", "PICKED_UP", "COMPLETED"):
        bench.progress(step)
    assert rate(bench, 2).cause == policy_pb.EXCLUSION_CAUSE_LATE_ASSIGNMENT


def test_a_job_during_which_the_service_was_away_is_nobodys_fault() -> None:
    bench = Bench()
    bench.assign()
    bench.progress("PICKED_UP")
    bench.now += 90 * SECOND
    bench.take(bench.market.resuming(bench.now, secret=b""))
    bench.wait(60)
    bench.progress("COMPLETED")
    rating = rate(bench, 1)
    assert rating.cause == policy_pb.EXCLUSION_CAUSE_APP_FAULT
    assert "away for 90 s" in rating.excluded_because
    bench.serve("after")
    assert rate(bench, 1, job_id="after").cause == policy_pb.EXCLUSION_CAUSE_UNSPECIFIED
    assert Market.restore(bench.market.snapshot()).state.outages == bench.market.state.outages


def test_one_star_in_answer_to_one_star_is_set_aside_and_looked_at_by_a_human() -> None:
    bench = served()
    rate(bench, 1, COURIER)
    rating = rate(bench, 1)
    assert rating.cause == policy_pb.EXCLUSION_CAUSE_RETALIATION
    review = next(iter(bench.market.state.reviews.values()))
    assert (review.subject_id, review.decision_id) == ("bo", rating.decision_id)


def test_scores_are_those_that_the_definition_gives_for_the_ratings_on_the_log() -> None:
    """By the slow book, which keeps every rating and sums everything anew."""
    bench = Bench(policy.load("plain"))
    bench.online()
    for number in range(15):
        client = ("ann", "ben", "cleo")[number % 3]
        bench.serve(f"job-{number}", "bo", client_id=client)
        given = rating_pb.Rating(job_id=f"job-{number}", rater=CLIENT, rater_id=client, stars=1 + number * 2 % 5)
        given.tags.extend(["price"] if number % 5 == 4 else [])
        bench.do(commands.RateJob(rating=given))
    slow = SlowBook(bench.market.state.score_rules)
    for event in bench.log:
        rating = event.job_rated.rating
        if event.HasField("job_rated") and rating.cause == policy_pb.EXCLUSION_CAUSE_UNSPECIFIED:
            slow.add(rating.rated_id, rating.rater_id, rating.stars, event.time.ToMicroseconds() / SECOND)
    assert len(slow.all) < 15
    assert score(bench) == pytest.approx(slow.score("bo", bench.now / SECOND))


def test_folding_the_log_gives_the_same_scores() -> None:
    bench = Bench(policy.load("plain"))
    bench.online()
    for number in range(12):
        bench.serve(f"job-{number}", "bo")
        rate(bench, 1 + number % 5, job_id=f"job-{number}", tags=("app",) if number % 4 == 3 else ())
        rate(bench, 5 - number % 5, COURIER, job_id=f"job-{number}")
    again = Market.fold(bench.log)
    assert again.state.ratings_of_couriers == bench.market.state.ratings_of_couriers
    assert again.state.ratings_of_clients == bench.market.state.ratings_of_clients
    assert Market.restore(bench.market.snapshot()).state.ratings_of_couriers == again.state.ratings_of_couriers
