"""A call is identified by its caller, its method and its request_id: nothing else is its repetition."""

from __future__ import annotations

from collections.abc import Iterable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from prometheus_client import CollectorRegistry

from dispatcher import commands, policy
from dispatcher.errors import RequestReused
from dispatcher.ids import SECRET_BYTES, pack, unpack
from dispatcher.market import Market, requests
from dispatcher.market.market import Event
from gig.v1 import job_pb2
from gig.v1 import snapshot_pb2 as snapshot_pb
from load_tests.bench.busy_market import BusyMarket
from services.clock import MarketClock
from services.host.market_host import MarketHost, Opening
from services.rpc.services import SERVICERS
from services.signals import Signals
from tests.kit import START, Bench, call_by, spec

# Identifiers that the contract allows, and that look like parts of one another.
IDS = (
    "corp",
    "corp:eve",
    "corp:eve:1",
    "eve",
    "eve:1",
    "1",
    "a",
    "a:b",
    "b:1",
    "b",
    "stream",
    "1.2.x",
    "a-b",
    "@",
    ".",
)
COMMANDS: dict[type[commands.Command], str] = {
    commands.QuoteJob: "JobService/QuoteJob",
    commands.PlaceJob: "JobService/PlaceJob",
    commands.TakeQuote: "JobService/PlaceJob",
    commands.CancelJob: "JobService/CancelJob",
    commands.GoOnline: "CourierService/GoOnline",
    commands.GoOffline: "CourierService/GoOffline",
    commands.AnswerOffer: "CourierService/AnswerOffer",
    commands.ReportProgress: "CourierService/ReportProgress",
    commands.SetDestination: "CourierService/SetDestination",
    commands.RateJob: "RatingService/RateJob",
    commands.AddTip: "PayService/AddTip",
    commands.ContestDecision: "TransparencyService/ContestDecision",
    commands.ErasePerson: "TransparencyService/EraseMyData",
    commands.SetPolicy: "OversightService/SetPolicy",
    commands.SetZones: "OversightService/SetZones",
    commands.SetBlock: "OversightService/SetBlock",
    commands.OpenReview: "OversightService/OpenReview",
    commands.ClaimReview: "OversightService/ClaimReview",
    commands.DecideReview: "OversightService/DecideReview",
}


@given(st.lists(st.text(max_size=5), max_size=4))
def test_packed_texts_come_back_as_they_were(parts: list[str]) -> None:
    assert unpack(pack(parts)) == tuple(parts)


@given(st.binary(max_size=12))
def test_bytes_that_are_not_packed_texts_are_refused(data: bytes) -> None:
    try:
        assert pack(unpack(data)) == data
    except ValueError:
        return


CALLS = st.builds(
    commands.Request,
    st.sampled_from(("client", "courier")),
    st.sampled_from(IDS),
    st.sampled_from(sorted(requests.SIGNED_BY)),
    st.one_of(st.tuples(st.sampled_from(IDS)), st.tuples(st.just("stream"), st.sampled_from(IDS), st.just("1"))),
    st.just(7),
)


@given(CALLS, CALLS)
def test_only_the_same_caller_method_and_request_id_is_the_same_call(one, other) -> None:
    same = requests.signature(b"k", one) == requests.signature(b"k", other)
    assert same == (one == other)


def test_every_method_that_takes_a_request_id_knows_its_events() -> None:
    named = {
        f"{service.name}/{method.name}"
        for service, _ in SERVICERS
        for method in service.methods
        if "request_id" in method.input_type.fields_by_name
    }
    assert named | {"CourierService/Connect"} == set(requests.SIGNED_BY)


class RecordingMarket(Market):
    """Remembers which event each kind of command begins with."""

    def __init__(self) -> None:
        super().__init__()
        self.seen: set[tuple[type[commands.Command], str]] = set()

    def decide(self, command: commands.Command, now_us: int) -> list[Event]:
        events = super().decide(command, now_us)
        if events:
            self.seen.add((type(command), str(events[0].WhichOneof("body"))))
        return events


def test_the_first_event_of_a_command_is_one_that_its_method_signs() -> None:
    market = RecordingMarket()
    BusyMarket(couriers=25, jobs_an_hour=300, hours=1.0, _market=market).run()
    seen = {(COMMANDS[command], kind) for command, kind in market.seen if command in COMMANDS}
    assert len(seen) > 15
    for method, kind in seen:
        assert kind in requests.SIGNED_BY[method]


def as_earlier_version_wrote(events: Iterable[Event], signed: commands.Request) -> list[Event]:
    """The same log, with the request under the key that earlier versions made, and without the market's secret."""
    found = [Event.FromString(event.SerializeToString()) for event in events]
    for event in found:
        if event.HasField("market_opened"):
            event.market_opened.ClearField("secret")
        if event.HasField("request"):
            event.request.ClearField("call_key")
            event.request.key, event.request.digest = requests.former_key(signed), signed.digest
    return found


def earlier(caller_id: str, request_id: str) -> list[Event]:
    """The log of an earlier version, with a job that was placed."""
    bench, signed = Bench(), call_by(caller_id, request_id, 7)
    bench.do(commands.PlaceJob(request=signed, job_id="job", client_id=caller_id, spec=spec()))
    return as_earlier_version_wrote(bench.log, signed)


