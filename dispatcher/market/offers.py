"""An offer, complete and frozen: what a courier needs to decide, and why it came to them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from dispatcher.market.queue import needed_load
from dispatcher.market.state import MarketState
from dispatcher.times import SECOND, duration, span, timestamp
from geo.cells import area_cell
from geo.travel import Planar
from gig.v1 import offer_pb2 as offer_pb
from gig.v1 import types_pb2 as types_pb
from matching.assignment import NOBODY, TERMS, Assignment, Gate

if TYPE_CHECKING:
    from dispatcher.market.rounds import Round

# matching's gates are numbered as they stand, the contract's from 1.
GATES = {gate: offer_pb.Gate.Value(f"GATE_{gate.name}") for gate in Gate}


def make_offer(
    state: MarketState,
    round_: Round,
    assignment: Assignment,
    job: int,
    courier: int,
    round_sequence: int,
    now_us: int,
) -> offer_pb.Offer:
    record = state.jobs[round_.job_ids[job]]
    edge = int(assignment.edge[job])
    spec = record.spec
    offer = offer_pb.Offer(
        offer_id=f"{record.job_id}.{record.offers_made + 1}",
        job_id=record.job_id,
        courier_id=state.columns.ids[int(round_.numbers[courier])],
        kind=spec.kind,
        pay=record.pay,
        pickup_distance_metres=round(float(assignment.candidates.metres[edge])),
        pickup_duration=duration(round(float(assignment.candidates.seconds[edge]) * SECOND)),
        trip_distance_metres=record.trip_distance_metres,
        trip_duration=record.trip_duration,
        pickup=spec.pickup,
        destination_area=_area(state, spec.dropoff.position),
        load=needed_load(spec),
        stops=2,
        make_time=timestamp(now_us),
        expire_time=timestamp(now_us + span(state.policy.offers.time_to_answer)),
        policy_version=state.policy.version,
        round_sequence=round_sequence,
        reason=_reason(state, round_, assignment, job, edge),
    )
    if spec.HasField("pickup_after"):
        offer.pickup_after.CopyFrom(spec.pickup_after)
    return offer


def _area(state: MarketState, position: types_pb.Position) -> str:
    named = state.zones.area_name(position.latitude, position.longitude)
    if named is not None:
        return named
    if isinstance(state.travel, Planar):
        return f"{position.longitude / 1000:.0f},{position.latitude / 1000:.0f} km"
    return area_cell(position.latitude, position.longitude)


def _reason(state: MarketState, round_: Round, assignment: Assignment, job: int, edge: int) -> offer_pb.OfferReason:
    candidates = assignment.candidates
    gates = candidates.gates[job].tolist()
    alternatives = assignment.alternatives(job, state.policy.matching.alternatives_kept).tolist()
    return offer_pb.OfferReason(
        terms=[
            offer_pb.CostTerm(name=name, cost=cost)
            for name, cost in zip(TERMS, candidates.terms[edge].tolist(), strict=True)
            if cost
        ],
        cost=int(candidates.cost[edge]),
        alternatives=[_alternative(state, round_, assignment, other) for other in alternatives],
        gates=[offer_pb.GateCount(gate=GATES[gate], removed=gates[gate]) for gate in Gate if gates[gate]],
        couriers_considered=int(round_.numbers.size),
        couriers_eligible=int(round_.numbers.size) - sum(gates) + gates[Gate.NEAREST],
    )


def _alternative(state: MarketState, round_: Round, assignment: Assignment, edge: int) -> offer_pb.Alternative:
    candidates = assignment.candidates
    courier = int(candidates.courier[edge])
    other_job = int(assignment.job[courier])
    return offer_pb.Alternative(
        courier_id=state.columns.ids[int(round_.numbers[courier])],
        cost=int(candidates.cost[edge]),
        pickup_duration=duration(round(float(candidates.seconds[edge]) * SECOND)),
        chosen_for_job_id=round_.job_ids[other_job] if other_job != NOBODY else "",
    )
