"""Defaults for what every policy must have and a file or message may leave out. They enter the log with the policy."""

from __future__ import annotations

from dispatcher.late_reports import late_reports
from dispatcher.lost_contact import lost_contact
from dispatcher.times import set_span
from geo.plausible_trips import DEFAULT_BOUNDS
from gig.v1 import policy_pb2 as policy_pb

HOUR_S, DAY_S = 3_600, 86_400


def fill_in(policy: policy_pb.Policy) -> None:
    """Set what is absent, in the order of the contract: what every policy must have and a file may leave out.

    Reviews are answered within two weeks, as Directive (EU) 2024/2831, article 11, has it.
    """
    if not policy.reviews.HasField("answer_within"):
        policy.reviews.answer_within.seconds = 14 * DAY_S
    if not policy.reviews.HasField("claim_limit"):
        policy.reviews.claim_limit.seconds = 15 * 60
    if not policy.standing.HasField("contest_within"):
        policy.standing.contest_within.seconds = 180 * DAY_S
    if not policy.jobs.HasField("longest_trip"):
        policy.jobs.longest_trip.seconds = DAY_S
    _fill_in_backoff(policy.offers)
    _fill_in_lost_contact(policy)
    _fill_in_late_reports(policy)
    if policy.travel.HasField("learned"):
        _fill_in_bounds(policy.travel.learned)


def _fill_in_backoff(offers: policy_pb.OfferPolicy) -> None:
    """Let the wait before a declined job is offered again grow, where the policy does not say how."""
    backoff = offers.backoff
    backoff.growth = backoff.growth or 2.0
    if not backoff.HasField("least"):
        backoff.least.seconds = 10
    if not backoff.HasField("most"):
        backoff.most.seconds = HOUR_S


def _fill_in_lost_contact(policy: policy_pb.Policy) -> None:
    in_force, rule = lost_contact(policy), policy.jobs.lost_contact
    set_span(rule.task_after, in_force.task_after_us)
    set_span(rule.end_after, in_force.end_after_us)
    rule.fault, rule.pay_basis_points = in_force.fault, in_force.pay_basis_points


def _fill_in_late_reports(policy: policy_pb.Policy) -> None:
    in_force, rule = late_reports(policy), policy.couriers.late_reports
    set_span(rule.within, in_force.within_us)
    rule.fastest_mps, rule.position_error_metres = in_force.reach.fastest_mps, int(in_force.reach.error_m)


def _fill_in_bounds(learned: policy_pb.LearnedTravel) -> None:
    if not learned.HasField("least_ratio"):
        learned.least_ratio = DEFAULT_BOUNDS.least_ratio
    if not learned.HasField("most_ratio"):
        learned.most_ratio = DEFAULT_BOUNDS.most_ratio
    if not learned.HasField("shortest_trip_metres"):
        learned.shortest_trip_metres = DEFAULT_BOUNDS.shortest_m
