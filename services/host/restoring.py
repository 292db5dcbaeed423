"""A market from its events: log, tables, measures and snapshot, as if it had been served here all the time."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from itertools import islice

import asyncpg

from dispatcher.errors import WrongState
from dispatcher.log.ownership import held
from dispatcher.log.projections import Projections
from dispatcher.log.proof import LogProof
from dispatcher.log.store import LogStore
from dispatcher.market import Market
from dispatcher.market.market import Networks
from dispatcher.measures import Measures
from gig.v1 import events_pb2 as events_pb
from services.host.applied import applied
from services.host.projector import Projector
from services.host.publication import INCOMPLETE, fold_measures
from services.host.quarantine import Loop, Quarantine

BATCH = 5_000


async def restore(
    pool: asyncpg.Pool,
    market_id: str,
    events: Iterable[events_pb.Event],
    networks: Networks,
    report: Callable[[int], None] = lambda _sequence: None,
) -> LogProof:
    """Writes the events into an empty market, batch by batch; returns their proof.

    ``pool`` needs two connections. Raises WrongState where the market has events already, MarketHeld where another
    process holds it. Until all are there nobody can serve the market.
    """
    async with held(pool, market_id, "restore"):
        return await _restore(LogStore(pool, market_id), events, networks, report)


async def _restore(
    store: LogStore, events: Iterable[events_pb.Event], networks: Networks, report: Callable[[int], None]
) -> LogProof:
    pool, market_id = store.pool, store.market_id
    if await store.length():
        raise WrongState("MARKET_EXISTS", f"market {market_id!r} has events here: restore into an empty database")
    await store.begin_restore()
    projections = Projections(pool, market_id)
    await projections.load()
    market, measures, proof = Market.new(networks), Measures(), LogProof()
    quarantine = Quarantine(lambda: market.state.time_us)
    projector = Projector(projections, quarantine, patient=False)
    waiting = iter(events)
    while batch := list(islice(waiting, BATCH)):
        await store.append(batch)
        for event in batch:
            proof.check(event)
            market.apply([event])
            fold_measures(measures, event, quarantine)
            projector.add([applied(market, event)])
        await projector.flush()
        report(batch[-1].sequence)
    body = market.snapshot().SerializeToString(deterministic=True)
    kept = INCOMPLETE if quarantine.has(Loop.MEASURES) else measures.to_json()
    await store.save_snapshot(body, kept, market.sequence)
    await store.end_restore()
    return proof
