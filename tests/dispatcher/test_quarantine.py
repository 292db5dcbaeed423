"""A quarantined subject leaves the market whole: its jobs, offers and couriers, in state, measures and checks."""

from __future__ import annotations

import pytest

from dispatcher.event_kinds import EVENT_KINDS
from dispatcher.log.invariants import LogChecker, violations
from dispatcher.market import Market
from dispatcher.market.apply import fold
from dispatcher.market.quarantine import Subject, jobs_affected, subject_of
from dispatcher.measures import Measures
from dispatcher.times import timestamp
from gig.v1 import courier_service_pb2 as courier_pb
from gig.v1 import events_pb2 as events_pb
from gig.v1 import types_pb2 as types_pb
from tests.kit import Bench

BODIES = [field.name for field in events_pb.Event.DESCRIPTOR.oneofs_by_name["body"].fields]
JOB, COURIER, OFFER = types_pb.SUBJECT_KIND_JOB, types_pb.SUBJECT_KIND_COURIER, types_pb.SUBJECT_KIND_OFFER


def quarantine(bench: Bench, kind: types_pb.SubjectKind, subject_id: str) -> events_pb.Event:
    event = events_pb.Event(sequence=bench.market.sequence + 1, time=timestamp(bench.now))
    jobs = jobs_affected(bench.market.state, Subject(kind, subject_id))
    event.subject_quarantined.MergeFrom(
        events_pb.SubjectQuarantined(
            kind=kind, subject_id=subject_id, skipped_sequences=[3], reason="broken", operator_id="olu", jobs=jobs
        )
    )
    bench.take([event])
    return event


def check_whole(bench: Bench) -> None:
    """Snapshot and fold agree, measures count the same people, and the checker finds nothing."""
    saved = bench.market.snapshot()
    data = saved.SerializeToString(deterministic=True)
    assert Market.restore(saved).snapshot().SerializeToString(deterministic=True) == data
    assert Market.fold(bench.log).snapshot().SerializeToString(deterministic=True) == data
    assert violations(bench.log) == []
    measures = Measures()
    for event in bench.log:
        measures.fold(event)
    state = bench.market.state
    online = {name for name, one in state.couriers.items() if one.state != courier_pb.COURIER_STATE_OFFLINE}
    assert measures.online.keys() == online
    assert sorted(measures.couriers_by_state().elements()) == sorted(
        {"offered": "free", "with_job": "with_job"}.get(name, name)
        for name in (
            courier_pb.CourierState.Name(state.couriers[who].state).removeprefix("COURIER_STATE_").lower()
            for who in online
        )
    )
    live = {name for name, job in state.jobs.items() if not job.HasField("end_time")}
    assert measures.jobs.keys() == live


def test_every_event_has_an_applier_and_a_subject() -> None:
    assert fold._APPLY.keys() == EVENT_KINDS.keys() == set(BODIES)


@pytest.mark.parametrize("body", BODIES)
def test_an_event_of_any_kind_names_its_subject_even_when_it_is_empty(body) -> None:
    event = events_pb.Event(sequence=7)
    getattr(event, body).SetInParent()
    subject = subject_of(event)
    assert subject.kind
    assert subject.id in ("event 7", "")
    assert Subject(types_pb.SUBJECT_KIND_MARKET, "event 7") == subject_of(events_pb.Event(sequence=7))


@pytest.mark.parametrize("steps", [0, 1, 2, 3])
def test_a_quarantined_job_ends_and_its_courier_is_free_again(steps) -> None:
    bench = Bench()
    bench.online()
    bench.place()
    bench.place("other", "eve")
    offered = bench.round() and next(name for name in ("job", "other") if bench.job(name).offer_id)
    for act in (
        lambda: bench.answer(bench.job(offered).offer_id),
        lambda: bench.progress("ARRIVED", offered),
        lambda: bench.progress("PICKED_UP", offered),
    )[:steps]:
        act()
    quarantine(bench, JOB, offered)
    assert bench.state(offered) == "CANCELLED"
    assert bench.job(offered).end_reason == "quarantined: broken"
    assert bench.courier_state() == "FREE"
    check_whole(bench)
    bench.wait(1)
    bench.round()
    rest = ({"job", "other"} - {offered}).pop()
    bench.answer(bench.job(rest).offer_id)
    assert bench.state(rest) == "ASSIGNED"
    check_whole(bench)


@pytest.mark.parametrize(("steps", "ends_as"), [(0, "QUEUED"), (1, "QUEUED"), (2, "QUEUED"), (3, "CANCELLED")])
def test_a_quarantined_courier_is_offline_and_their_jobs_wait_again_or_end(steps, ends_as) -> None:
    bench = Bench()
    bench.online()
    bench.place()
    bench.round()
    for act in (
        lambda: bench.answer(bench.job().offer_id),
        lambda: bench.progress("ARRIVED"),
        lambda: bench.progress("PICKED_UP"),
    )[:steps]:
        act()
    quarantine(bench, COURIER, "bo")
    assert bench.courier_state() == "OFFLINE"
    assert bench.state() == ends_as
    assert list(bench.market.state.quarantined) == [(COURIER, "bo")]
    check_whole(bench)
    bench.wait(5)
    bench.online()
    assert not bench.market.state.quarantined
    check_whole(bench)


def test_a_quarantined_offer_is_withdrawn_and_its_job_waits_again() -> None:
    bench = Bench()
    bench.online()
    bench.place()
    bench.round()
    offer_id = bench.job().offer_id
    quarantine(bench, OFFER, offer_id)
    assert (bench.state(), bench.courier_state()) == ("QUEUED", "FREE")
    check_whole(bench)
    bench.wait(1)
    bench.round()
    assert bench.state() == "OFFERED"
    check_whole(bench)


def test_what_has_left_the_market_can_be_quarantined_without_effect() -> None:
    bench = Bench()
    for kind in types_pb.SubjectKind.values():
        quarantine(bench, kind, "nobody")
    assert len(bench.market.state.quarantined) == len(types_pb.SubjectKind.values())
    check_whole(bench)


def test_a_skipped_event_has_no_effect_and_excuses_what_cannot_fit_it() -> None:
    bench = Bench()
    bench.online()
    bench.place()
    checker = LogChecker()
    for event in bench.log:
        assert not [*checker.check(event)]
    original = events_pb.Event(offer_answered=events_pb.OfferAnswered(offer_id="gone", courier_id="bo"))
    skipped = events_pb.Event(sequence=bench.market.sequence + 1, time=timestamp(bench.now))
    skipped.event_skipped.MergeFrom(events_pb.EventSkipped(kind=OFFER, subject_id="gone", original=original))
    before = bench.market.snapshot()
    bench.take([skipped])
    after = bench.market.snapshot()
    before.sequence = after.sequence
    assert before == after
    assert not [*checker.check(skipped)]
    arrival = events_pb.Event(sequence=bench.market.sequence + 1, time=timestamp(bench.now))
    arrival.courier_arrived.MergeFrom(events_pb.CourierArrived(job_id="job", courier_id="bo"))
    assert not [*checker.check(arrival)]
