"""Run the market's own work between rounds, as the driver decides it. An item that fails is left out."""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable, Container, Iterable, Sequence
from functools import partial

from dispatcher.complete import complete
from dispatcher.errors import DispatchError
from dispatcher.market.driver import LOOK_EVERY_S, LeftOut, Work
from dispatcher.market.isolation import isolating
from dispatcher.times import SECOND
from geo.cells import cell_name
from gig.v1 import courier_service_pb2 as courier_pb
from gig.v1 import events_pb2 as events_pb
from services.host.isolating import isolated, time_limit
from services.host.left_out import leaving_out
from services.host.market_host import MarketHost
from services.host.quarantine import Item, Kind, Loop, loop_item
from services.host.subjects import courier, due_item, job, of_courier, of_due

log = logging.getLogger(__name__)

# Wall seconds of one search; the other loops of the tick wait for it.
TICK_SEARCH_LIMIT_S = 1.0

STALE_POSITION = courier_pb.Notice(
    text="Your last position is too old, so you get no offers. Open the app and allow it to use the location.",
    device=courier_pb.DeviceNotice(trouble=courier_pb.DEVICE_TROUBLE_STALE_POSITION),
)
# The loop that sets items aside for each kind of work; what its decisions do, for the log; whom its events are about.
LOOPS = complete(
    {
        Work.CONTACT: (Loop.CONTACT, "checking for lost contact", of_courier),
        Work.DUE: (Loop.DUE, "checking what is due", of_due),
        Work.SURGE: (Loop.SURGE, "counting for surge", of_courier),
        Work.SILENCE: (Loop.SILENCE, "ending a silent shift", of_courier),
        Work.ZONE_QUEUES: (Loop.ZONE_QUEUES, "observing queue zones", of_courier),
    },
    Work,
    "loops of the market's own work",
)
# Events of a kind of work without the items given; raises where they cannot be decided.
Decide = Callable[[frozenset[Item]], list[events_pb.Event]]
# Work that consists of one decision for each courier, so that a failure stays with its courier.
BY_COURIER = frozenset({Work.CONTACT, Work.SILENCE})


