"""The market's clock as a client sees it: synchronised once, then read without a call."""

from __future__ import annotations

import asyncio
import time

from dispatcher.times import SECOND
from gig.v1 import oversight_service_pb2 as oversight_pb


class RemoteClock:
    """Market seconds since the first look, and how to sleep them."""

    def __init__(self, view: oversight_pb.MarketView) -> None:
        self.speed = view.clock_speed
        self._origin_us: int = view.time.ToMicroseconds()
        self._looked = time.monotonic()

    def resynchronise(self, view: oversight_pb.MarketView) -> None:
        """After a restart of the suite: market time may have stood still; our own seconds go on."""
        self._origin_us = view.time.ToMicroseconds() - round(self.seconds() * SECOND)

    def seconds(self) -> float:
        """Market seconds since the first look."""
        return (time.monotonic() - self._looked) * self.speed

    def micros(self, seconds: float) -> int:
        """Market time of a moment, in microseconds since the Unix epoch."""
        return self._origin_us + round(seconds * SECOND)

    async def sleep_until(self, seconds: float) -> None:
        delay = (seconds - self.seconds()) / self.speed
        if delay > 0:
            await asyncio.sleep(delay)
