"""A decision explained from its event: inputs, alternatives, rule, policy version, and one plain sentence."""

from __future__ import annotations

from dispatcher.complete import complete, numbers_of
from dispatcher.deciders import deciders, set_deciders
from dispatcher.decisions import sentences
from dispatcher.decisions.index import DecisionKey, decisions_of
from dispatcher.event_kinds import Use, bodies_for
from dispatcher.market.plausibility import FLAG_FOLLOWS, flag_sentence
from dispatcher.pricing.amounts import saturated
from dispatcher.times import SECOND, micros, span, timestamp
from gig.v1 import events_pb2 as events_pb
from gig.v1 import offer_pb2 as offer_pb
from gig.v1 import policy_pb2 as policy_pb
from gig.v1 import transparency_service_pb2 as pb
from gig.v1 import types_pb2 as types_pb

CONTESTABLE = complete(
    frozenset(
        {
            pb.DECISION_KIND_OFFER,
            pb.DECISION_KIND_PRICE,
            pb.DECISION_KIND_SURGE,
            pb.DECISION_KIND_SCORE,
            pb.DECISION_KIND_STANDING,
            pb.DECISION_KIND_EXCLUSION,
            pb.DECISION_KIND_FLAG,
        }
    ),
    numbers_of(pb.DecisionKind),
    "kinds of decisions that a person can contest",
    without={pb.DECISION_KIND_CONTEST},
)


def explain(
    event: events_pb.Event, decision_id: str, person_id: str, standing: policy_pb.StandingPolicy
) -> pb.Decision:
    """The event must hold the decision about the person. ``standing``: of the policy: for how long one can contest."""
    key = next(
        key for key in decisions_of(event) if key.decision_id == decision_id and person_id in ("", key.person_id)
    )
    decision = pb.Decision(
        decision_id=decision_id,
        kind=key.kind,
        decider=pb.DECIDER_RULE,
        person_id=key.person_id,
        job_id=key.job_id,
        time=event.time,
        sequence=event.sequence,
    )
    if key.kind in CONTESTABLE:
        decision.contest_by_time.CopyFrom(timestamp(micros(event.time) + span(standing.contest_within)))
    body = event.WhichOneof("body")
    _FILL[body](decision, key, getattr(event, body))
    return decision


def _priced(decision: pb.Decision, key: DecisionKey, body: events_pb.JobQuoted | events_pb.JobPlaced) -> None:
    """The client's side: the fare, and the surge in it."""
    job = body.job
    decision.policy_version = job.policy_version
    _input(decision, "trip_distance", job.trip_distance_metres, "m")
    _input(decision, "trip_duration", job.trip_duration.seconds, "s")
    if job.HasField("surge"):
        decision.surge.CopyFrom(job.surge)
        decision.rule = job.surge.rule
        _input(decision, "surge_multiplier", job.surge.multiplier_percent, "%")
        _input(decision, "demand", job.surge.demand, "jobs")
        _input(decision, "supply", job.surge.supply, "couriers")
    if key.kind == pb.DECISION_KIND_SURGE:
        decision.sentence = sentences.surge(job.surge, job.fare)
        return
    decision.rule = decision.rule or "tariff"
    decision.fare.CopyFrom(job.fare)
    decision.sentence = sentences.price("fare", job.fare, job.policy_version)


def _offered(decision: pb.Decision, key: DecisionKey, body: events_pb.OfferMade) -> None:
    """The courier's side: the offer, its pay, and the surge in it."""
    offer = body.offer
    decision.policy_version = offer.policy_version
    if key.compared:
        _not_offered(decision, key, offer)
        return
    if key.kind == pb.DECISION_KIND_OFFER:
        decision.decider = pb.DECIDER_SOLVER
        decision.offer.CopyFrom(offer)
        decision.rule = "least total cost of the round"
        _input(decision, "pickup_duration", offer.pickup_duration.seconds, "s")
        _input(decision, "pickup_distance", offer.pickup_distance_metres, "m")
        _input(decision, "couriers_considered", offer.reason.couriers_considered, "couriers")
        _input(decision, "couriers_eligible", offer.reason.couriers_eligible, "couriers")
        _input_amount(decision, "pay", offer.pay.minor_units, offer.pay.currency_code)
        decision.sentence = sentences.offer(offer)
        return
    offered = next(offered for offered in offer.jobs if offered.job_id == key.job_id)
    decision.pay.CopyFrom(offered.pay)
    _input(decision, "trip_distance", offered.trip_distance_metres, "m")
    _input(decision, "trip_duration", offered.trip_duration.seconds, "s")
    if key.kind == pb.DECISION_KIND_SURGE:
        decision.rule = "pass-through of surge"
        decision.sentence = sentences.surge_share(offered.pay)
    else:
        decision.rule = "tariff"
        decision.sentence = sentences.price("pay", offered.pay, offer.policy_version)


def _not_offered(decision: pb.Decision, key: DecisionKey, offer: offer_pb.Offer) -> None:
    """The side of somebody who was compared, and not chosen: their own cost, and nothing that names the other."""
    decision.decider = pb.DECIDER_SOLVER
    decision.rule = "least total cost of the round"
    own = next(other for other in offer.reason.alternatives if other.courier_id == key.person_id)
    _input(decision, "pickup_duration", own.pickup_duration.seconds, "s")
    _input(decision, "cost", own.cost / 1000, "s")
    _input(decision, "cost_of_the_chosen", offer.reason.cost / 1000, "s")
    for term in own.terms:
        _input(decision, f"cost.{term.name}", term.cost / 1000, "s")
    decision.sentence = sentences.not_offered(own, offer.reason.cost)


