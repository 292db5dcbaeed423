"""What is set aside waits for longer each time, is logged once, and leaves when it works or is gone."""

from __future__ import annotations

import dataclasses
import logging

import pytest

from dispatcher import commands
from dispatcher.market.market import _DECIDERS
from dispatcher.market.state import Due
from geo.live_index import LiveIndex
from gig.v1 import courier_service_pb2 as courier_pb
from gig.v1 import rating_service_pb2 as rating_pb
from services.host import locations
from services.host.device_clocks import DeviceClocks
from services.host.quarantine import (
    FIRST_BACK_OFF_S,
    LONGEST_BACK_OFF_S,
    MOST_INCIDENTS,
    REPORTED_FOR_S,
    Item,
    Kind,
    Loop,
    Quarantine,
    loop_item,
)
from services.host.subjects import author_of, due_item, entry_of_item

JOB = Item(Kind.JOB, "j1")


class Wall:
    """Wall seconds that only the test moves."""

    def __init__(self) -> None:
        self.at = 0.0
        self.quarantine = Quarantine(lambda: 0, lambda: self.at)

    def fail(self, item: Item = JOB, loop: Loop = Loop.ROUND, **how: bool) -> None:
        self.quarantine.add(loop, item, OverflowError("of ann"), "testing", **how)


def test_the_pause_doubles_up_to_its_limit() -> None:
    wall, pauses = Wall(), []
    for _ in range(12):
        wall.fail()
        (incident,) = wall.quarantine.items()
        pauses.append(wall.quarantine.seconds_left(incident))
        assert wall.quarantine.held(Loop.ROUND) == {JOB}
        wall.at += pauses[-1]
        assert wall.quarantine.suspects(Loop.ROUND) == {JOB}
    assert pauses[:3] == [FIRST_BACK_OFF_S, 2 * FIRST_BACK_OFF_S, 4 * FIRST_BACK_OFF_S]
    assert pauses[-1] == LONGEST_BACK_OFF_S


def test_an_incident_is_logged_once_without_personal_text(caplog) -> None:
    wall = Wall()
    with caplog.at_level(logging.ERROR):
        for _ in range(3):
            wall.fail(Item(Kind.COURIER, "ann-hills"))
    (record,) = caplog.records
    (incident,) = wall.quarantine.items()
    assert incident.incident_id in record.getMessage()
    assert incident.incident_id in incident.sentence()
    for text in ("ann-hills", "of ann"):
        assert text not in record.getMessage()


def test_what_failed_in_an_offer_leaves_only_when_it_is_offered_or_after_long() -> None:
    wall = Wall()
    wall.fail(needs_proof=True)
    wall.at += 2
    wall.quarantine.release(Loop.ROUND, [JOB], proof=False)
    assert wall.quarantine.suspects(Loop.ROUND) == {JOB}
    wall.quarantine.release(Loop.ROUND, [JOB])
    assert not wall.quarantine.items()
    wall.fail(needs_proof=True)
    wall.at += LONGEST_BACK_OFF_S + 2
    wall.quarantine.release(Loop.ROUND, [JOB], proof=False)
    assert not wall.quarantine.items()


def test_incidents_about_moments_are_reported_for_a_while() -> None:
    wall = Wall()
    wall.fail(Item(Kind.EVENT, "7"), Loop.SESSIONS)
    assert wall.quarantine.items()
    wall.at += REPORTED_FOR_S + 2
    assert not wall.quarantine.items()


def test_events_that_fail_without_end_count_as_their_loop() -> None:
    wall = Wall()
    for number in range(2 * MOST_INCIDENTS):
        wall.fail(Item(Kind.EVENT, str(number)), Loop.MEASURES)
    found = wall.quarantine.items()
    assert len(found) == MOST_INCIDENTS + 1
    assert loop_item(Loop.MEASURES) in {incident.item for incident in found}
    assert wall.quarantine.counts["measures"] == 2 * MOST_INCIDENTS


@pytest.mark.parametrize("loop", Loop)
@pytest.mark.parametrize("kind", Kind)
def test_every_loop_and_kind_has_a_sentence(loop, kind) -> None:
    wall = Wall()
    wall.fail(Item(kind, "x"), loop)
    (incident,) = wall.quarantine.items()
    assert incident.sentence().endswith(f"incident {incident.incident_id}.")


# Commands that the market gives itself.
OF_NOBODY = (commands.CheckDue, commands.ObserveQueues, commands.CompleteErasure)


@pytest.mark.parametrize("command", [kind for kind in _DECIDERS if kind not in OF_NOBODY])
def test_every_command_of_a_person_names_its_author(command) -> None:
    made = object.__new__(command)
    for field in dataclasses.fields(command):
        object.__setattr__(made, field.name, field.name)
    if command is commands.RateJob:
        object.__setattr__(made, "rating", rating_pb.Rating(rater_id="ann"))
    author = author_of(made)
    assert author.name
    assert author.detail == command.__name__


@pytest.mark.parametrize("kind", Due)
def test_every_kind_of_due_entry_is_an_item_and_back(kind) -> None:
    assert entry_of_item(due_item((kind, "x"))) == (kind, "x")


@pytest.mark.parametrize("bad", [set(), {3}, {0, 4}, {0, 1, 2, 3, 4}])
def test_positions_that_cannot_be_taken_in_are_refused_alone(bad, monkeypatch) -> None:
    columns, index, refused, reported = locations._columns, LiveIndex(), [], []

    def broken(shaped):
        if bad.intersection(item.courier_number for item in shaped):
            raise OverflowError
        return columns(shaped)

    monkeypatch.setattr(locations, "_columns", broken)
    clocks = DeviceClocks(lambda _number: 0)
    intake = locations.LocationIntake(index, clocks, lambda number, _fault: reported.append(number))
    for number in range(5):
        batch = courier_pb.LocationBatch(latitudes=[40.0], longitudes=[-73.0])
        intake.add(locations.Waiting(number, batch, 1000, lambda *_fault, number=number: refused.append(number)))
    intake.drain()
    assert set(refused) == set(reported) == bad
    assert {number for number in range(5) if index.last_ms(number) == 1000} == set(range(5)) - bad
