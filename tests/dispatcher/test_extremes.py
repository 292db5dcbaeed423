"""A log of any age may hold any time that protobuf can: it is folded, and rounds on it are decided and settled."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest
from google.protobuf.duration_pb2 import Duration
from google.protobuf.message import Message
from google.protobuf.timestamp_pb2 import Timestamp
from hypothesis import given, settings
from hypothesis import strategies as st

from dispatcher import commands, policy
from dispatcher.market import Market, MovedCouriers
from gig.v1 import events_pb2 as events_pb
from gig.v1 import policy_pb2 as policy_pb
from gig.v1 import types_pb2
from tests.kit import HERE, Bench, spec

SECONDS = st.sampled_from(
    [-(2**63), -(2**62), -(10**12), -1, 0, 1, 253_402_300_799, 253_402_300_800, 9_300_000_000_000, 2**62, 2**63 - 1]
)
NANOS = st.sampled_from([-(2**31), -1, 0, 999_999_999, 2**31 - 1])
POLICIES = ("plain", "shared", "city", "mdrp-batch", "cargo-pooled", "fairwork", "prop22")


def _times(message: Message) -> Iterator[Message]:
    """Every Timestamp and Duration inside, present or made present."""
    for field in message.DESCRIPTOR.fields:
        if field.message_type is None or field.is_repeated:
            continue
        inner = getattr(message, field.name)
        if isinstance(inner, Timestamp | Duration):
            yield inner
        elif message.HasField(field.name):
            yield from _times(inner)


def _bench(chosen: policy_pb.Policy, change: Callable[[Message], None]) -> Bench:
    """Two couriers and two jobs whose events were changed before the market saw them."""
    bench = Bench(chosen)
    take = bench.take

    def changed(events: list[events_pb.Event]) -> list[events_pb.Event]:
        for event in events:
            if event.HasField("job_placed"):
                change(event.job_placed.job)
            elif event.HasField("courier_online"):
                change(event.courier_online)
        return take(events)

    bench.take = changed  # type: ignore[method-assign]
    for courier in ("bo", "cy"):
        bench.online(courier, HERE, capacity=types_pb2.Load(persons=4, parcels=8, weight_grams=200_000))
    for job in ("one", "two"):
        kind = chosen.fares[0].kind
        bench.place(job, kind=kind)
    bench.take = take  # type: ignore[method-assign]
    return bench


def _live_on(bench: Bench) -> None:
    """Rounds, time-outs, answers, progress, views, a snapshot, and the log folded again."""
    for _ in range(2):
        for event in bench.round():
            if event.HasField("offer_made"):
                offer = event.offer_made.offer
                for stop in offer.plan:
                    stop.expected_time.ToJsonString()
                bench.answer(offer.offer_id, offer.courier_id)
        bench.wait(60)
    state = bench.market.state
    for courier in ("bo", "cy"):
        bench.market.courier_view(courier)
        for job_id in list(state.couriers[courier].job_ids):
            for step in ("ARRIVED", "PICKED_UP", "COMPLETED"):
                bench.progress(step, job_id, courier)
                bench.round()
    bench.market.next_due()
    Market.restore(bench.market.snapshot()).problem(MovedCouriers.none(), bench.now)
    again = Market.fold(bench.log)
    assert again.snapshot() == bench.market.snapshot()


@pytest.mark.parametrize("name", POLICIES)
@given(data=st.data())
@settings(max_examples=12, deadline=None)
def test_any_times_of_jobs_and_couriers_are_folded_and_matched(name: str, data: st.DataObject) -> None:
    def change(message: Message) -> None:
        for inner in _times(message):
            if data.draw(st.booleans()):
                inner.seconds, inner.nanos = data.draw(SECONDS), data.draw(NANOS)

    _live_on(_bench(policy.load(name), change))


@pytest.mark.parametrize("seconds", [9_300_000_000_000, 2**62, 253_402_300_800])
def test_a_promise_beyond_the_end_of_time_is_no_limit(seconds: int) -> None:
    chosen = policy.load("plain")
    chosen.matching.promise.keep = True
    bench = Bench(chosen)
    bench.online()
    events = bench.market.decide(commands.PlaceJob(job_id="job", client_id="ann", spec=spec()), bench.now)
    job = next(event.job_placed.job for event in events if event.HasField("job_placed"))
    job.spec.dropoff_before.seconds = job.promise_time.seconds = seconds
    bench.take(events)
    assert bench.round()[1].offer_made.offer.courier_id == "bo"


@pytest.mark.parametrize("seconds", [2**62, 253_402_300_800, 2**63 - 1])
def test_a_shift_that_ends_beyond_the_end_of_time_is_open_ended(seconds: int) -> None:
    bench = Bench()
    bench.online()
    bench.market.state.couriers["bo"].shift_end.seconds = seconds
    again = Market.restore(bench.market.snapshot())
    bench.market = again
    bench.place()
    assert bench.round()[1].offer_made.offer.courier_id == "bo"
