"""A batch round: the state as a matching problem, and its solution as offers."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from dispatcher.market import lifecycle
from dispatcher.market.couriers import OPEN_ENDED
from dispatcher.market.decide.drafts import Drafts
from dispatcher.market.offers import make_offer
from dispatcher.market.state import MarketState
from dispatcher.times import SECOND, span, timestamp
from geo.units import Ints, from_e7_array
from gig.v1 import events_pb2 as events_pb
from gig.v1 import policy_pb2 as policy_pb
from matching.assignment import NOBODY, Assignment
from matching.problem import FreeCouriers, OpenJobs, Problem, Requirements, Solver, Weights

_SOLVERS = {
    policy_pb.SOLVER_MIN_COST_FLOW: Solver.MIN_COST_FLOW,
    policy_pb.SOLVER_GREEDY_NEAREST: Solver.GREEDY_NEAREST,
}


@dataclass(frozen=True, slots=True)
class MovedCouriers:
    """Live positions that differ from those on the log: courier numbers ascending, int64 fixed-point degrees."""

    numbers: Ints
    latitude_e7: Ints
    longitude_e7: Ints

    @classmethod
    def none(cls) -> MovedCouriers:
        empty = np.zeros(0, np.int64)
        return cls(empty, empty, empty)


@dataclass(frozen=True, slots=True)
class Round:
    """A problem, and what its indices mean: ``job_ids[i]`` is job i, ``numbers[j]`` is courier j's number."""

    problem: Problem
    job_ids: tuple[str, ...]
    numbers: Ints
    moved: MovedCouriers
    as_of_us: int
    state_sequence: int


def open_round(state: MarketState, moved: MovedCouriers, now_us: int) -> Round | None:
    """The problem of this moment, or None where there is nothing to decide."""
    numbers = state.columns.available_numbers()
    if not state.queue or not numbers.size:
        return None
    matching, weights = state.policy.matching, state.policy.matching.weights
    excluded_jobs, excluded_couriers = _exclusions(state, numbers, now_us)
    assert state.travel is not None, "a market is opened with its policy"
    skill_bits = _skill_bits(state)
    problem = Problem(
        jobs=_open_jobs(state, skill_bits, now_us),
        couriers=_free_couriers(state, numbers, moved, skill_bits, now_us),
        excluded_jobs=excluded_jobs,
        excluded_couriers=excluded_couriers,
        travel=state.travel,
        weights=Weights(
            weights.pickup_time,
            weights.lateness,
            weights.waiting_at_pickup,
            weights.courier_waiting,
            weights.job_age,
            weights.unmatched,
        ),
        solver=_SOLVERS[matching.solver],
        candidates_per_job=matching.candidates_per_job,
        max_reach_s=span(matching.max_reach) / SECOND,
        at_s=now_us / SECOND,
    )
    return Round(problem, tuple(state.queue), numbers, moved, now_us, state.sequence)


def settle_round(state: MarketState, round_: Round, assignment: Assignment, now_us: int, drafts: Drafts) -> None:
    """The round's event and its offers. Pairs that the market has overtaken meanwhile are left out and counted."""
    possible = [
        (job, int(assignment.courier[job]))
        for job in np.flatnonzero(assignment.matched).tolist()
        if _still_possible(state, round_, job, int(assignment.courier[job]))
    ]
    event = drafts.add(round_settled=_record(state, round_, assignment, len(possible)))
    for job, courier in possible:
        offer = make_offer(state, round_, assignment, job, courier, event.sequence, now_us)
        drafts.add(offer_made=events_pb.OfferMade(offer=offer))


def _still_possible(state: MarketState, round_: Round, job: int, courier: int) -> bool:
    record = state.jobs.get(round_.job_ids[job])
    number = int(round_.numbers[courier])
    return record is not None and record.state == lifecycle.QUEUED and bool(state.columns.available[number])


