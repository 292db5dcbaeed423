"""Run what falls due between rounds: time-outs, surge, silent couriers, queue zones. An item that fails is left out."""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable, Iterable, Sequence

from dispatcher import commands
from dispatcher.errors import DispatchError
from dispatcher.market.isolation import isolating
from dispatcher.market.set_aside import SetAside
from dispatcher.market.state import Due
from dispatcher.times import SECOND, span
from geo.cells import cell_name, cell_number
from gig.v1 import courier_service_pb2 as courier_pb
from gig.v1 import events_pb2 as events_pb
from gig.v1 import job_pb2 as job_pb
from services.host.contact import ContactCheck
from services.host.isolating import isolated, time_limit
from services.host.market_host import MarketHost
from services.host.quarantine import Item, Kind, Loop, loop_item
from services.host.subjects import courier, due_item, entry_of_item, job, of_courier, of_due
from services.host.zone_queues import ZoneQueues

log = logging.getLogger(__name__)

# Market seconds between looks for silent couriers.
SILENCE_CHECK_S = 5

# Wall seconds of one search; the other loops of the tick wait for it.
TICK_SEARCH_LIMIT_S = 1.0

STALE_POSITION = courier_pb.Notice(
    text="Your last position is too old, so you get no offers. Open the app and allow it to use the location.",
    device=courier_pb.DeviceNotice(trouble=courier_pb.DEVICE_TROUBLE_STALE_POSITION),
)
# Events of a loop without the items given; raises where they cannot be decided.
Decide = Callable[[frozenset[Item]], list[events_pb.Event]]


