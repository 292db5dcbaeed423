"""A call that takes long is answered before its caller's deadline, with what to do."""

from __future__ import annotations

import asyncio

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dispatcher.errors import Exhausted
from services.rpc.deadlines import MARGIN_S, answered_in_time, limit_of


async def test_a_call_is_cancelled_at_its_limit_and_says_what_to_do() -> None:
    with pytest.raises(Exhausted, match="longer deadline") as refusal:
        await _forever(0.01)
    assert refusal.value.reason == "TOO_SLOW"


async def _forever(left_s: float) -> None:
    async with answered_in_time(left_s):
        await asyncio.Event().wait()


@given(st.floats(0.001, 1e6))
def test_the_limit_lies_before_the_deadline_and_leaves_most_of_the_time(left_s: float) -> None:
    assert 0.899 * left_s <= limit_of(left_s) < left_s
    assert left_s - limit_of(left_s) <= MARGIN_S + 1e-6


@pytest.mark.parametrize("left_s", [None, 60.0])
async def test_a_call_that_is_ready_is_answered(left_s: float | None) -> None:
    async with answered_in_time(left_s):
        await asyncio.sleep(0)


async def test_a_timeout_of_the_call_itself_stays_what_it_is() -> None:
    with pytest.raises(TimeoutError):
        async with answered_in_time(60.0):
            raise TimeoutError("of the database")
