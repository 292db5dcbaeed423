"""A batch round: the state as a matching problem, and its solution as offers."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from dispatcher.market import lifecycle
from dispatcher.market.decide.drafts import Drafts
from dispatcher.market.offers import GATES, make_offer
from dispatcher.market.problems import problem_of, supply
from dispatcher.market.state import MarketState
from dispatcher.times import timestamp
from geo.units import Ints
from gig.v1 import events_pb2 as events_pb
from gig.v1 import offer_pb2 as offer_pb
from matching.assignment import NOBODY, Assignment, Gate
from matching.problem import Problem


@dataclass(frozen=True, slots=True)
class MovedCouriers:
    """Live positions that differ from those on the log: courier numbers ascending, int64 fixed-point degrees.

    ``in_ms``: milliseconds until each courier is there (where they can next turn); None: they are there now.
    """

    numbers: Ints
    latitude_e7: Ints
    longitude_e7: Ints
    in_ms: Ints | None = None

    @classmethod
    def none(cls) -> MovedCouriers:
        empty = np.zeros(0, np.int64)
        return cls(empty, empty, empty)


@dataclass(frozen=True, slots=True)
class Round:
    """A problem, and what its indices mean: ``job_ids[i]`` is job i, ``numbers[j]`` is courier j's number.

    ``plans[j]``: the stops (job id, kind) that courier j had accepted when the round was opened; those without are
    missing.
    """

    problem: Problem
    job_ids: tuple[str, ...]
    numbers: Ints
    plans: dict[int, tuple[tuple[str, int], ...]]
    moved: MovedCouriers
    as_of_us: int
    state_sequence: int


def open_round(state: MarketState, moved: MovedCouriers, now_us: int) -> Round | None:
    """The problem of this moment, or None where there is nothing to decide."""
    if not state.queue:
        return None
    numbers, sharing = supply(state, now_us)
    if not numbers.size:
        return None
    problem = problem_of(state, numbers, sharing, moved, now_us)
    plans = {
        index: tuple((stop.job_id, stop.kind) for stop in state.couriers[state.columns.ids[number]].plan)
        for index, number in zip(np.flatnonzero(sharing).tolist(), numbers[sharing].tolist(), strict=True)
    }
    return Round(problem, tuple(state.queue), numbers, plans, moved, now_us, state.sequence)


def settle_round(state: MarketState, round_: Round, assignment: Assignment, now_us: int, drafts: Drafts) -> None:
    """The round's event and its offers. Pairs that the market has overtaken meanwhile are left out and counted."""
    chosen = _edges(assignment)
    possible = [edge for edge in chosen if _still_possible(state, round_, assignment, edge)]
    overtaken = sum(len(assignment.candidates.members(edge)) for edge in set(chosen) - set(possible))
    event = drafts.add(round_settled=_record(state, round_, assignment, overtaken))
    for edge in possible:
        offer = make_offer(state, round_, assignment, edge, event.sequence, now_us)
        drafts.add(offer_made=events_pb.OfferMade(offer=offer))


def _edges(assignment: Assignment) -> list[int]:
    """The chosen edges that become offers now, each once, in the order of their first jobs."""
    ready = assignment.matched & ~assignment.held
    return list(dict.fromkeys(assignment.edge[ready].tolist()))


def _still_possible(state: MarketState, round_: Round, assignment: Assignment, edge: int) -> bool:
    courier = int(assignment.candidates.courier[edge])
    number = int(round_.numbers[courier])
    for job in assignment.candidates.members(edge):
        record = state.jobs.get(round_.job_ids[job])
        if record is None or record.state != lifecycle.QUEUED:
            return False
    if courier not in round_.plans:
        return bool(state.columns.available[number])
    # Stops done meanwhile only shorten the plan; anything else is another plan.
    now = [(stop.job_id, stop.kind) for stop in state.couriers[state.columns.ids[number]].plan]
    before = list(round_.plans[courier])
    return bool(state.columns.under_way[number]) and bool(now) and now == before[len(before) - len(now) :]


def _record(state: MarketState, round_: Round, assignment: Assignment, overtaken: int) -> events_pb.RoundSettled:
    columns, moved = state.columns, round_.moved
    offered = assignment.matched & ~assignment.held
    assigned = np.where(offered, round_.numbers[np.where(offered, assignment.courier, 0)], 0)
    shared = assignment.edge[offered]
    left = (assignment.edge == NOBODY) & (assignment.planned == NOBODY)
    return events_pb.RoundSettled(
        state_sequence=round_.state_sequence,
        as_of=timestamp(round_.as_of_us),
        moved_number_deltas=np.diff(moved.numbers, prepend=0).tolist(),
        moved_latitude_e7_deltas=(moved.latitude_e7 - columns.latitude_e7[moved.numbers]).tolist(),
        moved_longitude_e7_deltas=(moved.longitude_e7 - columns.longitude_e7[moved.numbers]).tolist(),
        moved_in_ms=moved.in_ms.tolist() if moved.in_ms is not None else (),
        jobs=len(round_.job_ids),
        couriers=int(round_.numbers.size),
        eligible_digest=assignment.digest,
        assigned_numbers=assigned.tolist(),
        costs=assignment.cost.tolist(),
        status=events_pb.ROUND_STATUS_FALLBACK if assignment.fell_back else events_pb.ROUND_STATUS_SOLVED,
        overtaken=overtaken,
        policy_version=state.policy.version,
        held=int(assignment.held.sum()) + int((assignment.planned != NOBODY).sum()),
        bundled=int(shared.size - np.unique(shared).size),
        unmatched_gates=_gate_counts(assignment.candidates.gates[left].sum(axis=0)),
    )


def _gate_counts(removed: Ints) -> list[offer_pb.GateCount]:
    return [
        offer_pb.GateCount(gate=GATES[gate], removed=min(int(removed[gate]), 2**32 - 1))
        for gate in Gate
        if removed[gate]
    ]