class Ticks:
    def __init__(self, host: MarketHost) -> None:
        self._host = host
        self._zone_queues = ZoneQueues(host)
        self._contact = ContactCheck(host)
        self._check_silence_us = 0
        # Numbers of the couriers whose positions were too old at the last look.
        self._stale: frozenset[int] = frozenset()

    async def once(self, now: int) -> None:
        """Run every loop that is due at ``now`` (market time, microseconds). No exception leaves it."""
        await self._guarded(Loop.LOCATIONS, self.drain_locations, now, accepting=False)
        await self._guarded(Loop.CLOCKS, self.note_clocks, now)
        await self._guarded(Loop.CONTACT, self._contact.run, now)
        await self._guarded(Loop.DUE, self.due, now)
        await self._guarded(Loop.SURGE, self.surge, now)
        if now >= self._check_silence_us:
            self._check_silence_us = now + SILENCE_CHECK_S * SECOND
            await self._guarded(Loop.SILENCE, self.end_silent_shifts, now)
            await self._guarded(Loop.ZONE_QUEUES, self.observe_queues, now)
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
        left_out = held.union(found.failed, found.undecided)
        return decide(left_out), (suspects - left_out) & frozenset(served)

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

    # --- what is due

    async def due(self, now: int) -> None:
        """Time-outs, expiries, scheduled jobs, pay periods, standing, announced policies."""
        host, quarantine = self._host, self._host.quarantine
        known = self._due_items(now) if quarantine.has(Loop.DUE) else []
        quarantine.forget(Loop.DUE, lambda item: item.kind is not Kind.LOOP and item not in known)
        due = host.market.next_due(frozenset(_entries(quarantine.held(Loop.DUE))))
        if due is None or due > now:
            return

        def decide(left_out: frozenset[Item]) -> list[events_pb.Event]:
            return host.market.decide(commands.CheckDue(skip=frozenset(_entries(left_out))), now)

        events, works = await self._decided(
            Loop.DUE, "checking what is due", decide, lambda: self._due_items(now), known
        )
        if host.accepting:
            host.take(events, Loop.DUE, of_due)
            quarantine.release(Loop.DUE, works)

    def _due_items(self, now: int) -> list[Item]:
        return list(dict.fromkeys(due_item((kind, name)) for _, kind, name in self._host.market.due_by(now)))

    # --- surge

    async def surge(self, now: int) -> None:
        """The surge tick and the nudges, where they are due."""
        host = self._host
        if not host.market.surge_is_due(now):
            return

        def decide(left_out: frozenset[Item]) -> list[events_pb.Event]:
            set_aside = self._set_aside(left_out)
            numbers = set_aside.present(host.market.state.columns.online_numbers())
            return host.market.tick_surge(host.positions.moved(numbers), now, set_aside)

        suspects = host.quarantine.suspects(Loop.SURGE)
        events, works = await self._decided(Loop.SURGE, "counting for surge", decide, self._counted, suspects)
        if host.accepting:
            host.take(events, Loop.SURGE, of_courier)
            host.quarantine.release(Loop.SURGE, works)
            host.quarantine.forget(Loop.SURGE, self._is_gone)

    def _counted(self) -> list[Item]:
        counted, ids = self._host.market.counted_in_surge(), self._host.market.state.columns.ids
        return [
            *map(job, sorted(counted.jobs)),
            *(courier(ids[number]) for number in sorted(counted.couriers)),
            *(Item(Kind.CELL, cell_name(cell)) for cell in sorted(counted.cells)),
        ]

    def _set_aside(self, items: Iterable[Item]) -> SetAside:
        names: dict[Kind, list[str]] = {kind: [] for kind in Kind}
        for item in items:
            names[item.kind].append(item.name)
        numbers = self._host.market.state.numbers
        return SetAside(
            frozenset(names[Kind.JOB]),
            frozenset(numbers[name] for name in names[Kind.COURIER] if name in numbers),
            frozenset(map(cell_number, names[Kind.CELL])),
            self._host.positions.stale_online(self._host.clock.now()),
        )

    def _is_gone(self, item: Item) -> bool:
        state = self._host.market.state
        if item.kind is Kind.JOB:
            return item.name not in state.jobs
        return item.kind is Kind.COURIER and item.name not in state.numbers

    # --- silent couriers

    async def end_silent_shifts(self, now: int) -> None:
        """Couriers without a stream who were not heard of for the policy's limit go offline; work on board goes on.

        Positions, calls and an open stream are signs of life.
        """
        host, quarantine = self._host, self._host.quarantine
        policy = host.market.state.policy.couriers
        if not policy.HasField("silence_limit"):
            return
        before_ms = (now - span(policy.silence_limit)) // 1000
        held = quarantine.held(Loop.SILENCE)
        for courier_id in list(host.measures.online):
            item = courier(courier_id)
            if item in held:
                continue
            try:
                events = self._silent(courier_id, before_ms, now)
            except Exception as fault:
                quarantine.add(Loop.SILENCE, item, fault, "ending a silent shift")
                continue
            if events:
                host.take(events, Loop.SILENCE, of_courier)
            quarantine.release(Loop.SILENCE, (item,))
        quarantine.forget(Loop.SILENCE, lambda item: item.kind is Kind.COURIER and self._is_gone(item))

    def _silent(self, courier_id: str, before_ms: int, now: int) -> list[events_pb.Event]:
        """The events that take a courier offline who has fallen silent; none for the others."""
        host, state = self._host, self._host.market.state
        quiet = host.positions.heard_ms(state.numbers[courier_id]) < before_ms
        if not quiet or host.sessions.connected(courier_id) or state.couriers[courier_id].closing:
            return []
        command = commands.GoOffline(courier_id=courier_id, reason="not heard of", fault=job_pb.FAULT_NOBODY)
        try:
            return host.market.decide(command, now)
        except DispatchError:
            return []  # went offline in this very moment

    # --- queue zones

    async def observe_queues(self, now: int) -> None:
        """Who comes, stays and leaves reaches the market as one command."""
        host, queues = self._host, self._zone_queues
        if not queues.needed():
            return
        suspects = host.quarantine.suspects(Loop.ZONE_QUEUES)

        def decide(left_out: frozenset[Item]) -> list[events_pb.Event]:
            return queues.observed(now, left_out)

        events, works = await self._decided(Loop.ZONE_QUEUES, "observing queue zones", decide, queues.items, suspects)
        if host.accepting:
            host.take(events, Loop.ZONE_QUEUES, of_courier)
            host.quarantine.release(Loop.ZONE_QUEUES, works)
            host.quarantine.forget(Loop.ZONE_QUEUES, queues.is_gone)


def _entries(items: Iterable[Item]) -> Iterable[tuple[Due, str]]:
    return (entry_of_item(item) for item in items if item.kind is not Kind.LOOP)
