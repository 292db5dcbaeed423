"""The retention job: now and then, in a process of its own, what the policy says about where people were."""

from __future__ import annotations

import asyncio
import logging
from concurrent.futures import BrokenExecutor

from dispatcher.log.retention import retain
from dispatcher.log.store import open_pool
from gig.v1 import policy_pb2 as policy_pb
from services.host.child import in_child
from services.host.chore import Chore
from services.host.log_writer import STORE_FAULTS
from services.host.market_host import MarketHost
from services.telling import told

log = logging.getLogger(__name__)

# Wall seconds: positions get old by days.
EVERY_S = 3600.0


class Retention(Chore):
    def __init__(self, host: MarketHost, dsn: str) -> None:
        super().__init__(EVERY_S)
        self._host, self._dsn = host, dsn

    async def work(self) -> None:
        policy = self._host.market.state.policy
        if self._host.accepting and policy.HasField("privacy"):
            await self._retain(policy.privacy)

    async def _retain(self, privacy: policy_pb.PrivacyPolicy) -> None:
        asked = self._dsn, self._host.market_id, privacy.SerializeToString(), self._host.clock.now()
        try:
            done = await in_child(retain_in_process, *asked)
            log.info("retention: %s", ", ".join(f"{count} events {stage}" for stage, count in done.items()))
        except (BrokenExecutor, *STORE_FAULTS) as fault:
            log.warning("retention was cut short, and goes on the next time: %s", told(fault))


def retain_in_process(dsn: str, market_id: str, privacy: bytes, now_us: int) -> dict[str, int]:
    async def run() -> dict[str, int]:
        pool = await open_pool(dsn, size=1)
        try:
            return await retain(pool, market_id, policy_pb.PrivacyPolicy.FromString(privacy), now_us)
        finally:
            await pool.close()

    return asyncio.run(run())
