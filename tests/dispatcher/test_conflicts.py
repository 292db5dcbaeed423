"""Nobody decides a review about a job that they were part of, or a rating that they gave or received."""

from __future__ import annotations

import contextlib

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dispatcher import commands
from dispatcher.errors import DispatchError, NotFound, NotYours
from dispatcher.log import lookups
from dispatcher.log.projections import Projections, Rows
from dispatcher.log.store import LogStore
from gig.v1 import job_pb2
from gig.v1 import rating_service_pb2 as rating_pb
from gig.v1 import transparency_service_pb2 as pb
from tests.kit import Bench

PEOPLE = ("ann", "bo", "cy", "dee", "eve")


def flag(bench: Bench, job_id: str) -> None:
    job = bench.job(job_id)
    rating = rating_pb.Rating(
        job_id=job_id, rater=job_pb2.ACTOR_CLIENT, rater_id=job.client_id, stars=1, tags=["safety"]
    )
    bench.do(commands.RateJob(rating=rating))


@settings(max_examples=40, deadline=None)
@given(client=st.sampled_from(PEOPLE), declines=st.booleans(), order=st.permutations(PEOPLE), by_name=st.booleans())
def test_of_people_with_several_roles_only_those_who_were_no_part_decide(client, declines, order, by_name) -> None:
    bench = Bench()
    couriers = [name for name in order if name != client][:2]
    part = {client}
    bench.online(couriers[0])
    bench.place("job", client)
    bench.round()
    if declines:
        part.add(couriers[0])
        bench.answer(bench.job().offer_id, couriers[0], accept=False)
        bench.online(couriers[1])
        bench.round()
    holder = bench.job().courier_id
    part.add(holder)
    bench.answer(bench.job().offer_id, holder)
    for step in ("ARRIVED", "PICKED_UP", "COMPLETED"):
        bench.progress(step, "job", holder)
    flag(bench, "job")
    review_id = next(iter(bench.market.state.reviews))
    for person in order:
        claim = commands.ClaimReview(reviewer_id=person, review_id=review_id if by_name else "")
        if person in part:
            with pytest.raises(NotYours if by_name else NotFound):
                bench.do(claim)
            continue
        with contextlib.suppress(DispatchError):
            bench.do(claim)
    assert bench.market.state.reviews[review_id].claimed_by not in part


async def test_the_tables_find_the_people_of_a_job_that_has_left_memory(pool) -> None:
    """The client, a courier who only declined, and the one who held it; of an account, those who have rated it."""
    bench = Bench()
    bench.online("declines")
    bench.place("job", "client")
    bench.round()
    bench.answer(bench.job().offer_id, "declines", accept=False)
    bench.online("holds")
    bench.round()
    bench.answer(bench.job().offer_id, "holds")
    for step in ("ARRIVED", "PICKED_UP", "COMPLETED"):
        bench.progress(step, "job", "holds")
    flag(bench, "job")
    store = LogStore(pool, "conflicts")
    await store.acquire()
    await store.append(bench.log)
    rows = Rows()
    for event in bench.log:
        rows.add(event, event.WhichOneof("body") or "", [bench.job()])
    projections = Projections(pool, store.market_id)
    await projections.load()
    await projections.write(rows)
    price = bench.job().price_decision_id
    about = [
        pb.Review(review_id="of a job", job_id="job"),
        pb.Review(review_id="of a decision", decision_id=price),
        pb.Review(review_id="of an account", kind=pb.REVIEW_KIND_STANDING, subject_id="holds"),
        pb.Review(review_id="of a restriction", decision_kind=pb.DECISION_KIND_STANDING, subject_id="holds"),
        pb.Review(review_id="of another job", job_id="other"),
        pb.Review(review_id="of another account", kind=pb.REVIEW_KIND_STANDING, subject_id="client"),
    ]
    of_job = {"of a job", "of a decision"}
    expected = {
        "client": of_job | {"of an account", "of a restriction"},
        "declines": of_job,
        "holds": of_job,
        "stranger": set(),
        "": set(),
    }
    for person, reviews in expected.items():
        assert await lookups.part_of_reviews(pool, "conflicts", person, about) == reviews, person
        assert await lookups.part_of_reviews(pool, "conflicts", person, []) == frozenset()


def test_who_the_tables_find_neither_claims_nor_decides() -> None:
    bench = Bench()
    bench.online()
    bench.serve()
    flag(bench, "job")
    review_id = next(iter(bench.market.state.reviews))
    part_of = frozenset({review_id})
    with pytest.raises(NotYours):
        bench.do(commands.ClaimReview(reviewer_id="ria", review_id=review_id, part_of=part_of))
    with pytest.raises(NotFound):
        bench.do(commands.ClaimReview(reviewer_id="ria", part_of=part_of))
    bench.do(commands.ClaimReview(reviewer_id="ria", review_id=review_id))
    decision = commands.DecideReview(
        reviewer_id="ria", review_id=review_id, outcome=pb.REVIEW_OUTCOME_UPHELD, reason="read", part_of=part_of
    )
    with pytest.raises(NotYours):
        bench.do(decision)
