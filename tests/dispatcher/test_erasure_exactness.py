"""Erasing somebody renames exactly them: the log is the one of a market in which the pseudonym lived from the start."""

from __future__ import annotations

import contextlib
import sys
from collections import OrderedDict
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from dispatcher import commands
from dispatcher.decisions.explain import explain
from dispatcher.errors import DispatchError
from dispatcher.event_kinds import EVENT_KINDS
from dispatcher.log.erasure import redact
from dispatcher.log.files import read_log
from dispatcher.market import Market
from dispatcher.market.apply.fold import _APPLY
from dispatcher.market.renaming import Prepared, Touched, rename_person
from dispatcher.measures import Measures
from dispatcher.redaction import Erased, people_in, redacted
from gig.v1 import courier_service_pb2 as courier_pb
from gig.v1 import events_pb2 as events_pb
from gig.v1 import job_pb2
from gig.v1 import rating_service_pb2 as rating_pb
from tests.kit import HERE, Bench, call_by, place_at, spec

PSEUDONYM = "erased-0123456789abcdef"
# Ids that are parts of one another, and ids that are something else too: a job, a currency, a policy, the market, the
# operator of a market's opening, a rule, a word of a queue, a pseudonym of somebody else.
NAMES = (
    *("corp", "corp:eve", "corp:eve:x", "corp.", "orp", "c", "1"),
    *("job-1", "USD", "plain", "test", "opening", "main", "courier", "erased-00ff", "review:9"),
)
JOBS = ("job-1", "corp", "job-2", "USD", "job-3", "job-4", "corp:eve", "job-5", "job-6", "job-7")
NAME, JOB = st.sampled_from(NAMES), st.sampled_from(JOBS)
METHODS = {
    commands.PlaceJob: "JobService/PlaceJob",
    commands.CancelJob: "JobService/CancelJob",
    commands.GoOnline: "CourierService/GoOnline",
    commands.GoOffline: "CourierService/GoOffline",
    commands.RateJob: "RatingService/RateJob",
}
STEPS = st.one_of(
    st.tuples(st.just("place"), NAME, JOB),
    st.tuples(st.just("serve"), NAME, NAME, JOB),
    st.tuples(st.just("cancel"), NAME, JOB),
    st.tuples(st.just("online"), NAME),
    st.tuples(st.just("offline"), NAME),
    st.tuples(st.just("decline"), NAME),
    st.tuples(st.just("rate"), NAME, JOB, st.sampled_from([(), ("safety",)])),
    st.tuples(st.just("block"), NAME, NAME, NAME),
    st.tuples(st.just("open"), NAME, NAME),
    st.tuples(st.just("review"), NAME, NAME),
    st.tuples(st.just("answer"), NAME),
    st.tuples(st.just("look"), NAME, NAME),
    st.tuples(st.just("wait"), st.sampled_from([5, 30, 400])),
)


