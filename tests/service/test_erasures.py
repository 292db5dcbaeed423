"""Erasure while the market serves: others are not refused, and an erasure that is cut off at any step goes on."""

from __future__ import annotations

import asyncio
import itertools
import zlib
from collections.abc import AsyncIterator, Callable

import asyncpg
import pytest
from prometheus_client import CollectorRegistry

from dispatcher import commands, policy
from dispatcher.errors import DispatchError, Exhausted, NotFound, WrongState
from dispatcher.log.embedded_postgres import EmbeddedPostgres
from dispatcher.log.store import open_pool
from dispatcher.market import Market
from gig.v1 import courier_service_pb2 as courier_pb
from services.clock import MarketClock
from services.host import erasures
from services.host.erasures import A_DAY, DAY_S, Allowance, Erasure, Erasures
from services.host.market_host import MarketHost, Opening
from services.signals import Signals
from tests.kit import HERE, call_by, place_at, spec

ERASE = "TransparencyService/EraseMyData"
TABLES = ("event", "job", "rating", "review", "decision", "pay_line", "courier_phase", "review_opinion", "access")
_markets = itertools.count()


class Lives:
    """The lives of one market: each begins where the one before was cut off, without a word."""

    def __init__(self, postgres: EmbeddedPostgres, pool: asyncpg.Pool) -> None:
        self.postgres, self.pool = postgres, pool
        self.market_id = f"erasing-{next(_markets)}"
        self.hosts: list[MarketHost] = []
        self.erasures: Erasures | None = None

    async def begin(self) -> MarketHost:
        if self.erasures is not None:
            await self.cut()
        opening = Opening(self.market_id, policy.load("plain"))
        host = MarketHost(self.pool, opening, MarketClock(), Signals(CollectorRegistry()))
        await host.start(take_over=True)
        self.hosts.append(host)
        self.erasures = Erasures(host, self.postgres.dsn)
        await self.erasures.start()
        return host

    async def cut(self) -> None:
        """As a crash does: no snapshot, nothing is tidied up."""
        assert self.erasures is not None
        await self.erasures.stop()
        host = self.hosts[-1]
        for task in host._tasks:
            task.cancel()
        await asyncio.gather(*host._tasks, return_exceptions=True)
        await host._lock.release()

    async def erase(self, person: str, request_id: str = "e") -> Erasure:
        assert self.erasures is not None
        return await self.erasures.erase(call_by(person, request_id, method=ERASE), person)

    async def names(self, person: str) -> list[str]:
        """Tables whose rows, and snapshots whose contents, hold the name: as a field of a record, or as a text."""
        name = bytes([len(person)]) + person.encode()
        found = [
            table
            for table in TABLES
            if await self.pool.fetchval(
                f"SELECT count(*) FROM {table} AS row WHERE market_id = $1"
                " AND $2 IN (SELECT value FROM json_each_text(row_to_json(row)))",
                self.market_id,
                person,
            )
        ]
        for table in ("event", "job", "rating", "review"):
            query = f"SELECT count(*) FROM {table} WHERE market_id = $1 AND position($2::bytea IN body) > 0"
            if await self.pool.fetchval(query, self.market_id, name):
                found.append(f"{table} bodies")
        for row in await self.pool.fetch("SELECT body, measures FROM snapshot WHERE market_id = $1", self.market_id):
            found += ["snapshot"] * (name in zlib.decompress(row["body"]))
            found += ["measures"] * (f'"{person}"'.encode() in zlib.decompress(row["measures"]))
        if await self.pool.fetchval("SELECT count(*) FROM erasure WHERE market_id = $1", self.market_id):
            found.append("erasure")
        return found


@pytest.fixture
async def lives(postgres: EmbeddedPostgres) -> AsyncIterator[Lives]:
    pool = await open_pool(postgres.dsn, 8)
    made = Lives(postgres, pool)
    yield made
    await made.cut()
    await pool.close()


async def place(host: MarketHost, client: str, job_id: str) -> None:
    wanted = spec()
    wanted.pickup.label = f"the door of {client}"
    command = commands.PlaceJob(request=call_by(client, job_id), job_id=job_id, client_id=client, spec=wanted)
    await host.submit(command, lambda _market: None)


async def leave_traces(host: MarketHost, person: str) -> None:
    """As a client and as a courier, now gone."""
    job_id = f"job-{len(host.market.state.jobs)}"
    await place(host, person, job_id)
    await host.submit(commands.CancelJob(job_id=job_id, client_id=person, reason="late"), lambda _market: None)
    online = courier_pb.GoOnline(profile=courier_pb.CourierProfile(vehicle_type=1), position=place_at(HERE).position)
    await host.submit(commands.GoOnline(courier_id=person, online=online), lambda _market: None)
    await host.submit(commands.GoOffline(courier_id=person, reason="tired"), lambda _market: None)


async def folded(host: MarketHost) -> Market:
    market = Market.new()
    async for event in host.store.read():
        market.apply([event])
    return market


PERSON, OTHER = "somebody:to:be:erased", "by:somebody:to:be:erasedly"


