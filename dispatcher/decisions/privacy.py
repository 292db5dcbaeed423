"""What the person whom a decision is about may see of others in it: nothing that names them."""

from __future__ import annotations

from dispatcher.messages import copied
from gig.v1 import offer_pb2 as offer_pb
from gig.v1 import transparency_service_pb2 as pb


def for_person(decision: pb.Decision) -> pb.Decision:
    """The decision itself, without the names of others."""
    if decision.HasField("rating"):
        decision.rating.ClearField("rater_id")
    if decision.HasField("offer"):
        _blind(decision.offer)
    return decision


def offer_for_courier(offer: offer_pb.Offer) -> offer_pb.Offer:
    """A copy for the courier to whom it is made."""
    copy = copied(offer)
    _blind(copy)
    return copy


def _blind(offer: offer_pb.Offer) -> None:
    for place, other in enumerate(offer.reason.alternatives, start=1):
        other.courier_id = f"another courier ({place})"
        if other.chosen_for_job_id:
            other.chosen_for_job_id = "another job"
