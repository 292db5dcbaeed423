"""One market, live: decide commands, make their events durable, then publish them. The market's only writer."""

from __future__ import annotations

import asyncio
import logging
import secrets
from collections.abc import AsyncIterator, Callable, Coroutine, Iterable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from time import monotonic
from typing import Any, TypeVar

import asyncpg

from dispatcher import commands
from dispatcher.errors import DispatchError, MarketHeld, MarketUnavailable, PolicyError, StaleWriter, WrongState
from dispatcher.ids import SECRET_BYTES
from dispatcher.log.ownership import MarketLock
from dispatcher.log.projections import Projections
from dispatcher.log.store import LogStore
from dispatcher.market import Market
from dispatcher.market.driver import Driver
from dispatcher.market.market import Networks
from dispatcher.market.renaming import Prepared, Touched, rename_person
from dispatcher.market.stuck import LonelyJobs
from dispatcher.measures import Measures, figures
from dispatcher.measures.catalogue import Reading
from dispatcher.redaction import Erased
from gig.v1 import events_pb2 as events_pb
from gig.v1 import oversight_service_pb2 as oversight_pb
from gig.v1 import policy_pb2 as policy_pb
from services.auth.access import Call
from services.clock import MarketClock
from services.host.applied import Applied, applied
from services.host.live_positions import LivePositions
from services.host.loading import measures_of, recall_requests
from services.host.log_writer import STORE_FAULTS, LogWriter
from services.host.positions import Positions
from services.host.projector import Projector
from services.host.publication import INCOMPLETE, Publication, fold_measures
from services.host.quarantine import Item, Kind, Loop, Quarantine, loop_item
from services.host.repair import unfoldable
from services.host.sessions import Sessions
from services.host.subjects import author_of
from services.host.watches import JobWatches
from services.signals import Signals
from services.telling import told, where

log = logging.getLogger(__name__)

RELOAD_RETRY_S = 0.2
# How often the epoch is looked at, besides the notification when another process takes it.
LOOK_EVERY_S = 1.0
# Events between snapshots.
SNAPSHOT_EVERY = 50_000
# Figures over all couriers are computed no more often: wall seconds.
FIGURES_EVERY_S = 1.0
# How long a drain waits for the tables; what they lack is followed at the next start.
TABLES_LIMIT_S = 10.0

T = TypeVar("T")
Blame = Callable[[events_pb.Event], Iterable[Item]]


@dataclass(frozen=True, slots=True)
class Opening:
    """How a market begins, if its log is empty."""

    market_id: str
    policy: policy_pb.Policy
    zones_geojson: str = ""
    # Road networks that policies may name.
    networks: Networks = field(default_factory=dict)


