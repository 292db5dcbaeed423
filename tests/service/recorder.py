"""Keep what a live market is given, and give it to a driver offline: commands, positions, solver answers and times."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from dispatcher import commands
from dispatcher.errors import DispatchError
from dispatcher.market import Market, Round
from dispatcher.market.driver import Decision, Driver
from gig.v1 import events_pb2 as events_pb
from matching.assignment import Assignment
from services.host.market_host import MarketHost

# Methods of a position source, whose answers are kept.
ANSWERS = ("moved", "positions_e7", "last_heard_us", "stale_online")


@dataclass(frozen=True, slots=True)
class Given:
    """``kind``: command, step, round or answer. ``now_us``: market time. ``value``: what was given with it."""

    kind: str
    now_us: int
    value: Any = None


@dataclass(slots=True)
class Record:
    """``opening``: the log before the record begins. ``positions``: (method, arguments, answer), as they were asked."""

    opening: list[events_pb.Event]
    start_us: int
    given: list[Given] = field(default_factory=list)
    positions: deque[tuple[str, tuple[Any, ...], Any]] = field(default_factory=deque)


def record(host: MarketHost, opening: list[events_pb.Event], start_us: int) -> Record:
    """Begin to keep everything that the host's market and driver are given, without changing it."""
    kept = Record(opening, start_us)
    host.live_positions = _Recording(host.live_positions, kept)  # type: ignore[assignment]
    market, driver = host.market, host.driver
    decide, settle = market.decide, market.settle
    decisions, end_step, open_round = driver.decisions, driver.end_step, driver.open_round
    deciding = [False]

    def kept_decide(command: commands.Command, now_us: int) -> list[events_pb.Event]:
        if not deciding[0]:
            kept.given.append(Given("command", now_us, command))
        return decide(command, now_us)

    def kept_settle(round_: Round, assignment: Assignment, now_us: int, *more: Any) -> list[events_pb.Event]:
        kept.given.append(Given("answer", now_us, assignment))
        return settle(round_, assignment, now_us, *more)

    def kept_decisions(*arguments: Any) -> Iterator[Decision]:
        for decision in decisions(*arguments):
            yield Decision(decision.courier_id, lambda of=decision: by_driver(of))

    def by_driver(decision: Decision) -> list[events_pb.Event]:
        deciding[0] = True
        try:
            return decision.decide()
        finally:
            deciding[0] = False

    def kept_end(now_us: int) -> None:
        kept.given.append(Given("step", now_us))
        end_step(now_us)

    def kept_open(positions: Any, now_us: int, *more: Any) -> Round | None:
        kept.given.append(Given("round", now_us))
        return open_round(positions, now_us, *more)

    for owner, name, replacement in (
        (market, "decide", kept_decide),
        (market, "settle", kept_settle),
        (driver, "decisions", kept_decisions),
        (driver, "end_step", kept_end),
        (driver, "open_round", kept_open),
    ):
        setattr(owner, name, replacement)
    return kept


class _Recording:
    def __init__(self, source: Any, kept: Record) -> None:
        for name in ANSWERS:
            setattr(self, name, self._keeping(name, getattr(source, name), kept))

    @staticmethod
    def _keeping(name: str, ask: Callable[..., Any], kept: Record) -> Callable[..., Any]:
        def answer(*arguments: Any) -> Any:
            given = ask(*arguments)
            kept.positions.append((name, arguments, given))
            return given

        return answer


class RecordedPositions:
    """Answers as the live market's position source did; another question fails."""

    def __init__(self, kept: Record) -> None:
        self._kept = kept

    def __getattr__(self, name: str) -> Callable[..., Any]:
        def answer(*arguments: Any) -> Any:
            asked, before, given = self._kept.positions.popleft()
            assert asked == name
            assert len(before) == len(arguments)
            assert all(np.array_equal(one, other) for one, other in zip(before, arguments, strict=True))
            return given

        return answer


def events_offline(kept: Record) -> list[events_pb.Event]:
    """Return the events of a market that one driver drives with what was kept, and nothing else."""
    market = Market.new()
    driver = Driver(market, kept.start_us)
    market.apply(kept.opening)
    positions: Any = RecordedPositions(kept)
    made: list[events_pb.Event] = []
    opened: Round | None = None

    def apply(events: list[events_pb.Event]) -> None:
        market.apply(events)
        made.extend(events)

    for one in kept.given:
        match one.kind:
            case "command":
                try:
                    apply(market.decide(one.value, one.now_us))
                except DispatchError:
                    continue
            case "step":
                for events in driver.step(positions, one.now_us):
                    apply(events)
            case "round":
                opened = driver.open_round(positions, one.now_us)
            case "answer":
                assert opened is not None
                apply(market.settle(opened, one.value, one.now_us))
    return made
