"""The market's clock: never runs backwards, whatever the machine's clock does; may run faster for demonstrations."""

from __future__ import annotations

import time

from dispatcher.times import SECOND


class MarketClock:
    """Market time in integer microseconds since the Unix epoch: the wall clock at the start, then monotonic."""

    def __init__(self, speed: float = 1.0) -> None:
        self.speed = speed
        self._base_us = time.time_ns() // 1000
        self._started = time.monotonic()

    def now(self) -> int:
        return self._base_us + int((time.monotonic() - self._started) * self.speed * SECOND)

    def not_before(self, time_us: int) -> None:
        """Market time goes on from the log's last event, also when the machine's clock was set back."""
        self._base_us += max(time_us - self.now(), 0)

    def wall_seconds(self, market_us: int) -> float:
        """How long a span of market time takes."""
        return market_us / SECOND / self.speed
