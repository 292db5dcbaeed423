"""Where people were is coarsened and then gone, on the log and in the tables; where they are, and pay, stay."""

from __future__ import annotations

import itertools
from collections.abc import Iterator

import asyncpg
import numpy as np
import pytest
from google.protobuf.duration_pb2 import Duration
from google.protobuf.message import Message
from hypothesis import given, settings
from hypothesis import strategies as st
from prometheus_client import CollectorRegistry

from dispatcher import policy
from dispatcher.log.proof import LogProof
from dispatcher.log.retention import COARSE, EXPIRED, Places, Rewriter, coarse, nowhere, retain
from dispatcher.log.store import LogStore
from dispatcher.market import Market
from dispatcher.messages import parts
from dispatcher.pay.ledger_check import check_ledger
from dispatcher.times import SECOND, micros
from gig.v1 import events_pb2 as events_pb
from gig.v1 import job_pb2, types_pb2
from gig.v1 import policy_pb2 as policy_pb
from load_tests.bench.busy_market import BusyMarket
from services.clock import MarketClock
from services.host.market_host import MarketHost, Opening
from services.host.restoring import restore
from services.host.retention import Retention
from services.signals import Signals

_numbers = itertools.count()


@pytest.fixture(scope="module")
def log() -> list[events_pb.Event]:
    return BusyMarket(12, 80.0, 1.5).run()


def copies(log: list[events_pb.Event]) -> list[events_pb.Event]:
    return [events_pb.Event.FromString(event.SerializeToString()) for event in log]


def positions_of(record: Message) -> Iterator[types_pb2.Position]:
    """Every position that a record holds as such."""
    if isinstance(record, types_pb2.Position):
        yield record
    for part in parts(record):
        yield from positions_of(part)


def columns(events: list[events_pb.Event]) -> tuple[np.ndarray, np.ndarray]:
    state = Market.fold(events).state
    return state.columns.latitude_e7, state.columns.longitude_e7


@settings(max_examples=25, deadline=None)
@given(share=st.floats(0.0, 1.0), decimals=st.integers(0, 4), gone=st.booleans())
def test_whatever_stretch_is_rewritten_everybody_is_where_they_were_behind_it(log, share, decimals, gone) -> None:
    events = copies(log)
    cut = int(share * len(events))
    rewriter = Rewriter(nowhere if gone else coarse(decimals), Places())
    for event in events[:cut]:
        rewriter.rewrite(event)
    for event in events[cut:]:
        rewriter.make_up(event)
    rewriter.keep()
    for before, after in zip(columns(log), columns(events), strict=True):
        assert (before == after).all()
    assert check_ledger(events)[1] == []
    grid = 10**7 // 10**decimals
    for event in events[:cut]:
        for position in positions_of(event):
            at = round(position.latitude * 1e7), round(position.longitude * 1e7)
            assert at == (0, 0) if gone else all(value % grid == 0 for value in at)


@pytest.fixture
async def stored(pool: asyncpg.Pool, log) -> LogStore:
    market_id = f"old-{next(_numbers)}"
    await restore(pool, market_id, copies(log), {})
    return LogStore(pool, market_id)


def privacy(coarsen_s: float, expire_s: float) -> policy_pb.PrivacyPolicy:
    return policy_pb.PrivacyPolicy(
        coarsen_after=Duration(seconds=round(coarsen_s)),
        coarse_decimals=2,
        expire_after=Duration(seconds=round(expire_s)),
    )


async def all_of(store: LogStore) -> list[events_pb.Event]:
    return [event async for event in store.read()]


def exact(events: list[events_pb.Event]) -> int:
    """Positions that are neither on the coarse grid nor gone."""
    return sum(round(position.latitude * 1e7) % 10**5 != 0 for event in events for position in positions_of(event))


async def test_log_and_tables_are_rewritten_stage_by_stage_and_a_restart_finds_everybody(stored, log) -> None:
    begin, end = micros(log[0].time), micros(log[-1].time)
    length_s = (end - begin) / SECOND
    for step in (0.4, 0.7, 1.0, 1.3):  # as time goes on, the same job again and again
        now = begin + round((end - begin) * step)
        await retain(stored.pool, stored.market_id, privacy(length_s * 0.2, length_s * 0.5), now)
    events = await all_of(stored)
    assert [event.sequence for event in events] == [event.sequence for event in log]
    now = begin + round((end - begin) * 1.3)
    old = [event for event in events if micros(event.time) < now - length_s * 0.5 * SECOND]
    older = [event for event in events if micros(event.time) < now - length_s * 0.2 * SECOND]
    assert old
    assert not any(position.latitude or position.longitude for event in old for position in positions_of(event))
    assert exact(older) == 0
    assert exact(events) == 0 or len(older) < len(events)
    proof = LogProof()
    for event in events:
        proof.check(event)
    assert proof.told == []
    for before, after in zip(columns(log), columns(events), strict=True):
        assert (before == after).all()
    rows = await stored.pool.fetch("SELECT sequence, body FROM job WHERE market_id = $1", stored.market_id)
    boundary = older[-1].sequence
    ended = [job_pb2.Job.FromString(row["body"]) for row in rows if row["sequence"] <= boundary]
    assert ended
    for job in ended:
        assert not job.spec.pickup.label
        assert round(job.spec.pickup.position.latitude * 1e7) % 10**5 == 0


async def test_it_is_done_once_and_does_nothing_that_the_policy_does_not_ask_for(stored, log) -> None:
    now = micros(log[-1].time)
    assert await retain(stored.pool, stored.market_id, policy_pb.PrivacyPolicy(), now) == {}
    assert await all_of(stored) == log
    first = await retain(stored.pool, stored.market_id, privacy(3600, 7200), now)
    assert first[COARSE] > 0
    assert first[EXPIRED] == 0
    assert await retain(stored.pool, stored.market_id, privacy(3600, 7200), now) == {COARSE: 0, EXPIRED: 0}


async def test_the_suites_job_does_it_by_the_policy_in_force(stored, postgres) -> None:
    opening = Opening(stored.market_id, policy.load("city"))
    host = MarketHost(stored.pool, opening, MarketClock(), Signals(CollectorRegistry()))
    await host.start()
    job = Retention(host, postgres.dsn)
    await job.work()
    assert exact(await all_of(stored)) > 0  # a week old: the policy keeps it for longer
    host.market.state.policy.privacy.coarsen_after.FromSeconds(3600)
    await job.work()
    before = host.clock.now() - 3600 * SECOND
    assert exact([event for event in await all_of(stored) if micros(event.time) < before]) == 0
    await host.stop()


def test_the_positions_of_a_skipped_event_are_removed_and_nobody_else_moves(log) -> None:
    """A repair of the log keeps the event as it was; its positions get old like all others."""
    place = next(number for number, event in enumerate(log) if len(event.round_settled.moved_number_deltas) > 1)
    online = next(number for number, event in enumerate(log) if event.HasField("courier_online"))
    for number in (place, online):
        original = copies(log)[number]
        event = events_pb.Event(sequence=original.sequence, time=original.time)
        event.event_skipped.original.CopyFrom(original)
        rewriter = Rewriter(coarse(2), Places())
        rewriter.rewrite(event)
        kept = event.event_skipped.original
        assert not kept.round_settled.moved_latitude_e7_deltas
        assert not kept.round_settled.moved_number_deltas
        assert not kept.courier_online.latitude_e7
        assert not rewriter.pending