class Ticks:
    def __init__(self, host: MarketHost) -> None:
        self._host = host
        self._check_stale_us = 0
        # Numbers of the couriers whose positions were too old at the last look.
        self._stale: frozenset[int] = frozenset()

    async def once(self, now: int) -> None:
        """Run every loop that is due at ``now`` (market time, microseconds). No exception leaves it."""
        await self._guarded(Loop.LOCATIONS, self.drain_locations, now, accepting=False)
        await self._guarded(Loop.CLOCKS, self.note_clocks, now)
        for work in Work:
            await self._guarded(LOOPS[work][0], partial(self.work, work), now)
        self._host.driver.end_step(now)
        if now >= self._check_stale_us:
            self._check_stale_us = now + LOOK_EVERY_S * SECOND
            await self._guarded(Loop.LOCATIONS, self.notify_stale, now, accepting=False)

    async def _guarded(
        self, loop: Loop, work: Callable[[int], Awaitable[None]], now: int, *, accepting: bool = True
    ) -> None:
        """Run a loop. One that fails without a single cause pauses, and the others go on. ``accepting``: it needs a
        market that accepts commands."""
        quarantine = self._host.quarantine
        itself = loop_item(loop)
        if (accepting and not self._host.accepting) or itself in quarantine.held(loop):
            return
        try:
            await work(now)
        except DispatchError as fault:
            log.warning("%s was given up: %s", loop.value, fault.reason)
        except Exception as fault:
            quarantine.add(loop, itself, fault, "running the loop")
        else:
            quarantine.release(loop, (itself,))

    async def _decided(
        self, loop: Loop, stage: str, decide: Decide, items: Callable[[], Sequence[Item]], served: Iterable[Item]
    ) -> tuple[list[events_pb.Event], frozenset[Item]]:
        """Return the events of a loop without the items that fail, which are set aside, and the suspects that work.

        ``items``: all that may be the cause, asked for after a failure only. ``served``: those of the suspects that
        the events are about.
        """
        quarantine = self._host.quarantine
        held, suspects = quarantine.held(loop), quarantine.suspects(loop)
        try:
            return decide(held), suspects & frozenset(served)
        except DispatchError:
            raise
        except Exception:
            decide(frozenset(items()) | held)  # raises where no item is the cause
        everything = [item for item in items() if item not in held]

        async def attempt(kept: tuple[Item, ...]) -> None:
            decide(held.union(everything).difference(kept))

        found = await isolated(isolating(everything, suspects, in_time=time_limit(TICK_SEARCH_LIMIT_S)), attempt)
        for item, fault in found.failed.items():
            quarantine.add(loop, item, fault, stage)
        if found.undecided:
            quarantine.postpone(loop, suspects.intersection(found.undecided))
            log.error("%s goes on without %d items that were not checked in time", loop.value, len(found.undecided))
        without = held.union(found.failed, found.undecided)
        return decide(without), (suspects - without) & frozenset(served)

    async def drain_locations(self, _now: int) -> None:
        self._host.positions.intake.drain()

    async def notify_stale(self, now: int) -> None:
        """Notify couriers with an open stream once their position has become too old for matching."""
        host = self._host
        stale = host.positions.stale_online(now)
        for number in stale - self._stale:
            host.sessions.notify(host.market.state.columns.ids[number], STALE_POSITION)
        self._stale = stale

    async def note_clocks(self, now: int) -> None:
        """Put new estimates of devices' clocks on the log."""
        host, quarantine = self._host, self._host.quarantine
        for command in host.positions.clocks_to_log():
            item = courier(command.courier_id)
            try:
                host.take(host.market.decide(command, now), Loop.CLOCKS, of_courier)
            except DispatchError:
                raise
            except Exception as fault:
                quarantine.add(Loop.CLOCKS, item, fault, "noting the clock of a device")
            else:
                quarantine.release(Loop.CLOCKS, (item,))

    # --- the market's own work

    async def work(self, work: Work, now: int) -> None:
        """Carry out one kind of work, if it is due."""
        loop, quarantine = LOOPS[work][0], self._host.quarantine
        if quarantine.has(loop):
            quarantine.forget(loop, self._gone(work, now))
        if not self._host.driver.is_due(work, now, self._left_out(quarantine.held(loop))):
            return
        if work in BY_COURIER:
            self._each(work, now)
        else:
            await self._whole(work, now)

    def _each(self, work: Work, now: int) -> None:
        """Decide for each courier, and set aside those for whom it fails."""
        host, (loop, stage, blame) = self._host, LOOPS[work]
        without, tried, failed = self._left_out(host.quarantine.held(loop)), host.quarantine.suspects(loop), set()
        for decision in host.driver.decisions(work, host.live_positions, now, without):
            item = courier(decision.courier_id)
            try:
                events = decision.decide()
            except DispatchError:
                continue  # changed in this very moment
            except Exception as fault:
                host.quarantine.add(loop, item, fault, stage)
                failed.add(item)
                continue
            if events:
                host.take(events, loop, blame)
                host.quarantine.release(loop, (item,))
        if work is Work.SILENCE:
            # The others were looked at too: they were heard of again, or their shift ends.
            host.quarantine.release(loop, tried - failed)

    async def _whole(self, work: Work, now: int) -> None:
        """Decide for everybody without the items that fail, which are set aside."""
        host, (loop, stage, blame) = self._host, LOOPS[work]

        def decide(left_out: frozenset[Item]) -> list[events_pb.Event]:
            (decision,) = host.driver.decisions(work, host.live_positions, now, self._left_out(left_out))
            return decision.decide()

        tried = host.quarantine.suspects(loop)
        if tried and work is Work.DUE:
            # What is not due yet is not tried.
            tried = tried.intersection(self._items(work, now))
        events, works = await self._decided(loop, stage, decide, partial(self._items, work, now), tried)
        if host.accepting:
            host.take(events, loop, blame)
            host.quarantine.release(loop, works)

    def _items(self, work: Work, now: int) -> list[Item]:
        """Return the items that a kind of work covers."""
        market = self._host.market
        ids = market.state.columns.ids
        if work is Work.DUE:
            return list(dict.fromkeys(due_item((kind, name)) for _, kind, name in market.due_by(now)))
        if work is Work.SURGE:
            counted = market.counted_in_surge()
            return [
                *map(job, sorted(counted.jobs)),
                *(courier(ids[number]) for number in sorted(counted.couriers)),
                *(Item(Kind.CELL, cell_name(cell)) for cell in sorted(counted.cells)),
            ]
        assert work is Work.ZONE_QUEUES, "the other kinds consist of one decision for each courier"
        couriers = [courier(ids[number]) for number in market.state.columns.available_numbers().tolist()]
        return [*couriers, *(Item(Kind.ZONE, name) for name in market.state.zones.queue_names)]

    def _gone(self, work: Work, now: int) -> Callable[[Item], bool]:
        """Return what tells items that the work no longer covers."""
        state = self._host.market.state
        if work is Work.DUE:
            due = {*self._items(work, now), loop_item(Loop.DUE)}
            return lambda item: item not in due
        known: dict[Kind, Container[str]] = {
            Kind.JOB: state.jobs,
            Kind.ZONE: state.zones.queue_numbers,
            Kind.COURIER: self._host.measures.online if work is Work.CONTACT else state.numbers,
        }
        return lambda item: item.kind in known and item.name not in known[item.kind]

    def _left_out(self, items: Iterable[Item]) -> LeftOut:
        return leaving_out(items, self._host.market.state.numbers)
