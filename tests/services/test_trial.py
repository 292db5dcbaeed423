"""A trial fold finds every event that cannot be folded; all the others keep their state, measures and money."""

from __future__ import annotations

import math
from collections.abc import Iterator

import pytest
from google.protobuf.descriptor import FieldDescriptor
from google.protobuf.message import Message
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from dispatcher.log import backup
from dispatcher.log.files import read_log, write_log
from dispatcher.log.invariants import violations
from dispatcher.market import Market
from dispatcher.measures import Measures
from dispatcher.messages import copied, parts
from dispatcher.pay.ledger_check import check_ledger
from dispatcher.times import END_OF_EVENTS_S, FIRST_EVENT_S
from gig.v1 import events_pb2 as events_pb
from gig.v1 import snapshot_pb2 as snapshot_pb
from gig.v1 import types_pb2 as types_pb
from services.host.trial import TrialFold
from tests.poison import BODIES, OWN, broken, sound_day, with_poison

DAY = sound_day()
# Behind the opening, in the middle of the work, and at the end.
PLACES = (3, len(DAY.log) // 2, len(DAY.log))
REASON, OPERATOR = "broken", "olu"


def tried(log: list[events_pb.Event]) -> tuple[TrialFold, list[events_pb.Event]]:
    """The trial of a log, and the repaired log."""
    trial = TrialFold({})
    for event in log:
        trial.add(event.sequence, event.SerializeToString())
    trial.finish()
    made = trial.quarantine(REASON, OPERATOR, DAY.now)
    return trial, [*(trial.skipped.get(event.sequence, event) for event in log), *made]


def numberless(record: Message) -> Message:
    """Without what counts events."""
    for field, _ in record.ListFields():
        if field.name in ("sequence", "surge_sequence"):
            record.ClearField(field.name)
    for part in parts(record):
        numberless(part)
    return record


def state_of(log: list[events_pb.Event]) -> snapshot_pb.MarketSnapshot:
    saved = Market.fold(log).snapshot()
    del saved.quarantined[:]
    return numberless(saved)


def check_repaired(log: list[events_pb.Event]) -> Measures:
    """The repaired log folds, breaks no invariant, and its money balances."""
    measures = Measures()
    for event in log:
        measures.fold(event)
    assert Market.restore(Market.fold(log).snapshot()).sequence == len(log)
    assert violations(log) == []
    assert check_ledger(log)[1] == []
    return measures


@pytest.mark.parametrize("body", [body for body in BODIES if body not in OWN])
def test_one_event_that_cannot_be_folded_is_skipped_and_nobody_else_is_touched(body) -> None:
    sound, found = state_of(DAY.log), 0
    for poison in broken(body, DAY.log):
        for place in PLACES:
            log = with_poison(DAY.log, poison, place)
            trial, repaired = tried(log)
            if not trial.found:
                continue  # it has its effect, absurd or not
            blamed = [one.sequence for one in trial.found]
            # Where the poison can be applied, and what follows cannot: the log folds at least.
            assert Market.restore(Market.fold(repaired).snapshot()).sequence == len(repaired)
            found += place + 1 in blamed
            if blamed == [place + 1]:
                check_repaired(repaired)
                same_but_for_the_subjects(sound, state_of(repaired), repaired)
    assert found or body in HARMLESS


# Of these every body can be applied.
HARMLESS = {
    *(
        "data_accessed",
        "person_erased",
        "erasure_completed",
        "market_opened",
        "market_resumed",
        "pair_blocked",
        "nudge_sent",
    ),
    *("job_quoted", "tip_added", "review_opened", "policy_announced"),
}


def same_but_for_the_subjects(
    sound: snapshot_pb.MarketSnapshot, found: snapshot_pb.MarketSnapshot, repaired: list[events_pb.Event]
) -> None:
    quarantines = [event.subject_quarantined for event in repaired if event.HasField("subject_quarantined")]
    jobs = {job.job_id for one in quarantines for job in one.jobs}
    couriers = {job.courier_id for one in quarantines for job in one.jobs} | {one.subject_id for one in quarantines}
    for saved in (sound, found):
        assert saved.policy == sound.policy
    for name, key, taken in (("jobs", "job_id", jobs), ("couriers", "courier_id", couriers)):
        before = {getattr(one, key): one for one in getattr(sound, name) if getattr(one, key) not in taken}
        after = {getattr(one, key): one for one in getattr(found, name) if getattr(one, key) not in taken}
        assert after == before
    assert found.ratings_of_couriers == sound.ratings_of_couriers
    assert list(found.blocked) == list(sound.blocked)
    if not jobs and not couriers & {courier.courier_id for courier in sound.couriers}:
        found.ClearField("time")
        expected = snapshot_pb.MarketSnapshot()
        expected.CopyFrom(sound)
        expected.ClearField("time")
        for saved in (found, expected):
            saved.ClearField("reviews")
        assert found == expected


@given(st.sampled_from(range(len(DAY.log))), st.integers(-(2**63), 2**63 - 1))
@settings(max_examples=20, deadline=None)
def test_an_event_at_an_impossible_time_cannot_be_folded_and_is_skipped(place: int, seconds: int) -> None:
    assume(not FIRST_EVENT_S <= seconds < END_OF_EVENTS_S)
    log = [copied(event) for event in DAY.log]
    log[place].time.seconds = seconds
    with pytest.raises(ValueError, match="time"):
        Market.fold(log)
    with pytest.raises(ValueError, match="time"):
        Measures().fold(log[place])
    trial, repaired = tried(log)
    assert place + 1 in [one.sequence for one in trial.found]
    assert Market.restore(Market.fold(repaired).snapshot()).sequence == len(repaired)


def odd_numbers() -> list[tuple[int, tuple[str, ...], object]]:
    """Each double and enum of the day's log, as place and path, with a value that none should have."""
    return [
        (place, path, value)
        for place, event in enumerate(DAY.log)
        for path, kind in leaves(event)
        for value in {FieldDescriptor.CPPTYPE_DOUBLE: (math.nan, math.inf), FieldDescriptor.CPPTYPE_ENUM: (-1,)}.get(
            kind, ()
        )
        if not event.HasField("policy_set")
    ]


def leaves(record: Message, path: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], int]]:
    for field, value in record.ListFields():
        if field.is_repeated:
            continue
        if field.message_type is not None:
            yield from leaves(value, (*path, field.name))
        else:
            yield (*path, field.name), field.cpp_type