def earlier_snapshot(events: list[Event]) -> Market:
    """A market of a snapshot of the earlier version, completed from the log as the service does at its start."""
    saved = snapshot_pb.MarketSnapshot.FromString(Market.fold(events).snapshot().SerializeToString())
    for kept in saved.requests:
        kept.ClearField("kind")
        kept.ClearField("sequence")
    market = Market.restore(saved)
    assert requests.incomplete_since(market.state) == START
    requests.recall(market.state, events)
    assert requests.incomplete_since(market.state) is None
    return market


@pytest.mark.parametrize("load", [Market.fold, earlier_snapshot])
def test_a_repetition_across_the_upgrade_is_recognised_for_its_method_alone(load) -> None:
    market = load(earlier("ann", "1"))
    market.apply(market.resuming(START, secret=b"s" * 32))
    assert market.state.secret == b"s" * 32
    assert market.subject(call_by("ann", "1", 7)) == "job"
    assert market.subject(call_by("ann", "1", 7, "JobService/CancelJob")) is None
    cancel = commands.CancelJob(request=call_by("ann", "1", 7, "JobService/CancelJob"), job_id="job", client_id="ann")
    assert [event.WhichOneof("body") for event in market.decide(cancel, START)] == ["job_cancelled"]
    with pytest.raises(RequestReused):
        market.subject(call_by("ann", "1", 8))


def test_a_key_of_an_earlier_version_binds_nobody_who_did_not_make_the_call() -> None:
    market = Market.fold(earlier("a", "b:1"))
    assert market.subject(call_by("a", "b:1", 7)) == "job"
    assert market.subject(call_by("a:b", "1", 8)) is None


def test_a_market_keeps_the_secret_that_it_has() -> None:
    bench = Bench()
    before = bench.market.state.secret
    (resumed,) = bench.take(bench.market.resuming(bench.now, secret=b"other"))
    assert not resumed.market_resumed.secret
    assert Market.fold(bench.log).state.secret == before
    assert Market.restore(bench.market.snapshot()).state.secret == before


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(st.sampled_from(IDS), st.sampled_from(IDS), st.booleans()), max_size=12))
def test_each_call_is_done_once_for_its_caller(calls) -> None:
    """Callers place and cancel under ids that look like one another; each call is done exactly once, for its caller."""
    bench, done = Bench(), set()
    for place, (caller_id, request_id, restart) in enumerate(calls):
        request = call_by(caller_id, request_id)
        events = bench.do(commands.PlaceJob(request=request, job_id=f"job {place}", client_id=caller_id, spec=spec()))
        assert bool(events) == ((caller_id, request_id) not in done)
        done.add((caller_id, request_id))
        if restart:
            bench.market = Market.restore(bench.market.snapshot())
        job = bench.job(bench.market.subject(request) or "")
        assert job.client_id == caller_id
        cancel = commands.CancelJob(
            request=call_by(caller_id, request_id, method="JobService/CancelJob"),
            job_id=job.job_id,
            client_id=caller_id,
        )
        assert bool(bench.do(cancel)) == bool(events)
        assert bench.state(job.job_id) == "CANCELLED"


async def test_a_service_recognises_the_requests_of_an_earlier_versions_snapshot(pool) -> None:
    """Snapshot and log are rewritten as the earlier version left them, between two lives of a market."""
    opening = Opening("upgraded", policy.load("plain"))
    host = MarketHost(pool, opening, MarketClock(), Signals(CollectorRegistry()))
    await host.start()
    signed = call_by("ann", "1", 7)
    await host.submit(commands.PlaceJob(request=signed, job_id="job", client_id="ann", spec=spec()), Market.snapshot)
    await host.stop()
    for event in as_earlier_version_wrote([event async for event in host.store.read()], signed):
        body = event.SerializeToString()
        await pool.execute(
            "UPDATE event SET body = $3 WHERE market_id = $1 AND sequence = $2", "upgraded", event.sequence, body
        )
    saved, measures = await host.store.latest_snapshot() or (None, "")
    assert saved is not None
    saved.ClearField("secret")
    for kept in saved.requests:
        kept.request.ClearField("call_key")
        kept.request.key, kept.request.digest = "ann:1", 7
        kept.ClearField("kind")
        kept.ClearField("sequence")
    await pool.execute("DELETE FROM snapshot WHERE market_id = 'upgraded'")
    await host.store.save_snapshot(saved.SerializeToString(), measures, saved.sequence)
    left, _ = await host.store.latest_snapshot() or (None, "")
    assert left == saved
    again = MarketHost(pool, opening, MarketClock(), Signals(CollectorRegistry()))
    await again.start()
    assert len(again.market.state.secret) == SECRET_BYTES
    assert again.market.subject(signed) == "job"
    placed = [event.sequence async for event in again.store.read() if event.HasField("job_placed")]
    assert [again.market.sequence_of(signed)] == placed
    cancel = commands.CancelJob(request=call_by("ann", "1", 7, "JobService/CancelJob"), job_id="job", client_id="ann")
    await again.submit(cancel, Market.snapshot)
    assert again.market.state.jobs["job"].ended_by == job_pb2.ACTOR_CLIENT
    await again.stop()
