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
from dispatcher.market.driver import Driver
from dispatcher.market.positions import SimulatedPositions
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
    # The market's own work, which ends every moment.
    STEP = 7


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
        # Turns in the plan but for the market's own.
        self._trace_turns = 0
        self._driver = Driver(market, start_us)
        self._positions = SimulatedPositions(lambda: market.state, self.moved_couriers)
        # The earliest step in the plan.
        self._step_planned_us = NEVER

    def moved_couriers(self, now: int) -> MovedCouriers:
        """Return the positions that differ from those on the log."""
        raise NotImplementedError

    def set_out(self, offer: offer_pb.Offer, now: int) -> None:
        """The offer was just accepted: plan the courier's progress."""
        raise NotImplementedError

    def open(self, market_id: str, at_us: int, zones_geojson: str = "") -> None:
        self.take(self.market.opening(market_id, self.policy, at_us, zones_geojson, secret=SECRET))

    def plan(self, at_us: int, turn: Turn, act: Act) -> None:
        self._counter += 1
        self._trace_turns += turn is not Turn.STEP
        heapq.heappush(self._turns, (at_us, turn, self._counter, act))

    def play(self, progress: Progress) -> None:
        """Carry out all turns in order, and at the end of each moment the market's own work. ``progress``: called with
        the share that has passed."""
        done = 0
        while self._turns:
            now, turn, _, act = heapq.heappop(self._turns)
            if turn is Turn.STEP:
                self._step_planned_us = NEVER
            else:
                self._trace_turns -= 1
            act(now)
            if not self._turns or self._turns[0][0] > now:
                self._step(now)
                self._plan_step(now)
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

    def _step(self, now: int) -> None:
        """Carry out the market's own work that is due, and the round where a batch window ends now."""
        for events in self._driver.step(self._positions, now):
            self.take(events)
        # Nothing waited in the windows that ended since the last step.
        self._driver.skip_windows(now)
        if self._driver.round_is_due(now):
            self._driver.begin_round(now)
            self._round(now)

    def _plan_step(self, now: int) -> None:
        """Plan the next step, as long as the trace has turns left."""
        at = self._driver.next_us(now)
        if at is not None and at < self._step_planned_us and self._trace_turns:
            self._step_planned_us = at
            self.plan(at, Turn.STEP, lambda _now: None)

    def _round(self, now: int) -> None:
        began = perf_counter()
        round_ = self._driver.open_round(self._positions, now)
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