@dataclass
class Script:
    """Plays steps in a market in which a person may be called by another name."""

    person: str
    name: str
    # As earlier versions wrote them: caller:request_id, where a request_id may hold colons.
    old_keys: bool = False
    bench: Bench = field(default_factory=Bench)
    count: int = 0
    placed: set[str] = field(default_factory=set)

    def called(self, name: str) -> str:
        return self.name if name == self.person else name

    def do(self, caller: str, kind: type[commands.Command], **fields: object) -> None:
        self.count += 1
        request_id = f"eve:{self.count}" if self.count % 3 else f"x:{self.count}:eve"
        # The hash of a request names its caller to those alone who have the market's key: it stays as it is.
        request = call_by("somebody", request_id, method=METHODS.get(kind, "Other/Other"))
        with contextlib.suppress(DispatchError):
            events = self.bench.market.decide(kind(request=request, **fields), self.bench.now)
            if self.old_keys and events and events[0].HasField("request"):
                events[0].request.key = f"{caller}:{request_id}"
                events[0].request.ClearField("call_key")
            self.bench.take(events)

    def play(self, kind: str, *arguments: object) -> None:
        bench = self.bench
        names = [self.called(one) if one in NAMES else one for one in arguments]
        with contextlib.suppress(DispatchError, KeyError, StopIteration):
            if kind in ("place", "serve"):
                # A market makes the ids of its jobs: no two jobs have the same.
                if arguments[-1] in self.placed:
                    return
                self.placed.add(str(arguments[-1]))
            if kind == "wait":
                bench.wait(arguments[0])
            elif kind == "place":
                job_id, label = arguments[1], f"{arguments[0]}'s door"
                wanted = spec()
                wanted.pickup.label = label
                self.do(names[0], commands.PlaceJob, job_id=job_id, client_id=names[0], spec=wanted)
            elif kind == "serve":
                self.serve(names[0], names[1], str(arguments[2]))
            elif kind == "cancel":
                self.do(names[0], commands.CancelJob, job_id=arguments[1], client_id=names[0], reason="late")
            elif kind == "online":
                self.online(names[0])
            elif kind == "offline":
                self.do(names[0], commands.GoOffline, courier_id=names[0], reason="tired")
            elif kind == "decline":
                bench.round()
                offer_id = bench.market.state.couriers[names[0]].offer_id
                bench.answer(offer_id, names[0], accept=False)
            elif kind == "rate":
                self.rate(names[0], str(arguments[1]), arguments[2])
            elif kind == "block":
                fields = {"client_id": names[0], "courier_id": names[1], "operator_id": names[2]}
                self.do(names[2], commands.SetBlock, blocked=True, reason="asked", **fields)
            elif kind == "open":
                fields = {"operator_id": names[0], "subject_id": names[1], "statement": "look"}
                self.do(names[0], commands.OpenReview, **fields)
            elif kind == "review":
                self.review(names[0], names[1])
            elif kind == "answer":
                self.answer_flag(names[0])
            else:
                note = commands.NoteAccess(reader_id=names[0], role="operator", method="M", subject_id=names[1])
                bench.do(note)

    def online(self, courier: str) -> None:
        online = courier_pb.GoOnline(
            profile=courier_pb.CourierProfile(vehicle_type=1), position=place_at(HERE).position
        )
        self.do(courier, commands.GoOnline, courier_id=courier, online=online)

    def serve(self, client: str, courier: str, job_id: str) -> None:
        self.do(client, commands.PlaceJob, job_id=job_id, client_id=client, spec=spec())
        self.online(courier)
        self.bench.round()
        courier = self.bench.job(job_id).courier_id
        self.bench.answer(self.bench.job(job_id).offer_id, courier)
        for step in ("ARRIVED", "PICKED_UP", "COMPLETED"):
            self.bench.progress(step, job_id, courier)

    def rate(self, rater: str, job_id: str, tags: object) -> None:
        job = self.bench.job(job_id)
        side = job_pb2.ACTOR_CLIENT if job.client_id == rater else job_pb2.ACTOR_COURIER
        rating = rating_pb.Rating(job_id=job_id, rater=side, rater_id=rater, stars=1, comment="rude", tags=tags)
        self.do(rater, commands.RateJob, rating=rating)

    def review(self, reviewer: str, other: str) -> None:
        for one in (reviewer, other):
            review_id = next(iter(self.bench.market.state.reviews))
            self.do(one, commands.ClaimReview, reviewer_id=one, review_id=review_id)
            decision = {"review_id": review_id, "outcome": 2, "reason": "heard both sides"}
            self.do(one, commands.DecideReview, reviewer_id=one, **decision)

    def answer_flag(self, courier: str) -> None:
        """What the courier has to say of a report that was flagged."""
        flagged = [event for event in self.bench.log if event.HasField("progress_flagged")]
        event = next(event for event in flagged if event.progress_flagged.flag.courier_id == courier)
        standing = self.bench.market.state.policy.standing
        decision = explain(event, event.progress_flagged.decision_id, courier, standing)
        fields = {"person_id": courier, "decision": decision, "statement": "the map was wrong"}
        self.do(courier, commands.ContestDecision, **fields)

    def erased(self) -> Erased:
        own = {
            event.job_placed.job.job_id
            for event in self.bench.log
            if event.HasField("job_placed") and event.job_placed.job.client_id == self.name
        }
        everybody = {name for event in self.bench.log for name in people_in(event)}
        others = {name for name in everybody if name.startswith(f"{self.name}:")}
        return Erased(self.name, PSEUDONYM, frozenset(own), frozenset(others))


