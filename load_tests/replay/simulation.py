"""Replay's engine: the Market on a simulated clock, with what a trace brings and what couriers do as timed turns."""

from __future__ import annotations

import hashlib
import heapq
from collections.abc import Callable, Iterable
from enum import IntEnum
from time import perf_counter

from dispatcher import commands
from dispatcher.ids import SECRET_BYTES
from dispatcher.market import Market, MovedCouriers
from dispatcher.times import span
from gig.v1 import courier_service_pb2 as courier_pb
from gig.v1 import events_pb2 as events_pb
from gig.v1 import offer_pb2 as offer_pb
from gig.v1 import policy_pb2 as policy_pb
from matching.solve import solve

NEVER = 2**62

Progress = Callable[[float], None]
Act = Callable[[int], None]
Keep = Callable[[list[events_pb.Event]], None]


class Turn(IntEnum):
    """Order of what happens in the same moment: work ends before shifts end, and both before requests come."""

    PROGRESS = 0
    ONLINE = 1
    OFFLINE = 2
    PLACE = 3
    CANCEL = 4
    ANSWER = 5
    IDLE = 6
    ROUND = 7


# A constant, so that a replay makes the same identifiers in every run.
SECRET = bytes(range(SECRET_BYTES))


class Simulation:
    """Subclasses plan the trace's turns, and say where couriers are and go; unless they know better, every offer is
    accepted at once. ``keep`` gets all events, as they are applied."""

    def __init__(self, market: Market, policy: policy_pb.Policy, start_us: int, keep: Keep) -> None:
        self.market = market
        self.policy = policy
        self._keep = keep
        # Wall seconds of each round, from the problem to the settled offers.
        self.round_s: list[float] = []
        self._start_us = start_us
        self._turns: list[tuple[int, Turn, int, Act]] = []
        self._counter = 0
        self._window = span(policy.matching.batch_window)
        # The earliest round in the plan, and the last one held.
        self._round_planned_us = NEVER
        self._round_done_us = -1

    def moved_couriers(self, now: int) -> MovedCouriers:
        """Positions that differ from those on the log."""
        raise NotImplementedError

    def set_out(self, offer: offer_pb.Offer, now: int) -> None:
        """The offer was just accepted: plan the courier's progress."""
        raise NotImplementedError

    def open(self, market_id: str, at_us: int) -> None:
        self.take(self.market.opening(market_id, self.policy, at_us, secret=SECRET))

    def plan(self, at_us: int, turn: Turn, act: Act) -> None:
        self._counter += 1
        heapq.heappush(self._turns, (at_us, turn, self._counter, act))

    def play(self, progress: Progress) -> None:
        """All turns in order; ``progress`` is told the share that has passed."""
        done = 0
        while self._turns:
            now, _, _, act = heapq.heappop(self._turns)
            act(now)
            self._plan_round(now)
            done += 1
            if done % 500 == 0:
                progress(self.share(now, done))
        self._expire_the_rest()

    def share(self, now: int, done: int) -> float:  # noqa: ARG002 - for those who know their end
        """Of the whole that has passed, ``done`` turns being over."""
        return done / (done + len(self._turns))

    def take(self, events: list[events_pb.Event]) -> None:
        self.market.apply(events)
        self._keep(events)

    def decide(self, command: commands.Command, now: int) -> None:
        self.take(self.market.decide(command, now))

    def _plan_round(self, now: int) -> None:
        """At the next multiple of the window at which a job waits; an idle market is skipped."""
        if self.market.state.queue:
            wanted = now
        else:
            due = self.market.next_due()
            if due is None:
                return
            wanted = max(due, now)
        at = wanted + -(wanted - self._start_us) % self._window
        if at <= self._round_done_us:
            at = self._round_done_us + self._window
        if at < self._round_planned_us and self._turns:
            self._round_planned_us = at
            self.plan(at, Turn.ROUND, self._round)

    def _round(self, now: int) -> None:
        if now == self._round_done_us:
            return  # planned twice, when an earlier need came up
        self._round_done_us, self._round_planned_us = now, NEVER
        due = self.market.next_due()
        if due is not None and due <= now:
            self.decide(commands.CheckDue(), now)
        moved = self.moved_couriers(now)
        if self.market.surge_is_due(now):
            self.take(self.market.tick_surge(moved, now))
        began = perf_counter()
        round_ = self.market.problem(moved, now)
        if round_ is None:
            return
        events = self.market.settle(round_, solve(round_.problem), now)
        self.take(events)
        self.round_s.append(perf_counter() - began)
        for event in events:
            if event.HasField("offer_made"):
                self.offered(event.offer_made.offer, now)

    def offered(self, offer: offer_pb.Offer, now: int) -> None:
        """The courier was just made an offer."""
        answer = courier_pb.OfferAnswer(offer_id=offer.offer_id, answer=courier_pb.ANSWER_ACCEPT)
        self.decide(commands.AnswerOffer(courier_id=offer.courier_id, answer=answer), now)
        self.set_out(offer, now)

    def _expire_the_rest(self) -> None:
        """Requests that found nobody end as expired, so that every job has its terminal state."""
        while (due := self.market.next_due()) is not None:
            self.decide(commands.CheckDue(), due)


def log_sha256(events: Iterable[events_pb.Event]) -> str:
    """Of the events' deterministic bytes, one after the other: two equal logs, and no others, share it."""
    state = hashlib.sha256()
    for event in events:
        state.update(event.SerializeToString(deterministic=True))
    return state.hexdigest()


def round_times(round_s: list[float]) -> dict[str, float | int | None]:
    """Wall milliseconds of the rounds, for a summary."""
    return {
        "rounds": len(round_s),
        "round_mean_ms": round(sum(round_s) / len(round_s) * 1000, 2) if round_s else None,
        "round_max_ms": round(max(round_s) * 1000, 2) if round_s else None,
    }