def _record(state: MarketState, round_: Round, assignment: Assignment, offers: int) -> events_pb.RoundSettled:
    columns, moved = state.columns, round_.moved
    assigned = np.where(assignment.matched, round_.numbers[np.where(assignment.matched, assignment.courier, 0)], 0)
    return events_pb.RoundSettled(
        state_sequence=round_.state_sequence,
        as_of=timestamp(round_.as_of_us),
        moved_number_deltas=np.diff(moved.numbers, prepend=0).tolist(),
        moved_latitude_e7_deltas=(moved.latitude_e7 - columns.latitude_e7[moved.numbers]).tolist(),
        moved_longitude_e7_deltas=(moved.longitude_e7 - columns.longitude_e7[moved.numbers]).tolist(),
        jobs=len(round_.job_ids),
        couriers=int(round_.numbers.size),
        eligible_digest=assignment.digest,
        assigned_numbers=assigned.tolist(),
        costs=assignment.cost.tolist(),
        status=events_pb.ROUND_STATUS_FALLBACK if assignment.fell_back else events_pb.ROUND_STATUS_SOLVED,
        overtaken=int(np.count_nonzero(assignment.courier != NOBODY)) - offers,
        policy_version=state.policy.version,
    )


def _open_jobs(state: MarketState, skill_bits: dict[str, int], now_us: int) -> OpenJobs:
    rows = list(state.queue.values())
    lat, lng, since, ready, vehicles, persons, parcels, weight = zip(*(row.numbers for row in rows), strict=True)
    return OpenJobs(
        latitude=np.array(lat, np.float64),
        longitude=np.array(lng, np.float64),
        age_s=(now_us - np.array(since, np.int64)) / SECOND,
        ready_in_s=(np.array(ready, np.int64) - now_us) / SECOND,
        needs=Requirements(
            vehicles=np.array(vehicles, np.int64),
            skills=np.array([sum(skill_bits[skill] for skill in row.skills) for row in rows], np.int64),
            persons=np.array(persons, np.int64),
            parcels=np.array(parcels, np.int64),
            weight_g=np.array(weight, np.int64),
        ),
    )


def _free_couriers(
    state: MarketState, numbers: Ints, moved: MovedCouriers, skill_bits: dict[str, int], now_us: int
) -> FreeCouriers:
    columns = state.columns
    latitude_e7, longitude_e7 = columns.latitude_e7.copy(), columns.longitude_e7.copy()
    latitude_e7[moved.numbers], longitude_e7[moved.numbers] = moved.latitude_e7, moved.longitude_e7
    shift_end = columns.shift_end_us[numbers]
    skills = np.zeros(numbers.size, np.int64)
    if skill_bits:
        skilled = [_skill_mask(columns.skills.get(number, frozenset()), skill_bits) for number in numbers.tolist()]
        skills = np.array(skilled, np.int64)
    return FreeCouriers(
        latitude=from_e7_array(latitude_e7[numbers]),
        longitude=from_e7_array(longitude_e7[numbers]),
        free_s=(now_us - columns.free_us[numbers]) / SECOND,
        shift_left_s=np.where(shift_end == OPEN_ENDED, np.inf, (shift_end - now_us) / SECOND),
        offers=Requirements(
            vehicles=columns.vehicle[numbers],
            skills=skills,
            persons=columns.persons[numbers],
            parcels=columns.parcels[numbers],
            weight_g=columns.weight_g[numbers],
        ),
    )


def _skill_bits(state: MarketState) -> dict[str, int]:
    """A bit for each skill that an open job asks for; at most 62 of them count in one round, by name."""
    wanted = sorted({skill for row in state.queue.values() if row.skills for skill in row.skills})
    return {skill: 1 << min(index, 62) for index, skill in enumerate(wanted)}


def _skill_mask(skills: frozenset[str], bits: dict[str, int]) -> int:
    mask = 0
    for skill in skills & bits.keys():
        mask |= bits[skill]
    return mask


def _exclusions(state: MarketState, numbers: Ints, now_us: int) -> tuple[Ints, Ints]:
    """Pairs of (job index, courier index) that may not be offered now."""
    index_of = {job_id: index for index, job_id in enumerate(state.queue)} if state.exclusions else {}
    jobs: list[int] = []
    excluded: list[int] = []
    for job_id, until in state.exclusions.items():
        if job_id in index_of:
            for courier_id, until_us in until.items():
                if until_us > now_us:
                    jobs.append(index_of[job_id])
                    excluded.append(state.numbers[courier_id])
    at = np.searchsorted(numbers, excluded)
    present = (at < numbers.size) & (numbers[np.minimum(at, numbers.size - 1)] == excluded)
    return np.array(jobs, np.int64)[present], at[present].astype(np.int64)
