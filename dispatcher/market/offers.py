"""An offer, complete and frozen: what a courier needs to decide, and why it came to them."""

from __future__ import annotations

from dispatcher.complete import mirrored
from dispatcher.market.plans import DROPOFF, PICKUP
from dispatcher.market.queue import needed_load
from dispatcher.market.round import Round
from dispatcher.market.state import MarketState
from dispatcher.pricing.amounts import saturated
from dispatcher.pricing.job_price import waiting_terms
from dispatcher.times import SECOND, rounded_us, set_span, set_time, span
from geo.cells import area_cell
from geo.travel import Planar
from gig.v1 import job_pb2 as job_pb
from gig.v1 import offer_pb2 as offer_pb
from gig.v1 import types_pb2 as types_pb
from matching.assignment import NOBODY, TERMS, Assignment, Gate

# Longest distance to a pickup that an offer states, metres.
LONGEST_WAY_M = 1e12

# matching's filters are numbered in the order of evaluation, the contract's numbers never change. The market itself
# removes couriers whose position is too old.
mirrored(Gate, offer_pb.Gate, "GATE_", without={"POSITION"})
GATES = {gate: offer_pb.Gate.Value(f"GATE_{gate.name}") for gate in Gate}
GATE_NUMBERS = [GATES[gate] for gate in sorted(Gate)]


def fill_offer(
    offer: offer_pb.Offer,
    state: MarketState,
    round_: Round,
    assignment: Assignment,
    edge: int,
    round_sequence: int,
    now_us: int,
) -> None:
    """Fill in an offer that has nothing but its id, for the jobs and the courier of a chosen edge."""
    candidates, policy = assignment.candidates, state.policy
    jobs = [state.jobs[round_.job_ids[job]] for job in candidates.members(edge)]
    for job in jobs:
        _fill_offered(offer.jobs.add(), state, job)
    offer.courier_id = state.columns.ids[int(round_.numbers[int(candidates.courier[edge])])]
    offer.pay.minor_units = saturated(sum(job.pay.total.minor_units for job in jobs))
    offer.pay.currency_code = jobs[0].pay.total.currency_code
    offer.pickup_distance_metres = round(min(float(candidates.metres[edge]), LONGEST_WAY_M))
    set_span(offer.pickup_duration, rounded_us(float(candidates.seconds[edge]) * SECOND))
    _fill_plan(offer, state, round_, assignment, edge, jobs)
    set_time(offer.make_time, now_us)
    set_time(offer.expire_time, now_us + span(policy.offers.time_to_answer))
    offer.policy_version = policy.version
    offer.round_sequence = round_sequence
    _fill_reason(offer.reason, state, round_, assignment, edge)
    offer.stops = 2 * len(jobs)
    offer.surge_minor_units = saturated(
        sum(line.minor_units for job in jobs for line in job.pay.lines if line.kind == types_pb.PRICE_LINE_KIND_SURGE)
    )
    offer.time_to_answer.CopyFrom(policy.offers.time_to_answer)


def _fill_offered(offered: offer_pb.OfferedJob, state: MarketState, job: job_pb.Job) -> None:
    spec = job.spec
    offered.job_id, offered.kind = job.job_id, spec.kind
    offered.price_decision_id, offered.surge_decision_id = job.price_decision_id, job.surge_decision_id
    offered.pay.CopyFrom(job.pay)
    offered.trip_distance_metres = job.trip_distance_metres
    offered.trip_duration.CopyFrom(job.trip_duration)
    offered.pickup.CopyFrom(spec.pickup)
    offered.destination_area = _area(state, spec.dropoff.position)
    offered.load.CopyFrom(needed_load(spec))
    waiting = waiting_terms(state.pays.get(spec.kind))
    if waiting is not None:
        offered.waiting.CopyFrom(waiting)
    if spec.HasField("pickup_after"):
        offered.pickup_after.CopyFrom(spec.pickup_after)
    if job.HasField("promise_time"):
        offered.promise_time.CopyFrom(job.promise_time)


def _area(state: MarketState, position: types_pb.Position) -> str:
    named = state.zones.area_name(position.latitude, position.longitude)
    if named is not None:
        return named
    if isinstance(state.travel, Planar):
        return f"{position.longitude / 1000:.0f},{position.latitude / 1000:.0f} km"
    return area_cell(position.latitude, position.longitude)


