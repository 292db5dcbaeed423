"""Expensive calls queue among themselves; nobody's calls, waiting or cancelled, take the place of others."""

from __future__ import annotations

import asyncio
import os
import signal
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from prometheus_client import CollectorRegistry

from dispatcher.errors import Exhausted
from gig.v1 import courier_service_pb2 as pb
from services.auth.access import RULES
from services.auth.bulkheads import BULKHEADS, WAIT_LIMIT_S, WIDTHS, Bulkhead, Width
from services.auth.caller import Caller
from services.auth.limits import UNDER_WAY, Limits, Quotas
from services.host.child import in_child
from services.host.position_faults import LARGEST_BATCH, positions

USUAL_DEADLINE_S = 30.0
EVE, ANN = Caller("courier", "eve"), Caller("client", "ann")


def test_the_tables_name_methods_of_the_contract_and_kinds_that_exist() -> None:
    assert BULKHEADS.keys() <= RULES.keys()
    assert RULES.keys() - BULKHEADS.keys() >= UNDER_WAY
    assert set(BULKHEADS.values()) == WIDTHS.keys()


def test_one_caller_takes_no_more_than_a_share_and_others_get_through() -> None:
    async def scene() -> None:
        refused: list[str] = []
        bulkhead, free = Bulkhead("reruns", Width(1, 4, 2), refused.append), asyncio.Event()

        async def call(caller: Caller) -> None:
            async with bulkhead.held(caller):
                await free.wait()

        eve = [asyncio.create_task(call(EVE)) for _ in range(10)]
        ann = asyncio.create_task(call(ANN))
        await asyncio.sleep(0)
        for over in eve[2:]:
            with pytest.raises(Exhausted) as fault:
                await over
            assert fault.value.retry_s > 0
        free.set()
        await asyncio.gather(*eve[:2], ann)
        assert refused == ["bulkhead_per_caller"] * 8

    asyncio.run(scene())


def test_a_call_that_gets_no_place_within_the_wait_limit_is_refused_and_others_keep_theirs() -> None:
    async def scene() -> None:
        refused: list[str] = []
        bulkhead = Bulkhead("exports", Width(running=1, waiting=4, per_caller=1, wait_limit_s=0.0), refused.append)
        async with bulkhead.held(EVE):
            with pytest.raises(Exhausted) as fault:
                async with bulkhead.held(ANN):
                    pass
            assert fault.value.retry_s > 0
        async with bulkhead.held(ANN):
            pass
        assert refused == ["bulkhead_wait"]

    asyncio.run(asyncio.wait_for(scene(), 60))


def test_every_wait_limit_is_well_below_the_usual_deadline_of_a_client() -> None:
    assert all(width.wait_limit_s <= USUAL_DEADLINE_S / 2 for width in WIDTHS.values())


@settings(max_examples=60, deadline=None)
@given(
    st.lists(st.tuples(st.sampled_from("abcd"), st.sampled_from(["ends", "cancelled", "released"])), max_size=30),
    st.sampled_from([0.0, WAIT_LIMIT_S]),
)
def test_however_calls_end_their_places_are_free_again(calls: list[tuple[str, str]], wait_limit_s: float) -> None:
    async def scene() -> None:
        width = Width(running=2, waiting=5, per_caller=3, wait_limit_s=wait_limit_s)
        bulkhead = Bulkhead("reads", width, lambda _limit: None)
        running: set[object] = set()

        async def call(who: str, end: str) -> None:
            async with bulkhead.held(Caller("client", who)) as slot:
                running.add(slot)
                try:
                    assert len(running) <= 2
                    await asyncio.sleep(0)
                finally:
                    running.discard(slot)
                if end == "released":
                    slot.release()
                await asyncio.sleep(0)

        tasks = [asyncio.create_task(call(*one)) for one in calls]
        await asyncio.sleep(0)
        for task, (_, end) in zip(tasks, calls, strict=True):
            if end == "cancelled":
                task.cancel()
        for result in await asyncio.gather(*tasks, return_exceptions=True):
            assert result is None or isinstance(result, Exhausted | asyncio.CancelledError)
        # All places are free: as many as may run do, at once.
        async with bulkhead.held(EVE), bulkhead.held(EVE):
            pass

    asyncio.run(asyncio.wait_for(scene(), 10))


def test_calls_under_way_come_through_where_all_others_are_refused() -> None:
    async def scene() -> None:
        limits = Limits(Quotas(calls_in_flight=3), CollectorRegistry())
        async with (
            limits.carrying_out("JobService/PlaceJob", EVE),
            limits.carrying_out("JobService/PlaceJob", EVE),
            limits.carrying_out("JobService/GetJob", EVE),
        ):
            with pytest.raises(Exhausted):
                async with limits.carrying_out("JobService/PlaceJob", ANN):
                    pass
            for path in UNDER_WAY:
                async with limits.carrying_out(path, ANN):
                    pass

    asyncio.run(scene())


def test_expensive_calls_take_no_place_of_the_others_running_or_waiting() -> None:
    async def scene() -> None:
        limits, free = Limits(Quotas(calls_in_flight=1), CollectorRegistry()), asyncio.Event()

        async def explain(caller: Caller) -> None:
            async with limits.carrying_out("TransparencyService/ExplainNoOffer", caller):
                await free.wait()

        asked = [asyncio.create_task(explain(caller)) for caller in (EVE, EVE, ANN)]
        await asyncio.sleep(0)
        async with limits.carrying_out("JobService/PlaceJob", ANN):
            free.set()
        await asyncio.gather(*asked)

    asyncio.run(scene())


@given(st.integers(0, 3000), st.integers(0, 3000), st.integers(0, 3000))
def test_every_batch_of_positions_costs_something_by_its_longest_column(lat: int, lng: int, times: int) -> None:
    batch = pb.LocationBatch(latitudes=[0.0] * lat, longitudes=[0.0] * lng, offsets_ms=[0] * times)
    assert positions(batch) == min(max(lat, lng, times, 1), LARGEST_BATCH)


def hold(path: str) -> None:
    """Write this process's id and hold the pipe open for ever."""
    with open(path, "wb", buffering=0) as pipe:
        pipe.write(f"{os.getpid()}\n".encode())
        signal.pause()


def test_a_cancelled_call_ends_its_process(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)

    async def scene() -> None:
        work = asyncio.create_task(in_child(hold, str(pipe)))
        reader = await asyncio.to_thread(pipe.open, "rb", 0)
        with reader:
            assert await asyncio.to_thread(reader.readline)
            work.cancel()
            with pytest.raises(asyncio.CancelledError):
                await work
            # The end of the pipe: the process is gone.
            assert await asyncio.to_thread(reader.read) == b""

    asyncio.run(asyncio.wait_for(scene(), 60))


def test_every_list_that_is_read_from_the_database_has_a_bulkhead() -> None:
    """A list reads as many rows as there are, however few of them it shows."""
    lists = {path for path in RULES if path.partition("/")[2].startswith("List")}
    # It is made from memory.
    assert lists - BULKHEADS.keys() == {"OversightService/ListAttention"}
