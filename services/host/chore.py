"""What is done now and then beside the market, until it stops."""

from __future__ import annotations

import asyncio
import logging
from abc import ABC, abstractmethod

from services.telling import where

log = logging.getLogger(__name__)


class Chore(ABC):
    """``every_s``: wall seconds between one end and the next begin."""

    def __init__(self, every_s: float) -> None:
        self._every_s = every_s
        self._task: asyncio.Task[None] | None = None

    @abstractmethod
    async def work(self) -> None:
        """Once."""

    def start(self) -> None:
        self._task = asyncio.create_task(self._run())

    async def stop(self) -> None:
        """What is under way is given up, and done the next time."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    async def _run(self) -> None:
        while True:
            await asyncio.sleep(self._every_s)
            try:
                await self.work()
            except Exception as fault:
                log.error("%s failed, and is done again later: %s", type(self).__name__, where(fault))
