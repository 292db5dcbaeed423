"""A batch round: the state as a matching problem, and its solution as offers."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import replace

import numpy as np

from dispatcher.market import lifecycle
from dispatcher.market.decide.drafts import Drafts
from dispatcher.market.offers import GATES, fill_offer
from dispatcher.market.problems import problem_of, revisable, supply, with_offered
from dispatcher.market.queue import QueuedJob
from dispatcher.market.round import MovedCouriers, Round
from dispatcher.market.set_aside import NOTHING, SetAside
from dispatcher.market.state import MarketState
from dispatcher.times import SECOND, span, timestamp
from geo.units import Ints
from gig.v1 import courier_service_pb2 as courier_pb
from gig.v1 import events_pb2 as events_pb
from gig.v1 import offer_pb2 as offer_pb
from gig.v1 import oversight_service_pb2 as oversight_pb
from matching.assignment import NOBODY, Assignment, Gate


def open_round(state: MarketState, moved: MovedCouriers, now_us: int, set_aside: SetAside = NOTHING) -> Round | None:
    """The problem of this moment without what is set aside, or None where there is nothing to decide."""
    offers = revisable(state, set_aside)
    waiting = _waiting(state, set_aside)
    if not waiting and not offers:
        return None
    set_aside = _narrowed(state, offers, now_us, set_aside)
    numbers, sharing = supply(state, offers, now_us, set_aside)
    # With nothing but open offers, and nobody else to make them to, all stays as it is.
    if not numbers.size or (not waiting and numbers.size == len(offers)):
        return None
    moved = _present(moved, set_aside)
    queue = with_offered(state, offers, waiting)
    problem = problem_of(state, numbers, sharing, moved, now_us, queue, offers)
    plans = {
        index: tuple((stop.job_id, stop.kind) for stop in state.couriers[state.columns.ids[number]].plan)
        for index, number in zip(np.flatnonzero(sharing).tolist(), numbers[sharing].tolist(), strict=True)
    }
    return Round(problem, tuple(queue), numbers, plans, moved, now_us, state.sequence, offers, set_aside)


def _narrowed(state: MarketState, offers: tuple[str, ...], now_us: int, set_aside: SetAside) -> SetAside:
    """What is set aside, but of the stale couriers only those who would count in the round."""
    if not set_aside.stale:
        return set_aside
    counting = supply(state, offers, now_us, replace(set_aside, stale=frozenset()))[0]
    return replace(set_aside, stale=set_aside.stale.intersection(counting.tolist()))


def _waiting(state: MarketState, set_aside: SetAside) -> dict[str, QueuedJob]:
    if set_aside.jobs.isdisjoint(state.queue):
        return state.queue
    return {job_id: row for job_id, row in state.queue.items() if job_id not in set_aside.jobs}


def _present(moved: MovedCouriers, set_aside: SetAside) -> MovedCouriers:
    if not set_aside.absent:
        return moved
    rows = np.flatnonzero(~np.isin(moved.numbers, list(set_aside.absent)))
    in_ms = None if moved.in_ms is None else moved.in_ms[rows]
    return MovedCouriers(moved.numbers[rows], moved.latitude_e7[rows], moved.longitude_e7[rows], in_ms)


def settle_round(
    state: MarketState,
    round_: Round,
    assignment: Assignment,
    now_us: int,
    drafts: Drafts,
    unfillable: Collection[int] = (),
) -> None:
    """The round's event, offers that are withdrawn for better ones, and its offers.

    Pairs that the market has overtaken meanwhile are left out and counted, and so are the ``unfillable`` edges.
    """
    chosen = [edge for edge in chosen_edges(round_, assignment) if edge not in unfillable]
    possible = [edge for edge in chosen if still_possible(state, round_, assignment, edge)]
    overtaken = sum(len(assignment.candidates.members(edge)) for edge in set(chosen) - set(possible))
    event = drafts.add(round_settled=_record(state, round_, assignment, overtaken, len(unfillable)))
    for offer_id, edge in revised_offers(state, round_, assignment, possible).items():
        drafts.add(offer_answered=withdrawn(state, round_, assignment, offer_id, edge))
    for edge in possible:
        # Filled in place: a copy of a whole offer is the dearest part of a round's end.
        made = drafts.add()
        offer = made.offer_made.offer
        offer.offer_id = drafts.new_id("offer", made)
        fill_offer(offer, state, round_, assignment, edge, event.sequence, now_us)
        if offer.reason.alternatives:
            offer.reason.not_offered_decision_id = drafts.new_id("not offered", made)


def chosen_edges(round_: Round, assignment: Assignment) -> list[int]:
    """The chosen edges that become offers now, each once, in the order of their first jobs; none offered already."""
    ready = assignment.matched & ~assignment.held
    edges = np.array(list(dict.fromkeys(assignment.edge[ready].tolist())), np.int64)
    offers = round_.problem.open_offers
    if offers is not None:
        edges = edges[~offers.kept(assignment.candidates.jobs[edges], assignment.candidates.courier[edges])]
    found: list[int] = edges.tolist()
    return found


def still_possible(state: MarketState, round_: Round, assignment: Assignment, edge: int) -> bool:
    courier = int(assignment.candidates.courier[edge])
    number = int(round_.numbers[courier])
    for job in assignment.candidates.members(edge):
        record = state.jobs.get(round_.job_ids[job])
        if record is None or not (record.state == lifecycle.QUEUED or _is_revisable(round_, state, record.offer_id)):
            return False
    record_of = state.couriers[state.columns.ids[number]]
    if courier not in round_.plans:
        return bool(state.columns.available[number]) or _is_revisable(round_, state, record_of.offer_id)
    # Stops done meanwhile only shorten the plan; anything else is another plan.
    now = [(stop.job_id, stop.kind) for stop in record_of.plan]
    before = list(round_.plans[courier])
    return bool(state.columns.under_way[number]) and bool(now) and now == before[len(before) - len(now) :]


def _is_revisable(round_: Round, state: MarketState, offer_id: str) -> bool:
    """One of the offers that the round could revise, and still without an answer."""
    return bool(offer_id) and offer_id in round_.offers and offer_id in state.offers


def revised_offers(state: MarketState, round_: Round, assignment: Assignment, edges: list[int]) -> dict[str, int]:
    """Open offers that stand in the way of the edges, each with the first edge that it is withdrawn for."""
    revised: dict[str, int] = {}
    if not round_.offers:
        return revised
    for edge in edges:
        number = int(round_.numbers[int(assignment.candidates.courier[edge])])
        of_jobs = [state.jobs[round_.job_ids[job]].offer_id for job in assignment.candidates.members(edge)]
        for offer_id in (*of_jobs, state.couriers[state.columns.ids[number]].offer_id):
            if offer_id in state.offers:
                revised.setdefault(offer_id, edge)
    return revised


def withdrawn(
    state: MarketState, round_: Round, assignment: Assignment, offer_id: str, edge: int
) -> events_pb.OfferAnswered:
    offer = state.offers[offer_id]
    jobs = ", ".join(round_.job_ids[job] for job in assignment.candidates.members(edge))
    better_s = span(state.policy.matching.commitment.revise_when_better_by) / SECOND
    return events_pb.OfferAnswered(
        offer_id=offer_id,
        job_ids=[offered.job_id for offered in offer.jobs],
        courier_id=offer.courier_id,
        outcome=courier_pb.OFFER_OUTCOME_WITHDRAWN,
        reason=f"revised: another courier for {jobs} makes the round better by {better_s:g} s or more",
    )


def _record(
    state: MarketState, round_: Round, assignment: Assignment, overtaken: int, unfilled: int
) -> events_pb.RoundSettled:
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
        unmatched_gates=_gate_counts(
            assignment.candidates.gates[left].sum(axis=0), int(left.sum()) * len(round_.set_aside.stale)
        ),
        set_aside_job_ids=sorted(round_.set_aside.jobs),
        set_aside_numbers=sorted(round_.set_aside.couriers),
        stale_number_deltas=np.diff(sorted(round_.set_aside.stale), prepend=0).tolist(),
        unfilled=unfilled,
        truncated_job_ids=[round_.job_ids[job] for job in assignment.candidates.truncated.tolist()],
    )


def _gate_counts(removed: Ints, stale: int) -> list[offer_pb.GateCount]:
    """``removed``: by Gate; ``stale``: by the age of positions, before all gates."""
    counts = {offer_pb.GATE_POSITION: stale} | {GATES[gate]: int(removed[gate]) for gate in Gate}
    return [offer_pb.GateCount(gate=gate, removed=min(count, 2**32 - 1)) for gate, count in counts.items() if count]


def _lonely(round_: Round, assignment: Assignment) -> Ints:
    """Indices of the jobs without any candidate."""
    candidates = assignment.candidates
    lonely = np.ones(len(round_.job_ids), bool)
    lonely[candidates.jobs[candidates.jobs != NOBODY]] = False
    return np.flatnonzero(lonely)


def without_candidates(round_: Round, assignment: Assignment) -> list[str]:
    """Ids of the jobs for which no courier is eligible and in reach."""
    return [round_.job_ids[job] for job in _lonely(round_, assignment).tolist()]


def stranded(round_: Round, assignment: Assignment, most: int) -> list[oversight_pb.StrandedJob]:
    """Return at most ``most`` jobs without any candidate, the oldest first, and the gates that removed the couriers."""
    oldest = _lonely(round_, assignment)
    oldest = oldest[np.argsort(-round_.problem.jobs.age_s[oldest], kind="stable")][:most]
    return [
        oversight_pb.StrandedJob(
            job_id=round_.job_ids[job],
            gates=_gate_counts(assignment.candidates.gates[job], len(round_.set_aside.stale)),
        )
        for job in oldest.tolist()
    ]