async def test_nothing_names_the_person_and_memory_is_what_the_log_says(lives) -> None:
    host = await lives.begin()
    await leave_traces(host, PERSON)
    await leave_traces(host, OTHER)
    await host.projected()
    await host._save_snapshot()
    await place(host, "ann", "after-the-snapshot")
    erased = await lives.erase(PERSON)
    assert erased.events >= 4
    await host.projected()
    assert await lives.names(PERSON) == []
    assert set(await lives.names(OTHER)) >= {"job", "event bodies", "snapshot"}
    assert (await folded(host)).snapshot() == host.market.snapshot()
    assert OTHER in host.market.state.couriers
    again = await lives.begin()
    assert erased.pseudonym in again.market.state.couriers
    assert OTHER in again.market.state.couriers


async def test_a_repetition_is_answered_like_the_first_call_also_after_a_restart(lives) -> None:
    await leave_traces(await lives.begin(), PERSON)
    first = await lives.erase(PERSON)
    assert await lives.erase(PERSON) == first
    await lives.begin()
    assert await lives.erase(PERSON) == first
    with pytest.raises(NotFound):
        await lives.erase(PERSON, "another request")


async def test_others_go_on_meanwhile_and_the_person_is_refused(lives) -> None:
    host = await lives.begin()
    await leave_traces(host, PERSON)
    async with lives.pool.acquire() as connection:
        # As retention does: the erasure waits for it before it rewrites anything.
        async with connection.transaction():
            await connection.execute("SELECT pg_advisory_xact_lock(hashtextextended($1, 7164190002))", lives.market_id)
            under_way = asyncio.create_task(lives.erase(PERSON))
            while PERSON not in host.erasing:
                await asyncio.sleep(0)
            await place(host, "ann", "meanwhile")
            with pytest.raises(WrongState, match="being erased"):
                await place(host, PERSON, "not now")
            with pytest.raises(WrongState, match="being erased"):
                await lives.erase(PERSON, "another request")
            repeated = asyncio.create_task(lives.erase(PERSON))
            await asyncio.sleep(0)
        assert await under_way == await repeated
    assert host.market.state.jobs["meanwhile"].client_id == "ann"
    await place(host, PERSON, "somebody else by now")


CUTS: tuple[Callable[[pytest.MonkeyPatch, Exception], None], ...] = (
    lambda patch, fault: patch.setattr(Erasures, "_erase", raising(fault)),
    lambda patch, fault: patch.setattr(erasures._Rewriting, "_rename_snapshot", raising(fault)),
    lambda patch, fault: patch.setattr(erasures.erasure, "end_rewriting", raising(fault)),
    lambda patch, fault: patch.setattr(MarketHost, "rename_person", raising_now(fault)),
    lambda patch, fault: patch.setattr(Erasures, "_rewrite_tables", raising(fault)),
    lambda patch, fault: patch.setattr(erasures.commands, "CompleteErasure", raising_now(fault)),
)


def raising(fault: Exception):
    async def fail(*_: object) -> None:
        raise fault

    return fail


def raising_now(fault: Exception):
    def fail(*_: object, **__: object) -> None:
        raise fault

    return fail


@pytest.mark.parametrize("cut", range(len(CUTS)))
async def test_wherever_it_is_cut_off_a_restart_or_a_repetition_ends_it(lives, monkeypatch, cut) -> None:
    host = await lives.begin()
    await leave_traces(host, PERSON)
    await host.projected()
    await host._save_snapshot()
    with monkeypatch.context() as patch:
        CUTS[cut](patch, OSError("the power is off"))
        with pytest.raises((OSError, DispatchError)):
            await lives.erase(PERSON)
    await lives.begin()
    answer = await lives.erase(PERSON)
    assert answer.events >= 4
    assert await lives.erase(PERSON) == answer
    again = lives.hosts[-1]
    await again.projected()
    assert await lives.names(PERSON) == []
    assert PERSON not in again.market.state.couriers
    assert (await folded(again)).snapshot() == again.market.snapshot()
    again = await lives.begin()
    assert answer.pseudonym in again.market.state.couriers
    assert PERSON not in again.market.state.couriers


async def test_a_person_at_work_is_not_erased_and_can_ask_again_with_the_same_request(lives) -> None:
    host = await lives.begin()
    await leave_traces(host, PERSON)
    await place(host, PERSON, "live")
    with pytest.raises(WrongState):
        await lives.erase(PERSON)
    await host.submit(commands.CancelJob(job_id="live", client_id=PERSON), lambda _market: None)
    assert (await lives.erase(PERSON)).events > 0


def test_a_person_begins_a_few_erasures_a_day() -> None:
    now = [0.0]
    allowance = Allowance(lambda: now[0])
    for _ in range(A_DAY):
        allowance.take("ann")
    with pytest.raises(Exhausted) as refused:
        allowance.take("ann")
    assert refused.value.retry_s == DAY_S
    allowance.take("bo")
    now[0] = DAY_S
    allowance.take("ann")


async def test_more_than_a_few_do_not_wait(lives, monkeypatch) -> None:
    host = await lives.begin()
    await leave_traces(host, "p-0")
    await leave_traces(host, "p-1")
    monkeypatch.setattr(erasures, "UNDER_WAY", 1)
    first = asyncio.create_task(lives.erase("p-0"))
    await asyncio.sleep(0)
    with pytest.raises(Exhausted):
        await lives.erase("p-1")
    await first
    await lives.erase("p-1")
