"""Chosen pairs whose offers cannot be made, and the jobs and couriers that are the cause."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from dispatcher.market.offers import fill_offer
from dispatcher.market.round import Round
from dispatcher.market.rounds import chosen_edges, revised_offers, still_possible, withdrawn
from dispatcher.market.state import MarketState
from gig.v1 import offer_pb2 as offer_pb
from matching.assignment import Assignment

# Other pairs that are tried to find the cause of one that fails.
MOST_PROBES = 5


@dataclass(frozen=True, slots=True)
class Unfilled:
    """An edge whose offer cannot be made; ``jobs`` (ids) and ``couriers`` (numbers) are the cause."""

    edge: int
    jobs: tuple[str, ...]
    couriers: tuple[int, ...]
    fault: Exception


def unfilled(state: MarketState, round_: Round, assignment: Assignment, now_us: int) -> list[Unfilled]:
    """Every chosen edge that fails on its own."""
    found = []
    for edge in chosen_edges(round_, assignment):
        fault = _fault(state, round_, assignment, edge, now_us)
        if fault is not None:
            jobs, couriers = _causes(state, round_, assignment, edge, now_us)
            found.append(Unfilled(edge, jobs, couriers, fault))
    return found


def _fault(state: MarketState, round_: Round, assignment: Assignment, edge: int, now_us: int) -> Exception | None:
    """Return the exception with which making the offer of an edge fails, of any kind, or None. Changes nothing."""
    try:
        if still_possible(state, round_, assignment, edge):
            for offer_id, better in revised_offers(state, round_, assignment, [edge]).items():
                withdrawn(state, round_, assignment, offer_id, better)
            fill_offer(offer_pb.Offer(), state, round_, assignment, edge, 0, now_us)
    except Exception as fault:
        return fault
    return None


def _causes(
    state: MarketState, round_: Round, assignment: Assignment, edge: int, now_us: int
) -> tuple[tuple[str, ...], tuple[int, ...]]:
    """Return the jobs that fail with other couriers too, or the courier where the jobs do not; all of them where other
    pairs do not show it."""
    candidates = assignment.candidates
    members, courier = candidates.members(edge), int(candidates.courier[edge])
    mine = (candidates.jobs[:, :, None] == np.array(members)).any(axis=(1, 2))
    other_couriers = candidates.courier != courier

    def works(edges: np.ndarray) -> bool:
        return any(
            _fault(state, round_, assignment, other, now_us) is None
            for other in np.flatnonzero(edges)[:MOST_PROBES].tolist()
        )

    bad_jobs = [job for job in members if not works((candidates.jobs == job).any(axis=1) & other_couriers)]
    ids = tuple(round_.job_ids[job] for job in (bad_jobs or members))
    number = int(round_.numbers[courier])
    if works(~mine & ~other_couriers):
        return ids, ()
    return ((), (number,)) if not bad_jobs else (ids, (number,))
