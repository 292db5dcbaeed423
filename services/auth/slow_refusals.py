"""Pause before a refusal: a caller who repeats refused calls without waiting then costs little."""

from __future__ import annotations

import asyncio

PAUSE_S = 0.2
# Refusals that may pause at the same time; more of them are sent at once, so that their number stays bounded.
MOST_PAUSING = 500


class SlowRefusals:
    def __init__(self, pause_s: float = PAUSE_S, most: int = MOST_PAUSING) -> None:
        self._pause_s, self._most = pause_s, most
        self.pausing = 0

    async def pause(self) -> None:
        """Wait before a refusal is sent, unless enough others are waiting already."""
        if self.pausing >= self._most:
            return
        self.pausing += 1
        try:
            await asyncio.sleep(self._pause_s)
        finally:
            self.pausing -= 1
