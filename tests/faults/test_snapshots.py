"""Killed again and again before a snapshot could be made, a market does not take longer and longer to come back."""

from __future__ import annotations

import asyncio

import asyncpg
from prometheus_client import CollectorRegistry

from dispatcher import commands, policy
from dispatcher.log.proof import proved
from services.clock import MarketClock
from services.host.market_host import MarketHost, Opening
from services.signals import Signals

EVERY = 60


async def life(pool: asyncpg.Pool, deeds: int) -> MarketHost:
    """A market's life that ends without a farewell, as by kill -9: all is durable, nothing else is tidy."""
    opening = Opening("killed-again-and-again", policy.load("plain"))
    host = MarketHost(pool, opening, MarketClock(), Signals(CollectorRegistry()), EVERY)
    await host.start()
    for number in range(deeds):
        note = commands.NoteAccess(reader_id="olu", role="operator", method="test", subject_id=f"ann-{number}")
        await host.submit(note, lambda _market: None)
    await host.projected()
    for task in host._tasks:
        task.cancel()
    await asyncio.gather(*host._tasks, return_exceptions=True)
    # PostgreSQL ends the session of a process that is killed, and with it its lock.
    await host._lock.release()
    return host


async def test_what_was_folded_once_is_not_folded_again(pool: asyncpg.Pool) -> None:
    for number in range(1, 7):
        host = await life(pool, 40)
        saved = await host.store.latest_snapshot()
        folded_next_time = host.market.sequence - (saved[0].sequence if saved else 0)
        assert folded_next_time < EVERY + 2 * 50, f"life {number}"
    proof = await proved(host.store.read())
    assert (proof.told, proof.events) == ([], host.market.sequence)
    again = await life(pool, 0)
    assert again.market.snapshot().SerializeToString(deterministic=True)
    assert again.measures.sequence == again.market.sequence
