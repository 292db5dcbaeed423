"""Decide when a market's own work is due, and decide that work: the one driver of live service, replay and tests.

Pure: the caller supplies the time, the positions of couriers and the solver's answers, and applies the events.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from enum import IntEnum
from functools import partial

import numpy as np

from dispatcher import commands
from dispatcher.errors import DispatchError
from dispatcher.lost_contact import lost_contact
from dispatcher.market.market import Market
from dispatcher.market.positions import PositionSource
from dispatcher.market.round import MovedCouriers, Round
from dispatcher.market.set_aside import NOTHING, SetAside
from dispatcher.times import SECOND, micros, span
from geo.presence import Presence
from geo.units import from_e7_array
from gig.v1 import courier_service_pb2 as courier_pb
from gig.v1 import events_pb2 as events_pb
from gig.v1 import job_pb2 as job_pb

# Market seconds between two looks at where all couriers are and when each was last heard of.
LOOK_EVERY_S = 5

WITH_JOB = courier_pb.COURIER_STATE_WITH_JOB


class Work(IntEnum):
    """The market's own work beside rounds, in the order in which work of the same moment is carried out."""

    # Phones that fall silent with a job aboard, and those that are heard of again.
    CONTACT = 0
    # Time-outs, expiries, scheduled jobs, pay periods, standing, announced policies.
    DUE = 1
    # Surge multipliers and nudges.
    SURGE = 2
    # Couriers who were not heard of for the policy's limit.
    SILENCE = 3
    # Couriers who come into queue zones, stay and leave.
    ZONE_QUEUES = 4


@dataclass(frozen=True, slots=True)
class LeftOut:
    """What the driver leaves out because it cannot be computed.

    ``due``: entries of the due queue (kind, name). ``zones``: names of queue zones whose couriers keep their places.
    ``couriers``: ids of couriers who are not looked at.
    """

    due: frozenset[tuple[int, str]] = frozenset()
    set_aside: SetAside = NOTHING
    zones: frozenset[str] = frozenset()
    couriers: frozenset[str] = frozenset()


ALL_IN = LeftOut()


@dataclass(frozen=True, slots=True)
class Decision:
    """One part of a kind of work. ``courier_id``: the courier whom it is about; empty for the whole market."""

    courier_id: str
    decide: Callable[[], list[events_pb.Event]]