def _fill_plan(
    offer: offer_pb.Offer, state: MarketState, round_: Round, assignment: Assignment, edge: int, jobs: list[job_pb.Job]
) -> None:
    """Every stop in order, as the round planned it."""
    routes = assignment.candidates.routes
    if routes is None:
        _fill_two_stops(offer, state, round_, assignment, edge, jobs[0])
        return
    accepted = round_.plans.get(int(assignment.candidates.courier[edge]), ())
    for code, moment_s in zip(*(column.tolist() for column in routes.of(edge)), strict=True):
        if code < 0:
            job_id, kind = accepted[-1 - code]
        else:
            job_id, kind = jobs[code // 2].job_id, DROPOFF if code % 2 else PICKUP
        stop = offer.plan.add(job_id=job_id, kind=kind)
        set_time(stop.expected_time, round_.as_of_us + rounded_us(moment_s * SECOND))


def _fill_two_stops(
    offer: offer_pb.Offer, state: MarketState, round_: Round, assignment: Assignment, edge: int, job: job_pb.Job
) -> None:
    """Pickup and drop-off of the one job."""
    travel, problem = state.travel, round_.problem
    assert travel is not None, "a market is opened with its policy"
    index, courier = int(assignment.candidates.job[edge]), int(assignment.candidates.courier[edge])
    there = float(problem.couriers.starts_in_s[courier]) + float(assignment.candidates.seconds[edge])
    pickup = max(there + travel.half_pickup_service_s, float(problem.jobs.ready_in_s[index]))
    trip = span(job.trip_duration) / SECOND
    dropoff = pickup + travel.half_pickup_service_s + trip + travel.half_dropoff_service_s
    for kind, moment in ((PICKUP, pickup), (DROPOFF, dropoff)):
        stop = offer.plan.add(job_id=job.job_id, kind=kind)
        set_time(stop.expected_time, round_.as_of_us + rounded_us(moment * SECOND))


def _fill_reason(
    reason: offer_pb.OfferReason, state: MarketState, round_: Round, assignment: Assignment, edge: int
) -> None:
    """Why this courier, told for the offer's first job."""
    candidates = assignment.candidates
    job = int(candidates.job[edge])
    gates = candidates.gates[job].tolist()
    most = max(gates)
    _add_terms(reason, assignment, edge)
    reason.cost = int(candidates.cost[edge])
    for other in assignment.alternatives(job, state.policy.matching.alternatives_kept).tolist():
        _fill_alternative(reason.alternatives.add(), state, round_, assignment, other)
    stale = len(round_.set_aside.stale)
    if stale:
        reason.gates.add(gate=offer_pb.GATE_POSITION, removed=stale)
    for gate, removed in enumerate(gates):
        if removed:
            reason.gates.add(gate=GATE_NUMBERS[gate], removed=removed)
    reason.couriers_considered = int(round_.numbers.size) + stale
    reason.couriers_eligible = max(int(round_.numbers.size) - sum(gates), 0)
    reason.courier_price = int(assignment.price[int(candidates.courier[edge])])
    reason.binding_gate = GATE_NUMBERS[gates.index(most)] if most else offer_pb.GATE_UNSPECIFIED
    if stale > most:
        reason.binding_gate = offer_pb.GATE_POSITION


def _add_terms(told: offer_pb.OfferReason | offer_pb.Alternative, assignment: Assignment, edge: int) -> None:
    for name, cost in zip(TERMS, assignment.candidates.terms[edge].tolist(), strict=True):
        if cost:
            told.terms.add(name=name, cost=cost)


def _fill_alternative(
    alternative: offer_pb.Alternative, state: MarketState, round_: Round, assignment: Assignment, edge: int
) -> None:
    candidates = assignment.candidates
    courier = int(candidates.courier[edge])
    taken = int(assignment.taken[courier])
    alternative.courier_id = state.columns.ids[int(round_.numbers[courier])]
    alternative.cost = int(candidates.cost[edge])
    set_span(alternative.pickup_duration, rounded_us(float(candidates.seconds[edge]) * SECOND))
    if taken != NOBODY:
        alternative.chosen_for_job_id = round_.job_ids[int(candidates.job[taken])]
    _add_terms(alternative, assignment, edge)
