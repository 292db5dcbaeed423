"""When the next round is due: a batch window after the last one, by the policy in force."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from dispatcher.times import span
from gig.v1 import policy_pb2 as policy_pb
from services.clock import MarketClock

# Wall seconds between two checks whether another policy is in force.
LOOK_EVERY_S = 0.25


async def window_passed(
    clock: MarketClock,
    last_us: int,
    policy: Callable[[], policy_pb.Policy],
    pause: Callable[[float], Awaitable[bool]],
) -> int:
    """Wait until the batch window has passed since ``last_us``; return the market time of its end, in microseconds.

    The window runs from start to start, so that a slow solve does not stretch it. A policy with another window counts
    at once: a window of ten minutes that an operator takes back delays no round. ``pause`` waits for a number of
    seconds and returns whether the loop ends.
    """
    entered_us = clock.now()
    while True:
        due_us = max(last_us + span(policy().matching.batch_window), entered_us)
        left_s = clock.wall_seconds(due_us - clock.now())
        if await pause(min(left_s, LOOK_EVERY_S)) or left_s <= LOOK_EVERY_S:
            return due_us
