"""Snapshots by a process of its own: it folds the log from the last one on, and the live market never pauses."""

from __future__ import annotations

import asyncio
import logging
from concurrent.futures import BrokenExecutor

from dispatcher.log.store import LogStore, open_pool
from dispatcher.market import Market
from dispatcher.market.market import Networks
from dispatcher.measures import Measures
from gig.v1 import events_pb2 as events_pb
from services.host.child import in_child
from services.host.chore import Chore
from services.host.log_writer import STORE_FAULTS
from services.host.market_host import MarketHost
from services.host.publication import INCOMPLETE
from services.telling import told, where

log = logging.getLogger(__name__)

LOOK_EVERY_S = 1.0


class Snapshots(Chore):
    """As many events apart as the host says. The host itself saves the last one."""

    def __init__(self, host: MarketHost, dsn: str) -> None:
        super().__init__(LOOK_EVERY_S)
        self._host, self._dsn = host, dsn

    async def work(self) -> None:
        # Not beyond what the tables show: they are followed from the snapshot on.
        sequence = self._host.projector.sequence
        if self._host.accepting and sequence - self._host.snapshot_sequence >= self._host.snapshot_every:
            await self.save(sequence)

    async def save(self, sequence: int) -> None:
        """Of this event, which is durable and in the tables. Erasure waits for it, so that no snapshot brings a name
        back."""
        async with self._host.snapshot_lock:
            await self._save(sequence)

    async def _save(self, sequence: int) -> None:
        of = self._host.market_id, self._host.store.epoch, sequence, self._host.networks
        try:
            await in_child(save_snapshot, self._dsn, *of)
        except (BrokenExecutor, *STORE_FAULTS) as fault:
            log.warning("no snapshot at event %d: %s", sequence, told(fault))
        except Exception as fault:
            log.error("no snapshot at event %d: %s", sequence, where(fault))
        # After a failure too: the next try comes as many events later, not at once.
        self._host.snapshot_sequence = sequence


def save_snapshot(dsn: str, market_id: str, epoch: int, sequence: int, networks: Networks) -> None:
    """In the process: fold the log up to ``sequence`` and save market and measures."""
    asyncio.run(_save_snapshot(dsn, market_id, epoch, sequence, networks))


def _measures_of(kept: str) -> Measures | None:
    """Return None where the snapshot has no measures that can be used: the next start folds them from the log."""
    try:
        return Measures.from_json(kept)
    except ValueError:
        return None


def _folded(measures: Measures | None, event: events_pb.Event) -> Measures | None:
    """Return None where the event cannot be folded; the market's own fold fails as well, and reports it."""
    if measures is None:
        return None
    try:
        measures.fold(event)
    except Exception:
        return None
    return measures


async def _save_snapshot(dsn: str, market_id: str, epoch: int, sequence: int, networks: Networks) -> None:
    pool = await open_pool(dsn, size=1)
    try:
        store = LogStore(pool, market_id)
        store.epoch = epoch
        saved = await store.latest_snapshot()
        market = Market.restore(saved[0], networks) if saved is not None else Market.new(networks)
        measures = _measures_of(saved[1]) if saved is not None else Measures()
        async for event in store.read(market.sequence):
            if event.sequence > sequence:
                break
            market.apply([event])
            measures = _folded(measures, event)
        body = market.snapshot().SerializeToString(deterministic=True)
        await store.save_snapshot(body, measures.to_json() if measures is not None else INCOMPLETE, sequence)
    finally:
        await pool.close()
