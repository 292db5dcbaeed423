"""Why a job near a courier was not offered to them: its rounds, run anew from the log."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field

import numpy as np

from dispatcher.market import Market, MovedCouriers, Round, lifecycle
from dispatcher.market.filter_sentences import FILTERS
from dispatcher.market.offers import GATES
from dispatcher.market.set_aside import SetAside
from dispatcher.times import micros
from geo.units import Ints
from gig.v1 import courier_service_pb2 as courier_pb
from gig.v1 import events_pb2 as events_pb
from gig.v1 import offer_pb2 as offer_pb
from gig.v1 import transparency_service_pb2 as pb
from matching.assignment import TERMS, Candidates
from matching.candidates import eligible_pairs
from matching.problem import Gate
from matching.solve import digest

# Rounds that are told one by one; a job that nobody took may have hundreds.
MOST_ROUNDS = 50

STALE_POSITION = "your device had sent no position for too long"


@dataclass(slots=True)
class Reruns:
    """Feed it the log in order, with the rounds that count by the sequence of the state that each saw."""

    job_id: str
    courier_id: str
    # state sequence -> the round's event
    rounds: dict[int, events_pb.Event]
    found: list[pb.NoOffer] = field(default_factory=list)
    # Sequences of rounds that did offer the job to the courier.
    offered: set[int] = field(default_factory=set)

    def look(self, market: Market, last: events_pb.Event) -> None:
        """After each event: where a round was opened on this very state, run it anew."""
        if last.HasField("offer_made"):
            offer = last.offer_made.offer
            if offer.courier_id == self.courier_id and any(job.job_id == self.job_id for job in offer.jobs):
                self.offered.add(offer.round_sequence)
        event = self.rounds.get(market.sequence)
        if event is not None and self._waits(market):
            self.found.append(self._rerun(market, event))

    def answer(self) -> pb.ExplainNoOfferResponse:
        """All rounds in a sentence, the last ones one by one."""
        for one in self.found:
            if one.round_sequence in self.offered:
                one.sentence = "It was offered to you."
        return pb.ExplainNoOfferResponse(
            rounds=self.found[-MOST_ROUNDS:], sentence=self._in_all(), rounds_in_all=len(self.found)
        )

    def _in_all(self) -> str:
        if not self.found:
            return "The job waited in no round: no courier was free, or it was cancelled before the first one."
        if len(self.found) == 1:
            return self.found[0].sentence
        kinds = Counter(self._kind(one) for one in self.found)
        counts = ", ".join(f"{kind} in {count}" for kind, count in kinds.items())
        return f"The job waited in {len(self.found)} rounds; you were {counts}. In the last: {self.found[-1].sentence}"

    def _kind(self, one: pb.NoOffer) -> str:
        if one.round_sequence in self.offered:
            return "offered it"
        if one.gate:
            return f"kept out by the gate {offer_pb.Gate.Name(one.gate).removeprefix('GATE_').lower()}"
        return "compared" if one.terms else "no supply"

    def _waits(self, market: Market) -> bool:
        job = market.state.jobs.get(self.job_id)
        return job is not None and job.state in (lifecycle.QUEUED, lifecycle.OFFERED)

    def _rerun(self, market: Market, event: events_pb.Event) -> pb.NoOffer:
        answer = pb.NoOffer(round_sequence=event.sequence, time=event.time)
        body = event.round_settled
        moved, as_of = moved_of(market, body), micros(body.as_of)
        opened = market.problem(moved, as_of, SetAside.of_round(body))
        if self.job_id in body.set_aside_job_ids:
            answer.verified = opened is not None and digest(eligible_pairs(opened.problem)) == body.eligible_digest
            answer.sentence = "The job was left out of this round, because it could not be computed."
            return answer
        if opened is None or self.job_id not in opened.job_ids:
            answer.sentence = "The job was being offered to another courier."
            return answer
        candidates = eligible_pairs(opened.problem)
        answer.verified = digest(candidates) == body.eligible_digest
        job = opened.job_ids.index(self.job_id)
        place = _place(market, opened, self.courier_id)
        if place is None:
            reason = _why_no_supply(market, self.courier_id, body)
            if reason == STALE_POSITION:
                answer.gate = offer_pb.GATE_POSITION
            answer.sentence = f"You did not count as supply: {reason}."
            return answer
        edge = _cheapest(candidates, job, place)
        if edge is None:
            gate = _gate(market, self, moved, as_of, candidates.gates[job])
            answer.gate = GATES[gate]
            answer.sentence = f"You were not compared: {FILTERS[gate].no_offer}."
            return answer
        answer.cost = int(candidates.cost[edge])
        terms = zip(TERMS, candidates.terms[edge].tolist(), strict=True)
        answer.terms.extend(offer_pb.CostTerm(name=name, cost=cost) for name, cost in terms if cost)
        answer.chosen_cost = body.costs[job]
        answer.sentence = _compared(body, opened, job, int(opened.numbers[place]), answer)
        return answer


def moved_of(market: Market, body: events_pb.RoundSettled) -> MovedCouriers:
    """The live positions that a round used, from what its event holds and the state that it saw."""
    columns = market.state.columns
    numbers = np.cumsum(np.array(body.moved_number_deltas, np.int64))
    return MovedCouriers(
        numbers,
        columns.latitude_e7[numbers] + np.array(body.moved_latitude_e7_deltas, np.int64),
        columns.longitude_e7[numbers] + np.array(body.moved_longitude_e7_deltas, np.int64),
        np.array(body.moved_in_ms, np.int64) if body.moved_in_ms else None,
    )


def _place(market: Market, opened: Round, courier_id: str) -> int | None:
    number = market.state.numbers.get(courier_id)
    found = np.flatnonzero(opened.numbers == number) if number is not None else np.zeros(0, np.int64)
    return int(found[0]) if found.size else None


def _why_no_supply(market: Market, courier_id: str, body: events_pb.RoundSettled) -> str:
    if market.state.numbers.get(courier_id) in body.set_aside_numbers:
        return "you were left out of this round, because what the market knew about you could not be computed"
    courier = market.state.couriers.get(courier_id)
    if courier is None or courier.state == courier_pb.COURIER_STATE_OFFLINE:
        return "you were offline"
    if market.state.numbers.get(courier_id) in SetAside.of_round(body).stale:
        return STALE_POSITION
    if courier.offer_id:
        return "another offer waited for your answer"
    if courier.closing:
        return "you were ending your shift"
    return "you had a job in hand"


def _cheapest(candidates: Candidates, job: int, courier: int) -> int | None:
    """The cheapest edge of the pair, alone or with other jobs."""
    edges: Ints = np.flatnonzero((candidates.courier == courier) & (candidates.jobs == job).any(axis=1))
    return int(edges[np.argmin(candidates.cost[edges])]) if edges.size else None


def _gate(market: Market, asked: Reruns, moved: MovedCouriers, as_of: int, of_job: Ints) -> Gate:
    """Return the filter that removed the courier. ``of_job``: how many couriers each filter removed in the round.

    Where the courier alone passes every filter, it is the line, the round's time or nearer couriers.
    """
    alone = market.problem_of_pair(asked.job_id, asked.courier_id, moved, as_of)
    gates = eligible_pairs(alone).gates[0]
    if gates.any():
        return Gate(int(np.flatnonzero(gates)[0]))
    return next((gate for gate in (Gate.QUEUE, Gate.TRUNCATED) if of_job[gate]), Gate.NEAREST)


def _compared(body: events_pb.RoundSettled, opened: Round, job: int, number: int, answer: pb.NoOffer) -> str:
    start = f"You were compared, at a cost of {answer.cost / 1000:.1f} s"
    chosen = body.assigned_numbers[job]
    if chosen == number:
        return f"{start}, and chosen, but the market had moved on when the round ended."
    other = next((i for i, taken in enumerate(body.assigned_numbers) if taken == number), None)
    if other is not None:
        return f"{start}, but chosen for job {opened.job_ids[other]} instead: the round's total was less that way."
    if not chosen:
        return f"{start}; the job was left for a later round, or planned after another."
    if answer.chosen_cost < answer.cost:
        return f"{start}; the courier who was chosen cost {answer.chosen_cost / 1000:.1f} s."
    return (
        f"{start}; another courier was chosen at {answer.chosen_cost / 1000:.1f} s, where the round's total was least."
    )
