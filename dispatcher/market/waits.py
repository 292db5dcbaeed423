"""Why a job still waits: how many couriers each filter removes for it now."""

from __future__ import annotations

from collections.abc import Mapping

from dispatcher.complete import complete, numbers_of
from dispatcher.errors import WrongState
from dispatcher.market import lifecycle
from dispatcher.market.filter_sentences import FILTERS
from dispatcher.market.offers import GATES
from dispatcher.market.problems import problem_of, revisable, supply
from dispatcher.market.queue import queued
from dispatcher.market.round import MovedCouriers
from dispatcher.market.set_aside import NOTHING, SetAside
from dispatcher.market.state import MarketState
from dispatcher.times import timestamp
from gig.v1 import offer_pb2 as offer_pb
from gig.v1 import transparency_service_pb2 as pb
from matching.candidates import eligible_pairs
from matching.problem import Gate, Problem

# Why each filter removes couriers: continues a sentence that begins with their number.
WORDS: dict[int, str] = complete(
    {
        offer_pb.GATE_POSITION: "have sent no position for too long",
        **{GATES[gate]: sentences.wait for gate, sentences in FILTERS.items()},
    },
    numbers_of(offer_pb.Gate),
    "sentences about couriers whom a filter removes",
)


def explain_wait(
    state: MarketState, job_id: str, moved: MovedCouriers, now_us: int, set_aside: SetAside = NOTHING
) -> pb.ExplainWaitResponse:
    """Return the couriers that each filter removes, the largest count first, and a sentence.

    Raises WrongState unless the job waits.
    """
    job = state.job(job_id)
    if job.state != lifecycle.QUEUED:
        raise WrongState("JOB_STATE", f"job {job_id!r} is {lifecycle.state_name(job.state)}", job_id=job_id)
    numbers, sharing = supply(state, (), now_us, set_aside)
    stale = supply(state, (), now_us)[0].size - numbers.size
    removed = {offer_pb.GATE_POSITION: stale}
    if numbers.size:
        rows = {job_id: queued(job, state.policy, state.zones)}
        gates = eligible_pairs(problem_of(state, numbers, sharing, moved, now_us, rows)).gates[0].tolist()
        removed |= {GATES[gate]: gates[gate] for gate in Gate}
    removed = {gate: removed[gate] for gate in sorted(removed, key=lambda gate: -removed[gate]) if removed[gate]}
    considered = int(numbers.size) + stale
    eligible = considered - sum(removed.values())
    return pb.ExplainWaitResponse(
        time=timestamp(now_us),
        couriers_considered=considered,
        couriers_eligible=eligible,
        gates=[offer_pb.GateCount(gate=gate, removed=count) for gate, count in removed.items()],
        sentence=_sentence(considered, eligible, removed),
    )


def problem_of_pair(state: MarketState, job_id: str, courier_id: str, moved: MovedCouriers, now_us: int) -> Problem:
    """Return the problem of one job and one courier, as if there were no others."""
    number = state.numbers[courier_id]
    numbers, sharing = supply(state, revisable(state), now_us)
    alone = numbers == number
    rows = {job_id: queued(state.job(job_id), state.policy, state.zones)}
    return problem_of(state, numbers[alone], sharing[alone], moved, now_us, rows)


def _sentence(considered: int, eligible: int, removed: Mapping[offer_pb.Gate, int]) -> str:
    if not considered:
        return "No courier is free or has room."
    reasons = "; ".join(f"{count} {WORDS[gate]}" for gate, count in removed.items())
    rest = (
        f"{eligible} could take the job and are compared with others' jobs in each round"
        if eligible
        else "none is left"
    )
    return f"Of {considered} couriers who count now: {reasons + '; ' if reasons else ''}{rest}."