def _cancelled(decision: pb.Decision, key: DecisionKey, body: events_pb.JobCancelled) -> None:
    decision.rule = "cancellations"
    decision.policy_version = body.policy_version
    amount = sum(leg.minor_units for leg in body.postings.legs if leg.holder_id == key.person_id)
    _input_amount(decision, "amount", amount, body.postings.currency_code)
    decision.sentence = sentences.cancellation(body, amount)


def _lost(decision: pb.Decision, key: DecisionKey, body: events_pb.JobFailed) -> None:
    decision.rule = "jobs.lost_contact"
    decision.policy_version = body.policy_version
    amount = sum(leg.minor_units for leg in body.postings.legs if leg.holder_id == key.person_id)
    _input(decision, "amount", amount, f"minor units of {body.postings.currency_code}")
    decision.sentence = sentences.lost_contact(body, amount)


def _rated(decision: pb.Decision, _key: DecisionKey, body: events_pb.JobRated) -> None:
    rating = body.rating
    decision.rating.CopyFrom(rating)
    decision.policy_version = rating.policy_version
    _input(decision, "stars", rating.stars, "stars")
    _input(decision, "leniency_of_rater", rating.leniency, "stars")
    _input(decision, "counted_stars", rating.counted_stars, "stars")
    _input(decision, "score_before", rating.score_before, "stars")
    _input(decision, "score_after", rating.score_after, "stars")
    counts = rating.cause == policy_pb.EXCLUSION_CAUSE_UNSPECIFIED
    decision.rule = "ratings" if counts else f"ratings.exclusions: {rating.excluded_because}"
    decision.sentence = sentences.rating(rating)


def _revised(decision: pb.Decision, key: DecisionKey, body: events_pb.RatingRevised) -> None:
    decision.decider = pb.DECIDER_HUMAN
    set_deciders(decision, deciders(body))
    decision.rating.CopyFrom(body.rating)
    decision.policy_version = body.rating.policy_version
    decision.rule = f"review {body.review_id}"
    _input(decision, "stars", body.rating.stars, "stars")
    _input(decision, "counted_stars", body.rating.counted_stars, "stars")
    counts = key.kind == pb.DECISION_KIND_SCORE
    decision.sentence = (
        f"{body.decided_by} decided that the rating of job {body.rating.job_id} counts"
        f" {'after all' if counts else 'no more'}: {body.reason}. Your score went from"
        f" {body.rating.score_before:.2f} to {body.rating.score_after:.2f}."
    )


def _standing(decision: pb.Decision, _key: DecisionKey, body: events_pb.StandingChanged) -> None:
    change = body.change
    decision.standing.CopyFrom(change)
    decision.policy_version = change.policy_version
    decision.contest_by_time.CopyFrom(body.contest_by_time)
    decision.rule = change.rule or (f"review {change.review_id}" if change.review_id else "")
    if change.decided_by:
        decision.decider = pb.DECIDER_HUMAN
        set_deciders(decision, deciders(change))
    if change.rule:
        _input(decision, "value", change.value, "")
        _input(decision, "threshold", change.threshold, "")
        _input(decision, "count", change.count, "")
    decision.sentence = sentences.standing(change)


def _answered(decision: pb.Decision, _key: DecisionKey, body: events_pb.ReviewDecided) -> None:
    review = body.review
    decision.decider = pb.DECIDER_HUMAN
    set_deciders(decision, (opinion.reviewer_id for opinion in review.opinions))
    decision.policy_version = review.policy_version
    decision.rule = "a human's review"
    decision.review.CopyFrom(review)
    if review.HasField("rating"):
        decision.review.ClearField("rating")
    _input(decision, "opinions", len(review.opinions), "opinions")
    _input(decision, "time_spent", sum(span(one.time_spent) for one in review.opinions) / SECOND, "s")
    decision.sentence = sentences.answer(review)


def _flagged(decision: pb.Decision, _key: DecisionKey, body: events_pb.ProgressFlagged) -> None:
    flag = body.flag
    decision.flag.CopyFrom(flag)
    decision.policy_version = flag.policy_version
    decision.rule = "plausibility"
    for fact in flag.facts:
        name = pb.PlausibilityCheck.Name(fact.check).removeprefix("PLAUSIBILITY_CHECK_").lower()
        _input(decision, name, fact.metres, "m")
        _input(decision, f"{name}.elapsed", span(fact.elapsed) / SECOND, "s")
        _input(decision, f"{name}.most", fact.most_metres, "m")
    decision.sentence = f"{flag_sentence(flag)} {FLAG_FOLLOWS}"


def _input(decision: pb.Decision, name: str, value: float, unit: str) -> None:
    decision.inputs.add(name=name, value=value, unit=unit)


def _input_amount(decision: pb.Decision, name: str, minor_units: int, currency: str) -> None:
    amount = types_pb.Money(minor_units=saturated(minor_units), currency_code=currency)
    decision.inputs.add(name=name, value=amount.minor_units, unit=f"minor units of {currency}", amount=amount)


_FILL = complete(
    {
        "job_quoted": _priced,
        "job_placed": _priced,
        "offer_made": _offered,
        "job_cancelled": _cancelled,
        "job_failed": _lost,
        "job_rated": _rated,
        "rating_revised": _revised,
        "standing_changed": _standing,
        "review_decided": _answered,
        "progress_flagged": _flagged,
    },
    bodies_for(Use.DECISIONS),
    "explanations of decisions by the event that holds them",
)
