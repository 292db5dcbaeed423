"""A command that breaks the market's own code: whoever sent it is told, the others go on, and the log stays sound."""

from __future__ import annotations

import asyncio
import itertools
import logging
from collections.abc import AsyncIterator
from typing import Any

import asyncpg
import pytest
from prometheus_client import CollectorRegistry

from dispatcher import commands, policy
from dispatcher.errors import MarketUnavailable
from dispatcher.log.proof import proved
from dispatcher.market import market
from dispatcher.market.apply import fold
from gig.v1 import job_pb2
from services.clock import MarketClock
from services.host.market_host import MarketHost, Opening
from services.rpc import errors
from services.signals import Signals
from tests.kit import call_by, spec

POISON = "poison"
_markets = itertools.count()


@pytest.fixture
async def host(pool: asyncpg.Pool) -> AsyncIterator[MarketHost]:
    """A real market on a real PostgreSQL, in this process, where its code can be broken."""
    opening = Opening(f"faulty-{next(_markets)}", policy.load("plain"))
    made = MarketHost(pool, opening, MarketClock(), Signals(CollectorRegistry()))
    await made.start()
    yield made
    await made.stop()


async def place(host: MarketHost, job_id: str) -> job_pb2.Job:
    command = commands.PlaceJob(request=call_by("ann", job_id), job_id=job_id, client_id="ann", spec=spec())
    return await host.submit(command, lambda found: found.state.jobs[job_id])


async def placed(host: MarketHost, job_id: str) -> job_pb2.Job:
    """However often it takes."""
    while True:
        try:
            return await place(host, job_id)
        except MarketUnavailable:
            await asyncio.sleep(0)


def breaking(of: Any) -> Any:
    """The same, but for what holds the poison."""

    def broken(*arguments: Any) -> Any:
        if any(POISON in str(argument) for argument in arguments):
            raise ZeroDivisionError(f"{POISON} of ann")
        return of(*arguments)

    return broken


async def holds_only(host: MarketHost, jobs: set[str]) -> None:
    proof = await proved(host.store.read())
    assert (proof.told, proof.jobs) == ([], len(jobs))
    assert set(host.market.state.jobs) == jobs


async def test_a_command_that_cannot_be_decided_changes_nothing_for_anybody(host, monkeypatch) -> None:
    decide = market._DECIDERS[commands.PlaceJob]
    monkeypatch.setitem(market._DECIDERS, commands.PlaceJob, breaking(decide))
    await place(host, "one")
    with pytest.raises(ZeroDivisionError):
        await place(host, POISON)
    await place(host, "two")
    await holds_only(host, {"one", "two"})


async def test_an_event_that_cannot_be_applied_is_not_logged_and_memory_is_loaded_anew(host, monkeypatch) -> None:
    apply = fold._APPLY["job_placed"]

    def half(state: Any, event: Any) -> None:
        apply(state, event)
        if event.job_placed.job.job_id == POISON:
            raise ZeroDivisionError(f"{POISON} of ann")

    monkeypatch.setitem(fold._APPLY, "job_placed", half)
    await place(host, "one")
    generation = host.generation
    with pytest.raises(MarketUnavailable):
        await place(host, POISON)
    await placed(host, "two")
    assert host.generation > generation
    await holds_only(host, {"one", "two"})


def test_the_text_of_such_a_fault_reaches_neither_the_caller_nor_the_log(caplog) -> None:
    person = "-".join(("ann", "hills"))  # not as the source has it, which the log may quote
    with caplog.at_level(logging.ERROR):
        try:
            raise ZeroDivisionError(f"{POISON} of {person}")
        except ZeroDivisionError as fault:
            status = errors.unforeseen("JobService/PlaceJob", fault)
    assert status.code == 13
    (record,) = caplog.records
    assert "ZeroDivisionError" in record.getMessage()
    for text in (record.getMessage(), str(status)):
        assert person not in text
    incident = status.message.split()[-1]
    assert incident in record.getMessage()
