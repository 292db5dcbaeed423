"""Nobody decides a review about a job that they were part of, or a rating that they gave or received."""

from __future__ import annotations

import contextlib

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dispatcher import commands
from dispatcher.errors import DispatchError, NotFound, NotYours
from gig.v1 import job_pb2
from gig.v1 import rating_service_pb2 as rating_pb
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
