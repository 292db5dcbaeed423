"""Decisions in plain sentences, addressed to the person whom they are about."""

from __future__ import annotations

from dispatcher import money
from dispatcher.market.standing_rules import rule_sentence
from gig.v1 import courier_service_pb2 as courier_pb
from gig.v1 import events_pb2 as events_pb
from gig.v1 import job_pb2 as job_pb
from gig.v1 import offer_pb2 as offer_pb
from gig.v1 import policy_pb2 as policy_pb
from gig.v1 import rating_service_pb2 as rating_pb
from gig.v1 import transparency_service_pb2 as pb
from gig.v1 import types_pb2 as types_pb


def offer(made: offer_pb.Offer) -> str:
    reason = made.reason
    seconds = made.pickup_duration.seconds
    text = (
        f"Of {reason.couriers_considered} couriers who counted, {reason.couriers_eligible} could take this job and were"
        f" compared; you were {seconds // 60} min {seconds % 60} s from the pickup"
    )
    nearer = [other for other in reason.alternatives if other.cost < reason.cost]
    if not nearer:
        return f"{text}, the best choice for it."
    busy = sum(bool(other.chosen_for_job_id) for other in nearer)
    return f"{text}; {len(nearer)} would have cost less, of whom {busy} were chosen for other jobs of the same round."


def not_offered(own: offer_pb.Alternative, chosen_cost: int) -> str:
    """For somebody who was among the best alternatives."""
    start = f"You were compared for this job, at a cost of {own.cost / 1000:.1f} s; it went to another courier"
    if own.chosen_for_job_id:
        return f"{start}, for you were chosen for another job of the same round."
    if own.cost >= chosen_cost:
        return f"{start}, at {chosen_cost / 1000:.1f} s."
    return f"{start} at {chosen_cost / 1000:.1f} s, for the round's total was less that way."


def price(what: str, made: types_pb.Price, policy_version: int) -> str:
    currency = made.total.currency_code
    lines = " + ".join(
        f"{money.text(line.minor_units, currency)} {_kind(line.kind)}"
        + (f" ({line.rule})" if line.rule != _kind(line.kind) else "")
        for line in made.lines
    )
    return f"The {what} of {_total(made)} is {lines}, by version {policy_version} of the policy."


def surge(applied: job_pb.JobSurge, fare: types_pb.Price) -> str:
    added = fare.total.minor_units - applied.base_fare_minor_units
    amount = money.text(abs(added), fare.total.currency_code)
    verb = "adds" if added >= 0 else "takes off"
    origin = (
        "by demand and supply around the pickup" if applied.rule == "demand" else f"because of this: {applied.rule}"
    )
    return f"Surge of {applied.multiplier_percent} % {verb} {amount}, {origin}."


def nudge(made: courier_pb.Nudge) -> str:
    minutes = max(round(made.travel_duration.seconds / 60), 1)
    return (
        f"Surge is {made.multiplier_percent} % about {minutes} min away. Going there is up to you;"
        " nothing follows from staying."
    )


def surge_share(pay: types_pb.Price) -> str:
    line = next(line for line in pay.lines if line.kind == types_pb.PRICE_LINE_KIND_SURGE)
    return f"Surge adds {money.text(line.minor_units, pay.total.currency_code)} to your pay: {line.rule}."


def cancellation(body: events_pb.JobCancelled, amount: int) -> str:
    fault = job_pb.Fault.Name(body.fault).removeprefix("FAULT_").lower()
    sum_ = money.text(abs(amount), body.postings.currency_code)
    got = f"you get {sum_}" if amount > 0 else f"you pay {sum_}"
    return f"The job was cancelled; at fault: {fault} ({body.fault_reason}). By the policy's table, {got}."


def lost_contact(body: events_pb.JobFailed, amount: int) -> str:
    """For a person of a job that the market ended because the courier's phone was silent."""
    fault = job_pb.Fault.Name(body.fault).removeprefix("FAULT_").lower()
    sum_ = money.text(abs(amount), body.postings.currency_code)
    follows = f"you pay {sum_}" if amount < 0 else f"you get {sum_}"
    return f"Job {body.job_id} ended as failed; at fault: {fault} ({body.fault_reason}). By the policy, {follows}."


def rating(given: rating_pb.Rating) -> str:
    start = f"Job {given.job_id} was rated {given.stars} of 5"
    if given.cause != policy_pb.EXCLUSION_CAUSE_UNSPECIFIED:
        return f"{start}; it does not count, because: {given.excluded_because}."
    usual = ""
    if abs(given.leniency) >= 0.005:
        more = "more" if given.leniency > 0 else "less"
        usual = f", for its rater usually gives {abs(given.leniency):.2f} {more} than others"
    return (
        f"{start} and counts {given.counted_stars:.2f}{usual}; your score went from {given.score_before:.2f}"
        f" to {given.score_after:.2f}."
    )


def standing(change: rating_pb.StandingChange) -> str:
    start = f"Your account went from {level(change.before)} to {level(change.after)}"
    if change.rule:
        return f"{start}, because of {rule_sentence(change)}.{_follows(change.after)}"
    if change.decided_by:
        return f"{start}: decided by {change.decided_by}, who wrote: {change.reason}"
    return f"{start}: {change.reason}."


def _follows(after: policy_pb.StandingLevel) -> str:
    if after == policy_pb.STANDING_LEVEL_WATCH:
        return " It is noted, and nothing else follows."
    return " A human is asked, and nothing follows until they have decided." if after == UNDER_REVIEW else ""


UNDER_REVIEW = policy_pb.STANDING_LEVEL_UNDER_REVIEW


def answer(review: pb.Review) -> str:
    upheld = review.outcome == pb.REVIEW_OUTCOME_UPHELD
    verdict = "The decision stands" if upheld else "You were right, and the decision is undone"
    return f"{verdict}. The answer: {review.answer}"


def level(value: policy_pb.StandingLevel) -> str:
    name = policy_pb.StandingLevel.Name(value).removeprefix("STANDING_LEVEL_").replace("_", " ").lower()
    return f"{name} standing" if name == "good" else str(name)


def _kind(kind: types_pb.PriceLineKind) -> str:
    return str(types_pb.PriceLineKind.Name(kind).removeprefix("PRICE_LINE_KIND_").replace("_", "-").lower())


def _total(made: types_pb.Price) -> str:
    return money.text(made.total.minor_units, made.total.currency_code)
