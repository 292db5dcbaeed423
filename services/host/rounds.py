"""Run batch rounds: open, solve beside the calls, settle. A job or courier that fails is left out."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Iterable

from dispatcher.errors import DispatchError
from dispatcher.market import Round
from dispatcher.market.isolation import isolating_pairs
from dispatcher.market.rounds import stranded, without_candidates
from dispatcher.market.unfilled import Unfilled
from dispatcher.times import SECOND, span
from gig.v1 import courier_service_pb2 as courier_pb
from gig.v1 import events_pb2 as events_pb
from gig.v1 import job_pb2 as job_pb
from matching.assignment import Assignment
from matching.solve import fall_back
from matching.solver_processes import FAULTS, SolverProcesses
from services.host.isolating import isolated, time_limit
from services.host.left_out import leaving_out
from services.host.market_host import MarketHost
from services.host.quarantine import Item, Kind, Loop
from services.host.subjects import courier, job, of_offer
from services.signals import Signals
from services.telling import where

log = logging.getLogger(__name__)

# Jobs without any possible courier that the operator is shown.
STRANDED_KEPT = 50
# How often a round is solved again because offers could not be made.
MOST_REPETITIONS = 4
WAITING = (job_pb.JOB_STATE_QUEUED, job_pb.JOB_STATE_OFFERED)


class Rounds:
    """``failed``: how many rounds fell back to an earlier or the greedy answer."""

    def __init__(self, host: MarketHost, solver: SolverProcesses, signals: Signals) -> None:
        self._host, self._solver, self._signals = host, solver, signals
        self.failed = 0

    async def once(self) -> None:
        """Run one round without the items that are set aside. Where it fails, set the cause aside and run it again.

        Raises DispatchError where the market reloads during the round.
        """
        quarantine = self._host.quarantine
        if quarantine.has(Loop.ROUND):
            quarantine.forget(Loop.ROUND, self._is_gone)
        held = quarantine.held(Loop.ROUND)
        try:
            await self._serve(held)
        except DispatchError:
            raise
        except Exception as fault:
            left_out = await self._search(held)
            if left_out == held:
                raise fault
            await self._serve(left_out)

    async def _serve(self, left_out: frozenset[Item]) -> None:
        """Run the round, again where offers cannot be made: the partners of an item set aside find others at once."""
        for last in (*(False,) * MOST_REPETITIONS, True):
            unfilled = await self._serve_once(left_out, last=last)
            if not unfilled or last:
                return
            left_out |= unfilled

    def _is_gone(self, item: Item) -> bool:
        state = self._host.market.state
        if item.kind is Kind.JOB:
            found = state.jobs.get(item.name)
            return found is None or found.state not in WAITING
        if item.kind is Kind.COURIER:
            present = state.couriers.get(item.name)
            return present is None or present.state == courier_pb.COURIER_STATE_OFFLINE
        return False

    # --- a round

    async def _serve_once(self, left_out: frozenset[Item], *, last: bool) -> frozenset[Item]:
        """Run the round once. Return the items that are set aside because their offers cannot be made; the round is not
        settled then, except on the ``last`` try, which settles it without these offers."""
        host, tried = self._host, self._host.quarantine.suspects(Loop.ROUND) - left_out
        now = host.clock.now()
        round_ = self._opened(left_out, now)
        if round_ is None:
            host.stranded = []
            waiting = [job_id for job_id in host.market.state.queue if job(job_id) not in left_out]
            host.lonely.after_round(waiting, now)
            return frozenset()
        generation = host.generation
        assignment = await self._solve(round_)
        host.stranded = stranded(round_, assignment, STRANDED_KEPT)
        host.lonely.after_round(without_candidates(round_, assignment), now)
        if host.generation != generation or not host.accepting:
            return frozenset()
        try:
            events = host.market.settle(round_, assignment, host.clock.now())
        except Exception:
            broken = host.market.unfilled(round_, assignment, host.clock.now())
            if not broken:
                raise
            unfilled = self._set_aside_causes(broken)
            if not last:
                return unfilled
            edges = frozenset(one.edge for one in broken)
            events = host.market.settle(round_, assignment, host.clock.now(), edges)
        host.take(events, Loop.ROUND, of_offer)
        self._release(tried, events)
        return frozenset()

    def _opened(self, without: Iterable[Item], now: int) -> Round | None:
        host = self._host
        return host.driver.open_round(host.live_positions, now, leaving_out(without, host.market.state.numbers))

    def _set_aside_causes(self, broken: Iterable[Unfilled]) -> frozenset[Item]:
        """Set aside and return the jobs and couriers whose offers cannot be made."""
        found = set()
        for one in broken:
            both = bool(one.jobs and one.couriers)
            for item in (*map(job, one.jobs), *map(self._courier, one.couriers)):
                soon = both and item.kind is Kind.COURIER
                self._host.quarantine.add(
                    *(Loop.ROUND, item, one.fault, "making its offer"), soon=soon, needs_proof=True
                )
                found.add(item)
        return frozenset(found)

    def _release(self, tried: frozenset[Item], events: Iterable[events_pb.Event]) -> None:
        """Release items that were part of a round that worked; those that failed in an offer must have been offered."""
        quarantine = self._host.quarantine
        if tried:
            offered = {item for event in events for item in of_offer(event)}
            quarantine.release(Loop.ROUND, tried & offered - quarantine.held(Loop.ROUND))
            quarantine.release(Loop.ROUND, tried - quarantine.held(Loop.ROUND), proof=False)

    # --- the solver

    async def _solve(self, round_: Round) -> Assignment:
        """Solve in the solver processes; greedily in a thread where they give no answer."""
        limit = span(self._host.market.state.policy.matching.solve_limit) / SECOND
        try:
            assignment = await asyncio.wrap_future(self._solver.submit(round_.problem, limit))
        except FAULTS as fault:
            log.warning("the solver failed (%s): this round is decided greedily", type(fault).__name__)
            assignment = await asyncio.to_thread(fall_back, round_.problem)
        except Exception as fault:
            # The processes are sound: they have answered with an exception.
            log.warning("the solver failed: this round is decided greedily: %s", where(fault))
            assignment = await asyncio.to_thread(fall_back, round_.problem)
            self.failed += 1
            return assignment
        if assignment.fell_back:
            self.failed += 1
            self._solver.replace()
            self._solver.warm_up()
        self._host.stages_s = dict(assignment.stages_s)
        for stage, seconds in assignment.stages_s.items():
            self._signals.stages.labels(stage).observe(seconds)
        return assignment

    # --- the search for what makes a round fail

    async def _search(self, held: frozenset[Item]) -> frozenset[Item]:
        """Set aside each item that fails; return the items to leave out, so that the others can be served."""
        host = self._host
        state = host.market.state
        jobs = dict.fromkeys(state.queue)
        jobs.update((offered.job_id, None) for offer in state.offers.values() for offered in offer.jobs)
        all_jobs = [item for item in map(job, jobs) if item not in held]
        numbers = state.columns.online_numbers().tolist()
        all_couriers = [item for item in map(self._courier, numbers) if item not in held]
        everything = {*all_jobs, *all_couriers, *held}

        async def attempt(items: tuple[Item, ...]) -> None:
            """As ``_serve``, but greedily, in a thread, and without effect."""
            now = host.clock.now()
            round_ = self._opened(everything.difference(items), now)
            if round_ is None:
                return
            assignment = await asyncio.to_thread(fall_back, round_.problem)
            stranded(round_, assignment, STRANDED_KEPT)
            try:
                host.market.settle(round_, assignment, now)
            except Exception:
                broken = host.market.unfilled(round_, assignment, now)
                host.market.settle(round_, assignment, now, frozenset(one.edge for one in broken))

        suspects = host.quarantine.suspects(Loop.ROUND)
        found = await isolated(isolating_pairs(all_jobs, all_couriers, suspects, time_limit()), attempt)
        for item, fault in found.failed.items():
            host.quarantine.add(Loop.ROUND, item, fault, "computing a round")
        if found.undecided:
            host.quarantine.postpone(Loop.ROUND, suspects.intersection(found.undecided))
            log.error("a round is served without %d items that were not checked in time", len(found.undecided))
        return held.union(found.failed, found.undecided)

    def _courier(self, number: int) -> Item:
        return courier(self._host.market.state.columns.ids[number])
