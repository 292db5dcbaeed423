"""Computes a job's rounds again in a process of its own: the live market never pauses for a question."""

from __future__ import annotations

import asyncio
from concurrent.futures import BrokenExecutor

from dispatcher.decisions.no_offer import Reruns
from dispatcher.errors import MarketUnavailable, NotFound
from dispatcher.log.sql import query
from dispatcher.log.store import LogStore, open_pool
from dispatcher.market import Market
from dispatcher.market.market import Networks
from gig.v1 import transparency_service_pb2 as pb
from services.host.child import WarmProcess


class NoOffers:
    """One question at a time: each takes a core for as long as it folds the log."""

    def __init__(self, dsn: str, networks: Networks) -> None:
        self._dsn, self._networks = dsn, networks
        self._process = WarmProcess()

    def close(self) -> None:
        self._process.close()

    async def explain(self, market_id: str, job_id: str, courier_id: str) -> pb.ExplainNoOfferResponse:
        asked = self._dsn, market_id, job_id, courier_id, self._networks
        try:
            answer = await self._process.run(explain_no_offer, *asked)
        except BrokenExecutor as fault:
            raise MarketUnavailable("RERUN_FAILED", "the rounds could not be computed again; try again") from fault
        if answer is None:
            raise NotFound("job", job_id)
        found: pb.ExplainNoOfferResponse = pb.ExplainNoOfferResponse.FromString(answer)
        return found


def explain_no_offer(dsn: str, market_id: str, job_id: str, courier_id: str, networks: Networks) -> bytes | None:
    """In the process: the answer as bytes, or None where nobody ever placed the job."""
    return asyncio.run(_explain(dsn, market_id, job_id, courier_id, networks))


async def _explain(dsn: str, market_id: str, job_id: str, courier_id: str, networks: Networks) -> bytes | None:
    pool = await open_pool(dsn, size=2)
    try:
        store = LogStore(pool, market_id)
        span = await pool.fetchrow(query("job_span"), market_id, job_id)
        if span["first"] is None:
            return None
        first, last = span["first"], span["last"] if span["ended"] else await store.length()
        rounds = {}
        async for event in store.read(first - 1):
            if event.sequence > last:
                break
            if event.HasField("round_settled"):
                rounds[event.round_settled.state_sequence] = event
        saved = await store.latest_snapshot(before=first)
        market = Market.restore(saved[0], networks) if saved is not None else Market.new(networks)
        asked = Reruns(job_id, courier_id, rounds)
        async for event in store.read(market.sequence):
            market.apply([event])
            asked.look(market, event)
            if event.sequence >= last:
                break
        answer: bytes = asked.answer().SerializeToString()
        return answer
    finally:
        await pool.close()
