"""When rounds are due while policies change."""

from __future__ import annotations

from dispatcher import policy as policies
from dispatcher.times import SECOND
from services.host.batch_window import LOOK_EVERY_S, window_passed
from tests.faults.broken import HandClock


async def test_a_window_lasts_as_long_as_the_policy_says() -> None:
    clock, policy = HandClock(), policies.load("plain")
    policy.matching.batch_window.FromSeconds(5)
    began = clock.now()
    assert await window_passed(clock, began, lambda: policy, _waiting(clock)) == began + 5 * SECOND


async def test_a_shorter_window_counts_at_once() -> None:
    clock, policy = HandClock(), policies.load("plain")
    policy.matching.batch_window.FromSeconds(600)
    began = clock.now()
    waits = 0

    async def pause(seconds: float) -> bool:
        nonlocal waits
        waits += 1
        clock.wait(seconds)
        if waits == 3:
            policy.matching.batch_window.FromSeconds(1)
        return False

    await window_passed(clock, began, lambda: policy, pause)
    assert clock.now() <= began + SECOND + round(LOOK_EVERY_S * SECOND)


async def test_a_late_round_is_followed_at_once() -> None:
    clock, policy = HandClock(), policies.load("plain")
    began = clock.now()
    clock.wait(100.0)
    assert await window_passed(clock, began, lambda: policy, _waiting(clock)) == began + 100 * SECOND


async def test_a_wait_ends_with_the_loop() -> None:
    clock, policy = HandClock(), policies.load("plain")

    async def ends(_seconds: float) -> bool:
        return True

    await window_passed(clock, clock.now(), lambda: policy, ends)


def _waiting(clock: HandClock):
    async def pause(seconds: float) -> bool:
        clock.wait(max(seconds, 0.0))
        return False

    return pause
