"""A server that is restarted from its log again and again, alternately by kill -9 and by a drain."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable

from load_tests.live.suite_process import SuiteFailed, SuiteProcess


class Lives:
    """``serving`` is set while the server should answer; ``number`` grows with each start. ``fault`` is called with a
    sentence when the server ends by itself, does not drain or does not start."""

    def __init__(self, server: SuiteProcess, fault: Callable[[str], None]) -> None:
        self._server, self._fault = server, fault
        self.serving = asyncio.Event()
        self.number = 0
        self.restarts = 0
        self.longest_start_s = 0.0
        # Set when the server cannot be started: nothing can go on.
        self.over = asyncio.Event()
        self._watch: asyncio.Task[None] | None = None

    def begin(self) -> None:
        """The server has started."""
        self._began()

    async def restart(self) -> None:
        """Kill or drain the server, and start it from its log."""
        self._unwatch()
        self.serving.clear()
        killed = self.restarts % 2 == 0
        self.restarts += 1
        try:
            if killed:
                self._server.kill()
                await self._server.wait()
            else:
                await self._server.stop()
        except SuiteFailed as failure:
            self._fault(f"drain {self.restarts}: {failure}")
        await self._start(f"start after {'kill -9' if killed else 'a drain'}")

    def end(self) -> None:
        """The server is about to be stopped for good."""
        self._unwatch()
        self.serving.clear()

    async def _start(self, what: str) -> None:
        began = time.perf_counter()
        try:
            await self._server.start()
        except SuiteFailed as failure:
            self._fault(f"{what}: {failure}")
            self.over.set()
            self.serving.set()
            return
        self.longest_start_s = max(self.longest_start_s, time.perf_counter() - began)
        self._began()

    def _began(self) -> None:
        self.number += 1
        self.serving.set()
        self._watch = asyncio.create_task(self._watched())

    def _unwatch(self) -> None:
        if self._watch is not None:
            self._watch.cancel()

    async def _watched(self) -> None:
        """The server never ends by itself; if it does, that is a fault, and it is started again."""
        code = await self._server.wait()
        self.serving.clear()
        self._fault(f"the server ended by itself with code {code}: {self._server.tail()}")
        self._server.kill()
        await self._start("start after the server had ended by itself")
