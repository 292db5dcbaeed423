"""Refusals pause, but only so many of them at a time."""

from __future__ import annotations

import asyncio

from services.auth.slow_refusals import SlowRefusals


async def test_so_many_refusals_pause_and_more_are_sent_at_once() -> None:
    refusals = SlowRefusals(pause_s=3600.0, most=2)
    paused = [asyncio.create_task(refusals.pause()) for _ in range(2)]
    await asyncio.wait(paused, timeout=0)
    assert refusals.pausing == 2
    await refusals.pause()
    for task in paused:
        task.cancel()
    await asyncio.gather(*paused, return_exceptions=True)
    assert refusals.pausing == 0