class MarketHost:
    def __init__(
        self,
        pool: asyncpg.Pool,
        opening: Opening,
        clock: MarketClock,
        signals: Signals,
        snapshot_every: int = SNAPSHOT_EVERY,
    ) -> None:
        self.clock = clock
        self.snapshot_every = snapshot_every
        self._signals = signals
        self._reading: Reading | None = None
        self._read_s = 0.0
        # Items that are set aside, and when they are tried again.
        self.quarantine = Quarantine(clock.now)
        self.sessions = Sessions()
        self.watches = JobWatches()
        self._publication = Publication(self.sessions, self.watches, self.quarantine)
        self.positions = Positions(lambda: self.market.state, clock, self.quarantine, self.sessions.notify)
        self.market = Market.new(opening.networks)
        self._begin_driving()
        self.measures = Measures()
        # Grows when memory is dropped and reloaded: what was begun before must not be applied after.
        self.generation = 0
        self._accepting = False
        self._stopping = False
        # Cleared while commands wait for the end of an erasure.
        self._resumed = asyncio.Event()
        self._resumed.set()
        # People who are being erased: their commands are refused.
        self.erasing: set[str] = set()
        # Held while the log is read for a snapshot, and while a person is erased from log and snapshots.
        self.snapshot_lock = asyncio.Lock()
        # Jobs for which the last round found no possible courier.
        self.stranded: list[oversight_pb.StrandedJob] = []
        # Since when jobs have been without a possible courier.
        self.lonely = LonelyJobs()
        # How long each stage of the last round took.
        self.stages_s: dict[str, float] = {}
        # The latest snapshot that is saved.
        self.snapshot_sequence = 0
        # Set when the market cannot go on here: another process writes it.
        self.lost: asyncio.Future[None] | None = None
        self._opening = opening
        self._pool = pool
        self._store = LogStore(pool, opening.market_id)
        self._lock = MarketLock(pool, opening.market_id)
        self._projections = Projections(pool, opening.market_id)
        self._tasks: list[asyncio.Task[None]] = []

    # --- life

    async def start(self, *, take_over: bool = False) -> None:
        """Recover the market from snapshot and log, or open it; then serve.

        ``take_over``: end a process that holds the market. Raises MarketHeld where one does, and this is not set.
        """
        self.lost = asyncio.get_running_loop().create_future()
        await self._lock.acquire(take_over=take_over)
        try:
            await self._load()
        except BaseException:
            await self._lock.release()
            raise
        self._tasks = [self.supervised(self._keep_writing()), self.supervised(self._keep_owning())]
        if not self.market.sequence:
            opening = self._opening
            self.take(
                self.market.opening(
                    *(opening.market_id, opening.policy, self.clock.now(), opening.zones_geojson),
                    secret=secrets.token_bytes(SECRET_BYTES),
                )
            )
        else:
            self._resume()
        await self._writer.durable(self.market.sequence)
        self.accepting = True

    def supervised(self, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        """A task whose unforeseen end ends the suite: a market that dispatches no more must not look alive."""
        task = asyncio.create_task(work)
        task.add_done_callback(self._ended)
        return task

    def _ended(self, task: asyncio.Task[None]) -> None:
        failure = None if task.cancelled() else task.exception()
        if failure is not None and self.lost is not None and not self.lost.done():
            self.accepting = False
            log.error(
                "the market cannot go on here: %s", failure if isinstance(failure, DispatchError) else where(failure)
            )
            self.lost.set_exception(failure)

    async def stop(self) -> None:
        """Take nothing more, make everything durable, leave a snapshot."""
        self.accepting, self._stopping = False, True
        self.watches.end()
        self.sessions.end_streams()
        try:
            await self._writer.durable(self.market.sequence)
            await asyncio.wait_for(self.projector.reached(self.market.sequence), TABLES_LIMIT_S)
            await self._save_snapshot()
        except (DispatchError, *STORE_FAULTS) as fault:
            log.warning("no snapshot was saved at the end; the log is complete: %s", told(fault))
        except Exception as fault:
            log.error("no snapshot was saved at the end; the log is complete: %s", where(fault))
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self._lock.release()

    def _begin_driving(self) -> None:
        """Let a new driver, which asks for live positions, drive the market that is in memory."""
        self.driver = Driver(self.market, self.clock.now())
        self.live_positions = LivePositions(self.market.state, self.positions, self.sessions)

    async def _load(self) -> None:
        """State, measures and projections from the database; from here on this process is the market's writer."""
        await self._lock.acquire()
        await self._store.acquire()
        for loop in (Loop.MEASURES, Loop.TABLES):
            self.quarantine.drop(loop)
        saved = await self._store.latest_snapshot()
        networks = self._opening.networks
        self.market = Market.restore(saved[0], networks) if saved is not None else Market.new(networks)
        self.snapshot_sequence = snapshot = 0 if saved is None else saved[0].sequence
        await recall_requests(self._store, self.market.state, snapshot)
        if saved is None:
            self.measures = Measures()
        else:
            self.measures = await measures_of(self._store, saved[1], snapshot, self.quarantine)
        await self._projections.load()
        self.projector = Projector(self._projections, self.quarantine, behind=lambda fault: self._writer.give_up(fault))
        async for event in self._store.read(self.market.sequence):
            try:
                self.market.apply([event])
                fold_measures(self.measures, event, self.quarantine)
                self.projector.add([applied(self.market, event)])
            except PolicyError:
                raise
            except Exception as fault:
                raise unfoldable(self.market_id, event, fault) from None
            # However often we are killed before a snapshot is made: what was folded once is not folded again. The
            # tables have come as far, and are followed from it on.
            if event.sequence == self._projections.sequence >= self.snapshot_sequence + self.snapshot_every:
                await self._save_snapshot()
        self.clock.not_before(self.market.state.time_us)
        self.positions.place(self.measures.online)
        self._begin_driving()
        self._writer = LogWriter(self._store, self.market.sequence, self._publish, self._signals)
        self._reading = None
        self.generation += 1

    async def _keep_owning(self) -> None:
        """Acquire the lock again where its connection ends. Raises StaleWriter once another process has the market."""
        while True:
            await self._lock.changed(LOOK_EVERY_S)
            try:
                if not self._lock.held:
                    log.warning("the connection that holds the market's lock has ended: acquiring the lock again")
                    await self._lock.check(self._store)
                    await self._lock.acquire()
                await self._lock.check(self._store)
            except MarketHeld as fault:
                raise StaleWriter(self.market_id) from fault
            except STORE_FAULTS as fault:
                log.warning("PostgreSQL cannot say who holds the market: %s", told(fault))
                await asyncio.sleep(RELOAD_RETRY_S)

    async def _keep_writing(self) -> None:
        """Run writer and projector; after a failed append drop the memory and load it again."""
        while True:
            projecting, pause_s = self.supervised(self.projector.run()), 0.0
            try:
                await self._writer.run()
            except StaleWriter:
                self.accepting = False
                raise
            except MarketUnavailable as fault:
                log.error("%s: dropping memory and loading from the log", fault)
                self.accepting = False
            except Exception as fault:
                self.accepting = False
                incident = self.quarantine.add(Loop.LOG, loop_item(Loop.LOG), fault, "writing the log")
                pause_s = self.quarantine.seconds_left(incident)
                self._writer.give_up(MarketUnavailable("LOG_UNAVAILABLE", "the event log cannot be written now"))
            finally:
                projecting.cancel()
                await asyncio.gather(projecting, return_exceptions=True)
            await self.projector.close()
            # The other connections may be dead too: the next uses connect again.
            await self._pool.expire_connections()
            await asyncio.sleep(pause_s)
            await self._reload()

    async def _reload(self) -> None:
        while True:
            try:
                await self._load()
            except MarketHeld as fault:
                raise StaleWriter(self.market_id) from fault
            except STORE_FAULTS as fault:
                log.warning("the log cannot be read yet: %s", told(fault))
                await asyncio.sleep(RELOAD_RETRY_S)
                continue
            self._resume()
            self.accepting = True
            return

    def _resume(self) -> None:
        self.take(self.market.resuming(self.clock.now(), secret=secrets.token_bytes(SECRET_BYTES)))

    # --- erasure

    @asynccontextmanager
    async def held(self) -> AsyncIterator[None]:
        """Make commands wait for a moment, once everything that was decided before is durable.

        No command is refused: commands wait, and rounds and time-outs come a moment later. A refusal (DispatchError)
        inside changes nothing. After any other failure it is unknown what the database has done, so the market drops
        its memory and loads it from the log.
        """
        self.check_accepting()
        writer = self._writer
        self.accepting = False
        self._resumed.clear()
        try:
            await writer.durable(self.market.sequence)
            yield
        except DispatchError:
            raise
        except BaseException as fault:
            writer.give_up(MarketUnavailable("ERASURE_FAILED", f"an erasure failed ({told(fault)}); ask again"))
            raise
        finally:
            if self._writer is writer and not writer.failed and not self._stopping:
                self.accepting = True
            self._resumed.set()

    def rename_person(self, erased: Erased, touched: Touched, prepared: Prepared) -> None:
        """Rename the person in memory, once the log no longer names the person."""
        rename_person(self.market.state, erased, touched, prepared)
        self.measures.rename(erased.person_id, erased.pseudonym)
        self.sessions.drop(erased.person_id)
        self._reading = None

    # --- commands and reads

    def reading(self) -> Reading:
        """Return the measures as of now; while events are not durable yet, as of the last event, whose time is
        earlier."""
        now_s = monotonic()
        if self._reading is None or now_s >= self._read_s + FIGURES_EVERY_S:
            idle = self._writer.durable_sequence == self.market.sequence == self.measures.sequence
            try:
                self.measures.bring_to(self.clock.now() if idle else self.measures.time_us)
            except Exception as fault:
                self.quarantine.add(Loop.MEASURES, loop_item(Loop.MEASURES), fault, "bringing the measures up to now")
            self._reading, self._read_s = Reading(self.measures, figures(self.measures)), now_s
        return self._reading

    def pending(self) -> int:
        """Return the number of events that are decided and not durable yet."""
        return self.market.sequence - self._writer.durable_sequence

    async def submit(self, command: commands.Command, view: Callable[[Market], T]) -> T:
        """Decide, apply, and return the view of the moment right after, once it is durable.

        A repetition of an earlier request changes nothing and gives the view of now.
        """
        await self._resumed.wait()
        self.check_accepting()
        self._check_author(command)
        if self.erasing and not isinstance(command, commands.ErasePerson):
            self._check_not_erasing(commands.actor_of(command))
        writer = self._writer
        events = self.market.decide(command, self.clock.now())
        self.take(events, Loop.COMMANDS, lambda _event: (author_of(command),))
        if events and self.quarantine.has(Loop.COMMANDS):
            self.quarantine.release(Loop.COMMANDS, (author_of(command),))
        result = view(self.market)
        await writer.durable(self.market.sequence)
        return result

    def _check_author(self, command: commands.Command) -> None:
        """Raise MarketUnavailable for a command like one that made the market reload a moment ago."""
        if not self.quarantine.has(Loop.COMMANDS):
            return
        author = author_of(command)
        incident = self.quarantine.find(Loop.COMMANDS, author)
        if incident is not None and (left_s := self.quarantine.seconds_left(incident)):
            raise MarketUnavailable(
                "SET_ASIDE",
                f"the last {author.detail} of this caller could not be applied (incident {incident.incident_id}); "
                f"the next one is accepted in {left_s:.1f} s",
                incident=incident.incident_id,
                retry_after_s=f"{left_s:.1f}",
            )

    async def note_access(self, call: Call) -> None:
        """Record on the log whose data the caller has read by privileged access; durable when it returns."""
        for subject_id in dict.fromkeys(call.looked_at):
            command = commands.NoteAccess(
                reader_id=call.caller.person_id, role=call.caller.role, method=call.path, subject_id=subject_id
            )
            await self.submit(command, lambda _market: None)

    async def read(self, view: Callable[[Market], T]) -> T:
        """A view of the market of which every part is durable."""
        if not self.accepting and self.generation == 0:
            raise MarketUnavailable("STARTING", "the market is being loaded")
        self._check_owned()
        writer = self._writer
        result = view(self.market)
        await writer.durable(self.market.sequence)
        return result

    @property
    def accepting(self) -> bool:
        """Whether commands are taken now: the market is loaded, is not draining, and its lock is held."""
        return self._accepting and self._lock.held

    @accepting.setter
    def accepting(self, accepting: bool) -> None:
        self._accepting = accepting

    def _check_owned(self) -> None:
        """Raise StaleWriter where another process has the market: what is in memory is out of date."""
        if self.lost is not None and self.lost.done():
            raise StaleWriter(self.market_id)

    def check_accepting(self) -> None:
        if not self.accepting:
            raise MarketUnavailable("NOT_ACCEPTING", "the market is starting or draining; try again")

    def _check_not_erasing(self, person_id: str) -> None:
        if person_id in self.erasing:
            raise WrongState("BEING_ERASED", "this person is being erased: commands are refused until the erasure ends")

    async def projected(self) -> asyncpg.Pool:
        """The database, once its tables show all that is on the log now."""
        self._check_owned()
        sequence = self._writer.durable_sequence
        await self.projector.reached(sequence)
        return self._pool

    @property
    def durable_sequence(self) -> int:
        """The last event that is on the log."""
        return self._writer.durable_sequence

    @property
    def pool(self) -> asyncpg.Pool:
        return self._pool

    @property
    def market_id(self) -> str:
        return self._opening.market_id

    @property
    def networks(self) -> Networks:
        return self._opening.networks

    @property
    def store(self) -> LogStore:
        return self._store

    # --- events

    def take(
        self, events: Sequence[events_pb.Event], loop: Loop = Loop.COMMANDS, blame: Blame = lambda _event: ()
    ) -> None:
        """Apply and log events that were decided on this very state.

        Where one cannot be applied, memory may be half changed and none of the events is on the log. The items that
        ``blame`` names for the event are then set aside, so that the failure does not repeat at once, and the market
        reloads from its log. Raises MarketUnavailable in that case.
        """
        taken = []
        for event in events:
            try:
                self.market.apply([event])
                taken.append(applied(self.market, event))
            except Exception as fault:
                raise self._not_applied(event, fault, loop, blame) from fault
        if taken:
            self._writer.add(taken)

    def _not_applied(self, event: events_pb.Event, fault: Exception, loop: Loop, blame: Blame) -> MarketUnavailable:
        items = list(blame(event)) or [loop_item(loop)]
        stage = f"applying {event.WhichOneof('body')}"
        for item in items:
            # The jobs of an offer are the likelier cause than its courier, who is tried with others sooner.
            soon = item.kind is Kind.COURIER and len(items) > 1
            incident = self.quarantine.add(loop, item, fault, stage, soon=soon, needs_proof=True)
        text = f"the market could not apply this and is loaded from its log (incident {incident.incident_id})"
        failure = MarketUnavailable("NOT_APPLIED", text, incident=incident.incident_id)
        self.accepting = False
        self._writer.give_up(failure)
        return failure

    def _publish(self, batch: Sequence[Applied]) -> None:
        """Durable events reach measures, couriers, watchers and tables, in order."""
        self._publication.publish(batch, self.measures, self.projector)
        for one in batch:
            if one.kind == "courier_online":
                self.positions.arrived(one.event.courier_online)

    async def _save_snapshot(self) -> None:
        """Of this moment, when all is durable and the tables have come as far: they are followed from it on."""
        market = self.market.snapshot().SerializeToString(deterministic=True)
        # Measures that lack an event are not kept: the next start folds them from the log.
        measures = INCOMPLETE if self.quarantine.has(Loop.MEASURES) else self.measures.to_json()
        await self._store.save_snapshot(market, measures, self.market.sequence)
        self.snapshot_sequence = self.market.sequence
