"""Where people were, coarser after a while and gone after a longer one: the log and the tables are rewritten in place.

Positions of couriers are on the log as differences (``RoundSettled``), so that what is rewritten is made up for in the
next event of the same courier: whoever folds the log finds everybody where they are now. Amounts, times and sequences
stay. What decided an old round can then no longer be recomputed to the last digit: ``ExplainNoOffer`` says so.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import asyncpg
import numpy as np
from google.protobuf.message import Message

from dispatcher.complete import complete
from dispatcher.event_kinds import BODIES, Use, bodies_for
from dispatcher.log.rewriting import begin_rewriting, write_changed
from dispatcher.log.sql import query
from dispatcher.messages import fields_below, parts
from dispatcher.times import micros, span
from geo.units import E7, Ints
from gig.v1 import events_pb2 as events_pb
from gig.v1 import job_pb2 as job_pb
from gig.v1 import policy_pb2 as policy_pb
from gig.v1 import types_pb2 as types_pb

BATCH = 2_000
# How far each has come is kept by these names.
COARSE, EXPIRED = "coarse", "expired"
# E7 degrees, an array of any shape; the same shape.
Rounding = Callable[[Ints], Ints]
# Sequence, the body as it was, the event.
EventRow = tuple[int, bytes, events_pb.Event]


def coarse(decimals: int) -> Rounding:
    """To so many decimals of a degree: 2 are about a kilometre."""
    grid = round(E7) // 10**decimals

    def rounded(values: Ints) -> Ints:
        found: Ints = (values + grid // 2) // grid * grid
        return found

    return rounded


def nowhere(values: Ints) -> Ints:
    return np.zeros_like(values)


@dataclass(slots=True)
class Places:
    """Where the log has each courier by number: (2, couriers), latitudes and longitudes in E7 degrees."""

    e7: Ints = field(default_factory=lambda: np.zeros((2, 64), np.int64))

    def grown(self, number: int) -> None:
        while number >= self.e7.shape[1]:
            self.e7 = np.concatenate([self.e7, np.zeros_like(self.e7)], axis=1)


@dataclass(slots=True)
class Rewriter:
    """Feed it the events of a stretch in order (``rewrite``), then those behind it (``make_up``) until nothing is
    ``pending``; where the log ends before, ``keep`` leaves the last position of those couriers as it was."""

    rounding: Rounding
    places: Places
    # Of couriers moved in this stretch: how far their true position is from the one that is written.
    _off: dict[int, np.ndarray] = field(default_factory=dict)
    _last: dict[int, events_pb.Event] = field(default_factory=dict)

    def rewrite(self, event: events_pb.Event) -> None:
        rewrite = _REWRITE.get(event.WhichOneof("body"))
        if rewrite is not None:
            rewrite(self, event)
        _rewrite_places(event, self.rounding)

    def make_up(self, event: events_pb.Event) -> bool:
        """Whether the event had to be changed."""
        if event.HasField("courier_online"):
            self._off.pop(event.courier_online.courier_number, None)
            return False
        if not event.HasField("round_settled"):
            return False
        changed = False
        for place, number in enumerate(_numbers(event.round_settled).tolist()):
            off = self._off.pop(number, None)
            if off is not None:
                _add(event.round_settled, place, off)
                changed = True
        return changed

    def keep(self) -> None:
        for number, off in self._off.items():
            event = self._last[number]
            if event.HasField("courier_online"):
                event.courier_online.latitude_e7 += int(off[0])
                event.courier_online.longitude_e7 += int(off[1])
            else:
                place = int(np.searchsorted(_numbers(event.round_settled), number))
                _add(event.round_settled, place, off)
            self.places.e7[:, number] += off
        self._off.clear()

    @property
    def pending(self) -> bool:
        return bool(self._off)

    def _round(self, event: events_pb.Event) -> None:
        body = event.round_settled
        numbers = _numbers(body)
        if not numbers.size:
            return
        self.places.grown(int(numbers.max()))
        deltas = np.array([body.moved_latitude_e7_deltas, body.moved_longitude_e7_deltas], np.int64)
        before = self.places.e7[:, numbers]
        off = np.array([self._off.get(number, (0, 0)) for number in numbers.tolist()], np.int64).T
        true = before + off + deltas
        self._moved(event, numbers, true)
        written = self.places.e7[:, numbers] - before
        body.moved_latitude_e7_deltas[:] = written[0].tolist()
        body.moved_longitude_e7_deltas[:] = written[1].tolist()

    def _online(self, event: events_pb.Event) -> None:
        body = event.courier_online
        self.places.grown(body.courier_number)
        true = np.array([[body.latitude_e7], [body.longitude_e7]], np.int64)
        self._moved(event, np.array([body.courier_number]), true)
        body.latitude_e7, body.longitude_e7 = self.places.e7[:, body.courier_number].tolist()

    def _skipped(self, event: events_pb.Event) -> None:
        _forget_moves(event.event_skipped.original)

    def _moved(self, event: events_pb.Event, numbers: Ints, true: Ints) -> None:
        written = self.rounding(true)
        self.places.e7[:, numbers] = written
        for column, number in enumerate(numbers.tolist()):
            off = true[:, column] - written[:, column]
            self._last[number] = event
            if off.any():
                self._off[number] = off
            else:
                self._off.pop(number, None)


def _has_coordinates(body: str) -> bool:
    """Return whether a kind of event has coordinates in fields of its own, not in a Position."""
    message = events_pb.Event.DESCRIPTOR.fields_by_name[body].message_type
    return any(
        ("latitude" in field.name or "longitude" in field.name)
        and field.containing_type is not types_pb.Position.DESCRIPTOR
        for field in fields_below(message)
    )


# Positions in other fields than those of Position messages, which _rewrite_places finds in every event.
_REWRITE: dict[str, Callable[[Rewriter, events_pb.Event], None]] = complete(
    {
        "round_settled": Rewriter._round,
        "courier_online": Rewriter._online,
        "event_skipped": Rewriter._skipped,
    },
    bodies_for(Use.POSITIONS),
    "functions that rewrite the positions of events when they get old",
)
# A skipped event holds an event of any kind.
complete(bodies_for(Use.POSITIONS), filter(_has_coordinates, BODIES), "kinds of events with coordinates of their own")


def _numbers(body: events_pb.RoundSettled) -> Ints:
    return np.cumsum(np.array(body.moved_number_deltas, np.int64))


def _add(body: events_pb.RoundSettled, place: int, off: np.ndarray) -> None:
    body.moved_latitude_e7_deltas[place] += int(off[0])
    body.moved_longitude_e7_deltas[place] += int(off[1])


def _forget_moves(skipped: events_pb.Event) -> None:
    """Remove positions that are no Position message; no fold needs those of a skipped event."""
    if skipped.HasField("round_settled"):
        for name in ("number_deltas", "latitude_e7_deltas", "longitude_e7_deltas", "in_ms"):
            skipped.round_settled.ClearField(f"moved_{name}")
    if skipped.HasField("courier_online"):
        skipped.courier_online.ClearField("latitude_e7")
        skipped.courier_online.ClearField("longitude_e7")


def _rewrite_places(record: Message, rounding: Rounding) -> None:
    """Positions in any depth, and the names of places."""
    if isinstance(record, types_pb.Position):
        e7 = np.array([round(record.latitude * E7), round(record.longitude * E7)], np.int64)
        latitude, longitude = (rounding(e7) / E7).tolist()
        record.latitude, record.longitude = max(min(latitude, 90.0), -90.0), max(min(longitude, 180.0), -180.0)
        return
    if isinstance(record, types_pb.Place):
        record.ClearField("label")
    for part in parts(record):
        _rewrite_places(part, rounding)


@dataclass(frozen=True, slots=True)
class Stage:
    name: str
    rounding: Rounding
    # Events from before this are rewritten: microseconds since the Unix epoch.
    before_us: int
    # And none behind this one, which another stage has not come to yet.
    limit: int


async def retain(pool: asyncpg.Pool, market_id: str, policy: policy_pb.PrivacyPolicy, now_us: int) -> dict[str, int]:
    """Do what the policy asks for at this moment; returns how many events each stage rewrote. Other work goes on: each
    batch is a transaction of its own, of old rows alone."""
    done = {}
    length = int(await pool.fetchval(query("last_sequence"), market_id) or 0)
    if policy.HasField("coarsen_after"):
        before_us = now_us - span(policy.coarsen_after)
        done[COARSE] = await _run(pool, market_id, Stage(COARSE, coarse(policy.coarse_decimals), before_us, length))
    if policy.HasField("expire_after"):
        limit = length
        if policy.HasField("coarsen_after"):
            limit = int(await pool.fetchval(query("retained"), market_id, COARSE) or 0)
        done[EXPIRED] = await _run(pool, market_id, Stage(EXPIRED, nowhere, now_us - span(policy.expire_after), limit))
    return done


async def _run(pool: asyncpg.Pool, market_id: str, stage: Stage) -> int:
    rewritten = 0
    while count := await _batch(pool, market_id, stage):
        rewritten += count
    return rewritten


async def _batch(pool: asyncpg.Pool, market_id: str, stage: Stage) -> int:
    """How many events it went through; 0 where none is old enough."""
    async with pool.acquire() as connection, connection.transaction():
        await begin_rewriting(connection, market_id)
        row = await connection.fetchrow(query("retention"), market_id, stage.name)
        done, places = (row["sequence"], _unpacked(row["places"])) if row is not None else (0, Places())
        rows = [
            row
            for row in await _events(connection, market_id, done, min(BATCH, stage.limit - done))
            if micros(row[2].time) < stage.before_us
        ]
        if not rows:
            return 0
        rewriter = Rewriter(stage.rounding, places)
        for _, _, event in rows:
            rewriter.rewrite(event)
        last = rows[-1][0]
        behind = await _make_up(connection, market_id, rewriter, last, stage.limit)
        await write_changed(connection, "event", market_id, [*rows, *behind])
        await _rewrite_jobs(connection, market_id, stage.rounding, done, last)
        await connection.execute(query("set_retention"), market_id, stage.name, last, rewriter.places.e7.tobytes())
        await connection.execute(query("drop_old_snapshots"), market_id, last)
        return len(rows)


async def _make_up(
    connection: asyncpg.Connection, market_id: str, rewriter: Rewriter, after: int, limit: int
) -> list[EventRow]:
    changed = []
    while rewriter.pending and after < limit:
        rows = await _events(connection, market_id, after, min(BATCH, limit - after))
        if not rows:
            break
        for row in rows:
            after, _, event = row
            if rewriter.make_up(event):
                changed.append(row)
            if not rewriter.pending:
                break
    rewriter.keep()
    return changed


async def _events(connection: asyncpg.Connection, market_id: str, after: int, count: int) -> list[EventRow]:
    found = await connection.fetch(query("read"), market_id, after, count) if count > 0 else []
    events = [(row["body"], events_pb.Event.FromString(row["body"])) for row in found]
    return [(event.sequence, body, event) for body, event in events]


async def _rewrite_jobs(
    connection: asyncpg.Connection, market_id: str, rounding: Rounding, after: int, until: int
) -> None:
    """The records of jobs that ended in this stretch."""
    found = await connection.fetch(query("jobs_changed"), market_id, after, until)
    jobs = [(row["body"], job_pb.Job.FromString(row["body"])) for row in found]
    for _, job in jobs:
        _rewrite_places(job, rounding)
    await write_changed(connection, "job", market_id, [(job.job_id, body, job) for body, job in jobs])


def _unpacked(places: bytes) -> Places:
    return Places(np.frombuffer(places, np.int64).reshape(2, -1).copy())
