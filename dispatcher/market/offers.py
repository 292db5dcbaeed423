"""An offer, complete and frozen: what a courier needs to decide, and why it came to them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from dispatcher.market.plans import DROPOFF, PICKUP
from dispatcher.market.queue import needed_load
from dispatcher.market.state import MarketState
from dispatcher.pricing.job_price import waiting_terms
from dispatcher.pricing.tariff import tariff_of
from dispatcher.times import SECOND, duration, span, timestamp
from geo.cells import area_cell
from geo.travel import Planar
from gig.v1 import job_pb2 as job_pb
from gig.v1 import offer_pb2 as offer_pb
from gig.v1 import types_pb2 as types_pb
from matching.assignment import NOBODY, TERMS, Assignment, Gate

if TYPE_CHECKING:
    from dispatcher.market.rounds import Round

# matching's gates are numbered as they stand, the contract's for ever.
GATES = {gate: offer_pb.Gate.Value(f"GATE_{gate.name}") for gate in Gate}


def make_offer(
    state: MarketState, round_: Round, assignment: Assignment, edge: int, round_sequence: int, now_us: int
) -> offer_pb.Offer:
    candidates = assignment.candidates
    jobs = [state.jobs[round_.job_ids[job]] for job in candidates.members(edge)]
    number = int(round_.numbers[int(candidates.courier[edge])])
    offer = offer_pb.Offer(
        offer_id=f"{jobs[0].job_id}.{jobs[0].offers_made + 1}",
        jobs=[_offered(state, job) for job in jobs],
        courier_id=state.columns.ids[number],
        pay=types_pb.Money(
            minor_units=sum(job.pay.total.minor_units for job in jobs), currency_code=jobs[0].pay.total.currency_code
        ),
        pickup_distance_metres=round(float(candidates.metres[edge])),
        pickup_duration=duration(round(float(candidates.seconds[edge]) * SECOND)),
        plan=_plan(state, round_, assignment, edge, jobs),
        make_time=timestamp(now_us),
        expire_time=timestamp(now_us + span(state.policy.offers.time_to_answer)),
        policy_version=state.policy.version,
        round_sequence=round_sequence,
        reason=_reason(state, round_, assignment, edge),
        stops=2 * len(jobs),
        surge_minor_units=sum(
            line.minor_units for job in jobs for line in job.pay.lines if line.kind == types_pb.PRICE_LINE_KIND_SURGE
        ),
        time_to_answer=state.policy.offers.time_to_answer,
    )
    return offer


def _offered(state: MarketState, job: job_pb.Job) -> offer_pb.OfferedJob:
    spec = job.spec
    offered = offer_pb.OfferedJob(
        job_id=job.job_id,
        kind=spec.kind,
        pay=job.pay,
        trip_distance_metres=job.trip_distance_metres,
        trip_duration=job.trip_duration,
        pickup=spec.pickup,
        destination_area=_area(state, spec.dropoff.position),
        load=needed_load(spec),
        waiting=waiting_terms(tariff_of(state.policy.pays, spec.kind)),
    )
    if spec.HasField("pickup_after"):
        offered.pickup_after.CopyFrom(spec.pickup_after)
    if job.HasField("promise_time"):
        offered.promise_time.CopyFrom(job.promise_time)
    return offered


def _area(state: MarketState, position: types_pb.Position) -> str:
    named = state.zones.area_name(position.latitude, position.longitude)
    if named is not None:
        return named
    if isinstance(state.travel, Planar):
        return f"{position.longitude / 1000:.0f},{position.latitude / 1000:.0f} km"
    return area_cell(position.latitude, position.longitude)


def _plan(
    state: MarketState, round_: Round, assignment: Assignment, edge: int, jobs: list[job_pb.Job]
) -> list[job_pb.PlanStop]:
    """Every stop in order, as the round planned it."""
    routes = assignment.candidates.routes
    if routes is None:
        return _two_stops(state, round_, assignment, edge, jobs[0])
    accepted = round_.plans.get(int(assignment.candidates.courier[edge]), ())
    stops = []
    for code, moment_s in zip(*(column.tolist() for column in routes.of(edge)), strict=True):
        if code < 0:
            job_id, kind = accepted[-1 - code]
        else:
            job_id, kind = jobs[code // 2].job_id, DROPOFF if code % 2 else PICKUP
        expected = timestamp(round_.as_of_us + round(moment_s * SECOND))
        stops.append(job_pb.PlanStop(job_id=job_id, kind=kind, expected_time=expected))
    return stops


def _two_stops(
    state: MarketState, round_: Round, assignment: Assignment, edge: int, job: job_pb.Job
) -> list[job_pb.PlanStop]:
    """Pickup and drop-off of the one job."""
    travel, problem = state.travel, round_.problem
    assert travel is not None, "a market is opened with its policy"
    index, courier = int(assignment.candidates.job[edge]), int(assignment.candidates.courier[edge])
    there = float(problem.couriers.starts_in_s[courier]) + float(assignment.candidates.seconds[edge])
    pickup = max(there + travel.half_pickup_service_s, float(problem.jobs.ready_in_s[index]))
    trip = job.trip_duration.ToTimedelta().total_seconds()
    dropoff = pickup + travel.half_pickup_service_s + trip + travel.half_dropoff_service_s
    return [
        job_pb.PlanStop(job_id=job.job_id, kind=kind, expected_time=timestamp(round_.as_of_us + round(moment * SECOND)))
        for kind, moment in ((PICKUP, pickup), (DROPOFF, dropoff))
    ]


def _reason(state: MarketState, round_: Round, assignment: Assignment, edge: int) -> offer_pb.OfferReason:
    """Why this courier, told for the offer's first job."""
    candidates = assignment.candidates
    job = int(candidates.job[edge])
    gates = candidates.gates[job].tolist()
    alternatives = assignment.alternatives(job, state.policy.matching.alternatives_kept).tolist()
    binding = max(Gate, key=lambda gate: gates[gate])
    return offer_pb.OfferReason(
        terms=_terms(assignment, edge),
        cost=int(candidates.cost[edge]),
        alternatives=[_alternative(state, round_, assignment, other) for other in alternatives],
        gates=[offer_pb.GateCount(gate=GATES[gate], removed=gates[gate]) for gate in Gate if gates[gate]],
        couriers_considered=int(round_.numbers.size),
        couriers_eligible=int(round_.numbers.size) - sum(gates),
        courier_price=int(assignment.price[int(candidates.courier[edge])]),
        binding_gate=GATES[binding] if gates[binding] else offer_pb.GATE_UNSPECIFIED,
    )


def _terms(assignment: Assignment, edge: int) -> list[offer_pb.CostTerm]:
    terms = assignment.candidates.terms[edge].tolist()
    return [offer_pb.CostTerm(name=name, cost=cost) for name, cost in zip(TERMS, terms, strict=True) if cost]


def _alternative(state: MarketState, round_: Round, assignment: Assignment, edge: int) -> offer_pb.Alternative:
    candidates = assignment.candidates
    courier = int(candidates.courier[edge])
    taken = int(assignment.taken[courier])
    return offer_pb.Alternative(
        courier_id=state.columns.ids[int(round_.numbers[courier])],
        cost=int(candidates.cost[edge]),
        pickup_duration=duration(round(float(candidates.seconds[edge]) * SECOND)),
        chosen_for_job_id=round_.job_ids[int(candidates.job[taken])] if taken != NOBODY else "",
        terms=_terms(assignment, edge),
    )
