"""What the person whom a decision is about may see of others in it: nothing that names them."""

from __future__ import annotations

from dispatcher.messages import copied
from gig.v1 import job_pb2 as job_pb
from gig.v1 import offer_pb2 as offer_pb
from gig.v1 import transparency_service_pb2 as pb

# Decimals of a degree: about a hundred metres, a block and not a door.
BLOCK_DIGITS = 3
# Of an offer, what everyone may know.
SHARED_INPUTS = frozenset({"couriers_considered", "couriers_eligible"})


def for_person(decision: pb.Decision) -> pb.Decision:
    """The decision itself, without the names of others."""
    if decision.HasField("rating"):
        decision.rating.ClearField("rater_id")
    if decision.HasField("offer"):
        _blind(decision.offer)
    return decision


def for_anyone(decision: pb.Decision) -> pb.Decision:
    """How an offer was chosen, for people whom it is not about: what was compared, and neither who, where, when to the
    second, nor for how much."""
    shown = pb.Decision(
        decision_id=decision.decision_id,
        kind=decision.kind,
        decider=decision.decider,
        policy_version=decision.policy_version,
        rule=decision.rule,
    )
    shown.time.seconds = decision.time.seconds // 60 * 60
    shown.offer.reason.CopyFrom(decision.offer.reason)
    _blind(shown.offer)
    shown.inputs.extend(one for one in decision.inputs if one.name in SHARED_INPUTS)
    return shown


def job_for_courier(job: job_pb.Job) -> job_pb.Job:
    """A copy for the records of the courier who did it: neither the client nor their door."""
    copy = copied(job)
    copy.ClearField("client_id")
    for place in (copy.spec.pickup, copy.spec.dropoff):
        place.ClearField("label")
        place.position.latitude = round(place.position.latitude, BLOCK_DIGITS)
        place.position.longitude = round(place.position.longitude, BLOCK_DIGITS)
    return copy


def offer_for_courier(offer: offer_pb.Offer) -> offer_pb.Offer:
    """A copy for the courier to whom it is made."""
    copy = copied(offer)
    _blind(copy)
    return copy


def _blind(offer: offer_pb.Offer) -> None:
    offer.reason.ClearField("not_offered_decision_id")
    for place, other in enumerate(offer.reason.alternatives, start=1):
        other.courier_id = f"another courier ({place})"
        if other.chosen_for_job_id:
            other.chosen_for_job_id = "another job"