def copies(log: list[events_pb.Event]) -> list[events_pb.Event]:
    return [events_pb.Event.FromString(event.SerializeToString()) for event in log]


def renamed_beside(log: list[events_pb.Event], prepared_at: int, erased: Erased) -> Market:
    """A market whose memory is prepared after a number of events, in slices between which the others come."""
    rows = [(event.sequence, event.SerializeToString()) for event in log]
    before, later = (redact(part, erased).touched for part in (rows[:prepared_at], rows[prepared_at:]))
    market, coming = Market.fold(copies(log[:prepared_at])), copies(log[prepared_at:])
    prepared = Prepared()
    for _ in prepared.prepare(market.state, erased, before):
        market.apply(coming[:1])
        del coming[:1]
    market.apply(coming)
    rename_person(market.state, erased, later, prepared)
    return market


@settings(max_examples=60, deadline=None)
@given(person=NAME, steps=st.lists(STEPS, min_size=5, max_size=25), old_keys=st.booleans())
@example(
    "corp",
    [("online", "corp:eve"), ("place", "corp", "job-1"), ("place", "corp:eve", "corp"), ("cancel", "corp:eve", "corp")],
    True,
)
@example("opening", [("place", "opening", "job-1"), ("open", "opening", "corp")], True)
@example("corp", [("serve", "c", "corp", "job-1"), ("answer", "corp"), ("serve", "c", "corp", "job-2")], False)
@example(
    "corp",
    [
        *(("serve", "c", "corp", "job-1"), ("rate", "c", "job-1", ("safety",)), ("offline", "corp")),
        *(("serve", "corp:eve", "1", "corp"), ("review", "corp:eve", "orp"), ("open", "orp", "corp")),
    ],
    False,
)
def test_the_log_and_the_memory_are_those_of_a_market_that_never_knew_the_name(person, steps, old_keys) -> None:
    """However many events come while memory is prepared."""
    real, other = Script(person, person, old_keys), Script(person, PSEUDONYM, old_keys)
    for step in steps:
        real.play(*step)
        other.play(*step)
    # Of the other market the words of the same person are removed; its names are right already.
    expected = [redacted(event, other.erased()) for event in copies(other.bench.log)]
    erased = real.erased()
    found = redact([(event.sequence, event.SerializeToString()) for event in real.bench.log], erased)
    new = dict(zip(found.sequences, found.bodies, strict=True))
    bodies = [new.get(event.sequence, event.SerializeToString()) for event in real.bench.log]
    assert bodies == [event.SerializeToString() for event in expected]
    # Memory and measures, renamed in place, equal a fold of the new log. Memory shares records with the log.
    log = copies(real.bench.log)
    folded, measures, kept = Market.fold(expected), Measures(), Measures()
    for event in expected:
        measures.fold(event)
    for event in real.bench.log:
        kept.fold(event)
    for market in (real.bench.market, Market.restore(real.bench.market.snapshot())):
        rename_person(market.state, erased, found.touched)
        assert market.snapshot() == folded.snapshot()
        assert market.next_due() == folded.next_due()
    for prepared_at in {0, len(bodies) // 2, len(bodies) - 1}:
        assert renamed_beside(log, prepared_at, erased).snapshot() == folded.snapshot()
    kept.rename(person, PSEUDONYM)
    assert kept.to_json() == measures.to_json()


@settings(max_examples=30, deadline=None)
@given(person=NAME, steps=st.lists(STEPS, min_size=5, max_size=20), old_keys=st.booleans())
def test_what_does_not_name_the_person_stays_byte_for_byte(person, steps, old_keys) -> None:
    real = Script(person, person, old_keys)
    for step in steps:
        real.play(*step)
    erased = real.erased()
    before = {event.sequence: event for event in copies(real.bench.log)}
    found = redact([(event.sequence, event.SerializeToString()) for event in real.bench.log], erased)
    for sequence, body in zip(found.sequences, found.bodies, strict=True):
        after = events_pb.Event.FromString(body)
        assert person not in people_in(after) or sequence <= 3
        mine = person in people_in(before[sequence]) or before[sequence].request.key.startswith(f"{person}:")
        assert mine or erased.job_ids & set(about(before[sequence]))
        # No other person was renamed.
        others = [name for name in people_in(before[sequence]) if name != person]
        assert [name for name in people_in(after) if name != PSEUDONYM] == others


def about(event: events_pb.Event) -> list[str]:
    body = getattr(event, event.WhichOneof("body"))
    jobs = [getattr(body, "job_id", "")]
    return jobs + ([offered.job_id for offered in body.offer.jobs] if event.HasField("offer_made") else [])


RETAINED = sorted((Path(__file__).parent / "logs").glob("schema-*.log.gz"))


@pytest.mark.parametrize("path", RETAINED, ids=lambda path: path.name)
def test_everybody_of_a_log_of_an_earlier_version_can_be_erased_and_nobody_else_changes(path) -> None:
    log = list(read_log(path))
    everybody = OrderedDict.fromkeys(name for event in log for name in people_in(event) if name not in ("", "opening"))
    for person in everybody:
        own = {
            event.job_placed.job.job_id
            for event in log
            if event.HasField("job_placed") and event.job_placed.job.client_id == person
        }
        erased = Erased(person, PSEUDONYM, frozenset(own))
        rows = [(event.sequence, event.SerializeToString()) for event in log]
        found = redact(rows, erased)
        new = dict(zip(found.sequences, found.bodies, strict=True))
        events = [events_pb.Event.FromString(new.get(sequence, body)) for sequence, body in rows]
        assert not any(person in people_in(event) for event in events)
        assert not any(event.request.key.startswith(f"{person}:") for event in events)
        market = Market.fold(copies(log))
        rename_person(market.state, erased, found.touched)
        assert market.snapshot() == Market.fold(events).snapshot()


def test_every_kind_of_event_is_known_to_name_its_caller_or_not() -> None:
    assert EVENT_KINDS.keys() == _APPLY.keys()


def test_the_moment_in_which_memory_follows_does_not_grow_with_the_jobs_of_the_person() -> None:
    def calls(jobs: int) -> int:
        bench, count = Bench(), 0
        for number in range(jobs):
            bench.place(f"job-{number}", "corp")
            bench.do(commands.CancelJob(job_id=f"job-{number}", client_id="corp", reason="late"))
        erased = Erased("corp", PSEUDONYM, frozenset(bench.market.state.jobs))
        found = redact([(event.sequence, event.SerializeToString()) for event in bench.log], erased)
        prepared = Prepared()
        for _ in prepared.prepare(bench.market.state, erased, found.touched):
            pass

        def counted(_frame: object, _event: str, _argument: object) -> None:
            nonlocal count
            count += 1

        sys.setprofile(counted)
        try:
            rename_person(bench.market.state, erased, Touched(), prepared)
        finally:
            sys.setprofile(None)
        assert not any(job.client_id == "corp" for job in bench.market.state.jobs.values())
        return count

    assert calls(40) <= calls(10) + 5
