"""Conflicts of interest: who was part of the matter of a review, and so does not decide it."""

from __future__ import annotations

from collections.abc import Iterable

from dispatcher.market.state import MarketState
from dispatcher.redaction import people_in
from gig.v1 import transparency_service_pb2 as pb


def parties(state: MarketState, review: pb.Review, named: Iterable[str] = ()) -> set[str]:
    """Return everybody who was part of what a new review is about.

    ``named``: people whom the decision in question names. From memory come the job's client and each courier who held
    it or was offered it.
    """
    found = {*people_in(review), *named}
    job_id = review.job_id
    if job_id:
        job = state.jobs.get(job_id)
        if job is not None:
            found |= {job.client_id, job.courier_id}
        found |= set(state.exclusions.get(job_id, ()))
        found |= {offer.courier_id for offer in state.offers.values() if any(o.job_id == job_id for o in offer.jobs)}
        found |= {closed.courier_id for closed in state.closed_offers.values() if job_id in closed.job_ids}
    found.discard("")
    return found


def is_party(state: MarketState, review: pb.Review, person_id: str) -> bool:
    """Return whether somebody was part of the matter when the review was opened, or has become so since."""
    if person_id in state.parties.get(review.review_id, ()):
        return True
    of_rating = (review.rating.rater_id, review.rating.rated_id) if review.HasField("rating") else ()
    return person_id in of_rating or (bool(review.job_id) and person_id in _people_of_job(state, review.job_id))


def _people_of_job(state: MarketState, job_id: str) -> set[str]:
    return parties(state, pb.Review(job_id=job_id))