class Driver:
    """Drive one market that is in memory; after a reload from the log, begin another driver.

    ``start_us``: market time from which the batch windows count, microseconds.
    """

    def __init__(self, market: Market, start_us: int) -> None:
        self._market = market
        self._window_us = start_us
        self._first_round = True
        self._look_us = 0
        self._presence = Presence()
        # The queues on the log hold until positions show otherwise.
        state = market.state
        for index, name in enumerate(state.zones.queue_names):
            for courier_id in state.zone_queues.get(name, ()):
                self._presence.settle(state.numbers[courier_id], index, start_us // 1000)

    # --- time-outs, surge, looks

    def step(self, positions: PositionSource, now_us: int) -> Iterator[list[events_pb.Event]]:
        """Yield the events of all work that is due, one decision after the other; apply each before the next.

        A decision that the market refuses, because somebody acted in the same moment, is left out.
        """
        for work in Work:
            if self.is_due(work, now_us):
                for decision in self.decisions(work, positions, now_us):
                    try:
                        events = decision.decide()
                    except DispatchError:
                        continue
                    yield events
        self.end_step(now_us)

    def is_due(self, work: Work, now_us: int, left_out: LeftOut = ALL_IN) -> bool:
        """Return whether there is work of this kind at ``now_us`` (market time, microseconds)."""
        state, look = self._market.state, now_us >= self._look_us
        match work:
            case Work.CONTACT:
                return look or bool(state.silent)
            case Work.DUE:
                due_us = self._market.next_due(left_out.due)
                return due_us is not None and due_us <= now_us
            case Work.SURGE:
                return self._market.surge_is_due(now_us)
            case Work.SILENCE:
                return look and state.policy.couriers.HasField("silence_limit")
            case Work.ZONE_QUEUES:
                return look and self._has_queues()

    def end_step(self, now_us: int) -> None:
        """Note that all work that was due has been carried out."""
        if now_us >= self._look_us:
            self._look_us = now_us + LOOK_EVERY_S * SECOND

    def decisions(
        self, work: Work, positions: PositionSource, now_us: int, left_out: LeftOut = ALL_IN
    ) -> Iterator[Decision]:
        """Yield the decisions of a kind of work that is due. Apply the events of each before the next."""
        match work:
            case Work.CONTACT:
                yield from self._contact(positions, now_us, left_out)
            case Work.DUE:
                yield Decision("", partial(self._market.decide, commands.CheckDue(skip=left_out.due), now_us))
            case Work.SURGE:
                yield Decision("", partial(self._tick_surge, positions, now_us, left_out))
            case Work.SILENCE:
                yield from self._silence(positions, now_us, left_out)
            case Work.ZONE_QUEUES:
                yield Decision("", partial(self._observe_queues, positions, now_us, left_out))

    def next_us(self, now_us: int) -> int | None:
        """Return the market time of the next work or round after ``now_us``; None where nothing is to come.

        For callers whose couriers never fall silent: looks are planned for queue zones only.
        """
        state = self._market.state
        times = [self._market.next_due()]
        if state.policy.HasField("surge"):
            times.append(state.surge.time_us + span(state.policy.surge.tick))
        if self._has_queues():
            times.append(self._look_us)
        if state.queue or state.offers:
            times.append(self._next_round_us(now_us))
        return min((time for time in times if time is not None and time > now_us), default=None)

    # --- rounds

    def round_is_due(self, now_us: int) -> bool:
        """Return whether a batch window has ended and no round has begun since."""
        return not self.until_round_us(now_us)

    def until_round_us(self, now_us: int) -> int:
        """Return the market time until the batch window ends, microseconds; 0 where it has ended."""
        return max(self._window_end_us() - now_us, 0)

    def begin_round(self, now_us: int) -> None:
        """Begin the next batch window. Windows run from start to start: a slow solve does not stretch them."""
        self._window_us, self._first_round = self._last_end_us(now_us), False

    def skip_windows(self, now_us: int) -> None:
        """Let the windows pass that ended before ``now_us``, as rounds with nothing to decide would."""
        if self._window_end_us() < now_us:
            self._window_us, self._first_round = self._last_end_us(now_us - 1), False

    def open_round(self, positions: PositionSource, now_us: int, left_out: LeftOut = ALL_IN) -> Round | None:
        """Return the matching problem of this moment, or None where there is nothing to decide.

        Solve it and apply the events of ``Market.settle``.
        """
        moved, set_aside = self._present(positions, now_us, left_out)
        return self._market.problem(moved, now_us, set_aside)

    def _batch_window_us(self) -> int:
        return span(self._market.state.policy.matching.batch_window)

    def _window_end_us(self) -> int:
        return self._window_us if self._first_round else self._window_us + self._batch_window_us()

    def _last_end_us(self, now_us: int) -> int:
        """Return the end of the last window that ends by ``now_us``, once a window has ended."""
        end_us, window_us = self._window_end_us(), self._batch_window_us()
        return end_us + (now_us - end_us) // window_us * window_us

    def _next_round_us(self, now_us: int) -> int:
        """Return the end of the first window that ends after ``now_us``."""
        end_us = self._window_end_us()
        return end_us if end_us > now_us else self._last_end_us(now_us) + self._batch_window_us()

    # --- each kind of work

    def _contact(self, positions: PositionSource, now_us: int, left_out: LeftOut) -> Iterator[Decision]:
        """Couriers who are heard of again go first, so that a sign of life always saves the job."""
        state = self._market.state
        silent = [courier_id for courier_id in state.silent if courier_id not in left_out.couriers]
        for courier_id, heard_us in self._heard(silent, positions, now_us):
            yield Decision(courier_id, partial(self._regain_or_end, courier_id, heard_us, now_us))
        if now_us >= self._look_us:
            # Phones that were last heard of at this very microsecond count as silent.
            before_us = now_us - lost_contact(state.policy).task_after_us + 1
            for courier_id, heard_us in self._unheard(before_us, positions, now_us, left_out):
                yield Decision(courier_id, partial(self._lose_contact, courier_id, heard_us, now_us))

    def _regain_or_end(self, courier_id: str, heard_us: int, now_us: int) -> list[events_pb.Event]:
        if heard_us > micros(self._market.state.couriers[courier_id].silent_since):
            return self._market.decide(commands.RegainContact(courier_id=courier_id), now_us)
        return self._market.decide(commands.EndLostJobs(courier_id=courier_id), now_us)

    def _lose_contact(self, courier_id: str, heard_us: int, now_us: int) -> list[events_pb.Event]:
        courier = self._market.state.couriers[courier_id]
        if courier.state != WITH_JOB or courier.HasField("silent_since"):
            return []
        return self._market.decide(commands.LoseContact(courier_id=courier_id, last_heard_us=heard_us), now_us)

    def _silence(self, positions: PositionSource, now_us: int, left_out: LeftOut) -> Iterator[Decision]:
        """Couriers who were not heard of for the policy's limit go offline; work aboard goes on."""
        before_us = now_us - span(self._market.state.policy.couriers.silence_limit)
        for courier_id, _ in self._unheard(before_us, positions, now_us, left_out):
            yield Decision(courier_id, partial(self._end_shift, courier_id, now_us))

    def _end_shift(self, courier_id: str, now_us: int) -> list[events_pb.Event]:
        if self._market.state.couriers[courier_id].closing:
            return []
        offline = commands.GoOffline(courier_id=courier_id, reason="not heard of", fault=job_pb.FAULT_NOBODY)
        return self._market.decide(offline, now_us)

    def _unheard(
        self, before_us: int, positions: PositionSource, now_us: int, left_out: LeftOut
    ) -> list[tuple[str, int]]:
        """Return the couriers online who were not heard of since ``before_us``, and when they were."""
        columns = self._market.state.columns
        numbers = columns.online_numbers()
        heard_us = positions.last_heard_us(numbers, now_us)
        rows = np.flatnonzero(heard_us < before_us)
        found = zip((columns.ids[number] for number in numbers[rows].tolist()), heard_us[rows].tolist(), strict=True)
        return [(courier_id, at_us) for courier_id, at_us in found if courier_id not in left_out.couriers]

    def _heard(self, courier_ids: list[str], positions: PositionSource, now_us: int) -> list[tuple[str, int]]:
        if not courier_ids:
            return []
        numbers = np.array([self._market.state.numbers[courier_id] for courier_id in courier_ids], np.int64)
        return list(zip(courier_ids, positions.last_heard_us(numbers, now_us).tolist(), strict=True))

    def _tick_surge(self, positions: PositionSource, now_us: int, left_out: LeftOut) -> list[events_pb.Event]:
        moved, set_aside = self._present(positions, now_us, left_out)
        return self._market.tick_surge(moved, now_us, set_aside)

    def _observe_queues(self, positions: PositionSource, now_us: int, left_out: LeftOut) -> list[events_pb.Event]:
        """Couriers who are left out, and those who wait in a zone that is left out, keep their places."""
        state = self._market.state
        absent = [state.numbers.get(courier_id, 0) for courier_id in left_out.couriers]
        absent += [state.numbers[name] for zone in left_out.zones for name in state.zone_queues.get(zone, ())]
        numbers = state.columns.available_numbers()
        if absent:
            numbers = numbers[~np.isin(numbers, absent)]
        latitude, longitude = positions.positions_e7(numbers, now_us)
        zones = state.zones.queue_of(from_e7_array(latitude), from_e7_array(longitude), left_out.zones)
        grace_ms = span(state.policy.queues.exit_grace) // 1000
        counted = self._presence.observe(numbers, zones, now_us // 1000, grace_ms)
        return self._market.decide(commands.ObserveQueues(numbers=numbers, zones=counted), now_us)

    def _has_queues(self) -> bool:
        """Return whether there is a queue zone, or a courier in the queue of a former one."""
        state = self._market.state
        return bool(state.zones.queue_names or state.zone_queues)

    def _present(self, positions: PositionSource, now_us: int, left_out: LeftOut) -> tuple[MovedCouriers, SetAside]:
        """Return the positions of couriers who count, and what does not: what is left out, and positions too old."""
        given = left_out.set_aside
        set_aside = replace(given, stale=positions.stale_online(now_us) - given.couriers)
        numbers = set_aside.present(self._market.state.columns.online_numbers())
        return positions.moved(numbers, now_us), set_aside