@given(st.sampled_from(odd_numbers()))
@settings(max_examples=40, deadline=None)
def test_a_log_with_odd_numbers_folds_or_is_repaired_and_its_measures_can_be_saved(odd) -> None:
    place, (*path, name), value = odd
    log = [copied(event) for event in DAY.log]
    record: Message = log[place]
    for step in path:
        record = getattr(record, step)
    setattr(record, name, value)
    _, repaired = tried(log)
    assert Market.restore(Market.fold(repaired).snapshot()).sequence == len(repaired)
    measures = Measures()
    for event in repaired:
        measures.fold(event)
    saved = measures.to_json()
    assert Measures.from_json(saved).to_json() == saved


def test_what_depends_on_a_skipped_event_is_skipped_with_it_and_the_rest_goes_on() -> None:
    """The job was never placed, as far as the fold can know: all its events go, and no other."""
    log = list(DAY.log)
    place = next(e.sequence for e in log if e.HasField("job_placed") and e.job_placed.job.job_id == "done-1")
    rows = {event.sequence: event.SerializeToString() for event in log}
    rows[place] = b"\xff\xff\xff"
    trial = TrialFold({})
    for sequence, row in rows.items():
        trial.add(sequence, row)
    trial.finish()
    made = trial.quarantine(REASON, OPERATOR, DAY.now)
    assert trial.found[0].sequence == place
    assert trial.found[0].kind == "unreadable"
    repaired = [*(trial.skipped.get(event.sequence, event) for event in log), *made]
    measures = check_repaired(repaired)
    assert set(Market.fold(repaired).state.jobs) == {job.job_id for job in state_of(DAY.log).jobs} - {"done-1"}
    assert math.isclose(sum(measures.jobs_ended.values()), 3)


def test_files_from_before_and_after_a_repair_are_read_as_the_repaired_log(tmp_path) -> None:
    """A backup may hold the event in one file, and its quarantine in a later one."""
    log = with_poison(DAY.log, events_pb.Event(job_queued=events_pb.JobQueued(job_id="ghost")), 9)
    _, repaired = tried(log)
    whole = [*log, *repaired[len(log) :]]
    names = [f"main-{1:012d}-{20:012d}.log.gz", f"main-{21:012d}-{len(whole):012d}.log.gz"]
    for name, part in zip(names, (whole[:20], whole[20:]), strict=True):
        write_log(tmp_path / name, part)
    assert list(backup.events_of(backup.parts_of(tmp_path))) == repaired
    write_log(tmp_path / "export.log", whole)
    assert list(read_log(tmp_path / "export.log")) == repaired
    write_log(tmp_path / "repaired.log", repaired)
    assert list(read_log(tmp_path / "repaired.log")) == repaired


def test_a_missing_row_is_filled_and_a_row_of_another_event_is_replaced() -> None:
    trial = TrialFold({})
    for event in DAY.log:
        body = None if event.sequence == 5 else DAY.log[0].SerializeToString() if event.sequence == 6 else None
        trial.add(event.sequence, event.SerializeToString() if event.sequence not in (5, 6) else body)
    trial.finish()
    assert [one.kind for one in trial.found[:2]] == ["missing", "unreadable"]
    assert sorted(trial.skipped) == [one.sequence for one in trial.found]


def test_a_sound_log_needs_nothing() -> None:
    trial, repaired = tried(DAY.log)
    assert (trial.found, repaired) == ([], DAY.log)


def test_several_poisons_are_quarantined_once_for_each_subject() -> None:
    log = list(DAY.log)
    for _ in range(3):
        poison = events_pb.Event(job_queued=events_pb.JobQueued(job_id="ghost"))
        log = with_poison(log, poison, len(log) - 2)
    trial, repaired = tried(log)
    assert len(trial.found) == 3
    (quarantine,) = [event.subject_quarantined for event in repaired if event.HasField("subject_quarantined")]
    assert (quarantine.kind, quarantine.subject_id) == (types_pb.SUBJECT_KIND_JOB, "ghost")
    assert list(quarantine.skipped_sequences) == [one.sequence for one in trial.found]
    assert (quarantine.reason, quarantine.operator_id) == (REASON, OPERATOR)
    check_repaired(repaired)
