"""One drain of location batches: each bad position is refused by its index, and every other one is used."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from geo.live_index import MAX_CLOCK_SKEW_MS, OLDEST_MS, LiveIndex
from geo.units import to_e7
from gig.v1 import courier_service_pb2 as courier_pb
from services.host.device_clocks import DeviceClocks
from services.host.locations import LocationIntake, Waiting
from services.host.position_faults import FIRST_S, LAST_S, Refused
from services.host.refusal_notices import NOTICE_AFTER, NOTICE_EVERY_MS, RefusalNotices

NOW_MS = 1_750_000_000_000
NOW_S = NOW_MS // 1000
DAY_MS = 86_400_000
EXTREME_SECONDS = [-(2**63), -(2**62), -1, 253_402_300_800, 9_300_000_000_000, 2**62, 2**63 - 1]
SECONDS = st.one_of(
    st.sampled_from(EXTREME_SECONDS), st.integers(NOW_S - 3600, NOW_S), st.integers(-(2**63), 2**63 - 1)
)
NANOS = st.one_of(st.just(0), st.integers(-(2**31), 2**31 - 1))
DEGREES = st.one_of(st.floats(40.70, 40.71), st.floats(allow_nan=True, allow_infinity=True))
FAULT = courier_pb.PositionFault


@st.composite
def batches(draw: st.DrawFn) -> courier_pb.LocationBatch:
    count = draw(st.integers(0, 6))
    wide = draw(st.integers(count, count + 1))
    batch = courier_pb.LocationBatch(
        latitudes=draw(st.lists(DEGREES, min_size=count, max_size=count)),
        longitudes=draw(st.lists(st.floats(-74.0, -73.99), min_size=count, max_size=wide)),
    )
    if draw(st.booleans()):
        batch.start_time.seconds, batch.start_time.nanos = draw(SECONDS), draw(NANOS)
    if draw(st.booleans()):
        offset = st.one_of(st.integers(0, 2000), st.integers(0, 2**32 - 1))
        batch.offsets_ms.extend(draw(st.lists(offset, min_size=count, max_size=count)))
    return batch


def good_positions(batch: courier_pb.LocationBatch) -> dict[int, tuple[int, float]] | None:
    """The contract's words, in whole numbers of any size: (time, latitude) of the good positions by index, or None for
    columns that do not fit together."""
    count, offsets = len(batch.latitudes), list(batch.offsets_ms)
    if not count or len(batch.longitudes) != count or len(offsets) not in (0, count):
        return None
    start, given_ = batch.start_time, batch.HasField("start_time")
    if given_ and not (FIRST_S <= start.seconds < LAST_S and 0 <= start.nanos < 10**9):
        return None
    start_ms = start.seconds * 1000 + start.nanos // 1_000_000 if given_ else NOW_MS
    found = {}
    for index in range(count):
        offset = offsets[index] if offsets else 0
        at = abs(batch.latitudes[index]) <= 90 and abs(batch.longitudes[index]) <= 180
        if at and offset <= DAY_MS and NOW_MS - OLDEST_MS <= start_ms + offset <= NOW_MS + MAX_CLOCK_SKEW_MS:
            found[index] = (start_ms + offset, batch.latitudes[index])
    return found


def intake_of(index: LiveIndex) -> LocationIntake:
    """An intake of devices whose clocks are right, as the log says."""
    return LocationIntake(index, DeviceClocks(lambda _number: 0))


@given(st.lists(batches(), max_size=12))
@settings(max_examples=100, deadline=None)
def test_bad_positions_are_refused_by_index_and_all_others_of_the_same_drain_are_used(given_: list) -> None:
    index = LiveIndex()
    intake = intake_of(index)
    refused: dict[int, Refused] = {}
    for number, batch in enumerate(given_, start=1):
        intake.add(Waiting(number, batch, NOW_MS, lambda found, number=number: refused.setdefault(number, found)))
    intake.drain()
    accepted = 0
    for number, batch in enumerate(given_, start=1):
        good = good_positions(batch)
        if good is None:
            assert refused[number].fields
            assert (refused[number].accepted, refused[number].indices) == (0, {})
            continue
        bad = sorted(set(range(len(batch.latitudes))) - set(good))
        assert (number in refused) == bool(bad)
        if bad:
            assert sorted(at for found in refused[number].indices.values() for at in found) == bad
            assert refused[number].accepted == len(good)
            assert refused[number].fields
        if good:
            newest = max(good, key=lambda at: (good[at][0], at))
            assert int(index.positions_e7(np.array([number]))[0][0]) == to_e7(good[newest][1])
            assert index.last_ms(number) == min(good[newest][0], NOW_MS)
        accepted += len(good)
    assert intake.accepted == accepted
    assert intake.refused == len(refused)


@given(st.permutations(range(8)))
@settings(max_examples=30, deadline=None)
def test_positions_in_any_order_mean_the_same_as_sorted_ones(order: list[int]) -> None:
    index, refused = LiveIndex(), []
    intake = intake_of(index)
    batch = courier_pb.LocationBatch(
        latitudes=[40.70 + 0.001 * at for at in order], longitudes=[-74.0] * 8, offsets_ms=[100 * at for at in order]
    )
    batch.start_time.FromMilliseconds(NOW_MS - 1000)
    intake.add(Waiting(1, batch, NOW_MS, refused.append))
    intake.drain()
    assert not refused
    assert int(index.positions_e7(np.array([1]))[0][0]) == to_e7(40.707)
    assert intake.unordered == (order != sorted(order))


@pytest.mark.parametrize("seconds", EXTREME_SECONDS)
def test_an_impossible_start_is_refused_by_its_field(seconds: int) -> None:
    intake, refused = intake_of(LiveIndex()), []
    batch = courier_pb.LocationBatch(latitudes=[40.7], longitudes=[-74.0])
    batch.start_time.seconds = seconds
    intake.add(Waiting(1, batch, NOW_MS, refused.append))
    intake.drain()
    assert [field for found in refused for field, _ in found.fields] == ["locations.start_time"]


@pytest.mark.parametrize(("offset", "fault"), [(86_400_000, "FUTURE"), (86_400_001, "OFFSET"), (2**32 - 1, "OFFSET")])
def test_an_offset_into_the_future_is_refused_alone(offset: int, fault: str) -> None:
    intake, refused = intake_of(LiveIndex()), []
    batch = courier_pb.LocationBatch(latitudes=[40.7, 40.7], longitudes=[-74.0, -74.0], offsets_ms=[0, offset])
    batch.start_time.seconds = NOW_S
    intake.add(Waiting(1, batch, NOW_MS, refused.append))
    intake.drain()
    assert [field for field, _ in refused[0].fields] == ["locations.offsets_ms[1]"]
    assert refused[0].positions() == [courier_pb.RefusedPositions(fault=f"POSITION_FAULT_{fault}", indices=[1])]
    assert refused[0].accepted == intake.accepted == 1


def test_positions_that_are_not_used_are_counted_by_reason() -> None:
    intake = intake_of(LiveIndex())
    tried = {
        "shape": [courier_pb.LocationBatch(latitudes=[1.0, 2.0], longitudes=[1.0])],
        "impossible": [courier_pb.LocationBatch(latitudes=[91.0, 1.0], longitudes=[1.0, 1.0])],
        "offset": [courier_pb.LocationBatch(latitudes=[1.0], longitudes=[1.0], offsets_ms=[DAY_MS + 1])],
        "stale": [located(1.0, 1.0, NOW_MS), located(1.0, 1.0, NOW_MS - 5)],
        "too_old": [located(1.0, 1.0, NOW_MS - OLDEST_MS - 1)],
        "future": [located(1.0, 1.0, NOW_MS + MAX_CLOCK_SKEW_MS + 1)],
        "jump": [located(1.0, 1.0, NOW_MS), located(9.0, 9.0, NOW_MS)],
    }
    before: Counter[str] = Counter(dict.fromkeys(intake.reasons, 0))
    assert set(tried) | {"failed"} == set(before)
    for number, (reason, sent) in enumerate(tried.items(), start=1):
        for batch in sent:
            intake.add(Waiting(number, batch, NOW_MS, lambda _found: None))
            intake.drain()
        grown = {name: count - before[name] for name, count in intake.reasons.items() if count > before[name]}
        assert set(grown) == {reason}
        before = Counter(intake.reasons)


def located(latitude: float, longitude: float, time_ms: int) -> courier_pb.LocationBatch:
    batch = courier_pb.LocationBatch(latitudes=[latitude], longitudes=[longitude])
    batch.start_time.FromMilliseconds(time_ms)
    return batch


def test_a_courier_is_notified_after_several_unusable_batches_in_a_row_and_not_too_often() -> None:
    sent: list[courier_pb.Notice] = []
    notices = RefusalNotices(lambda _number, notice: sent.append(notice), lambda _number: -600_000)
    intake = LocationIntake(LiveIndex(), DeviceClocks(lambda _number: 0), outcomes=notices)

    def deliver(latitude: float, received_ms: int) -> None:
        intake.add(Waiting(1, located(latitude, 1.0, received_ms), received_ms, lambda _found: None))
        intake.drain()

    for turn in range(NOTICE_AFTER - 1):
        deliver(95.0, NOW_MS + turn)
    deliver(1.0, NOW_MS + 10)
    deliver(95.0, NOW_MS + 11)
    assert not sent
    for turn in range(NOTICE_AFTER * 3):
        deliver(95.0, NOW_MS + 20 + turn)
    assert len(sent) == 1
    assert sent[0].device.trouble == courier_pb.DEVICE_TROUBLE_POSITIONS_REFUSED
    assert [one.reason for one in sent[0].device.unused] == ["impossible"]
    assert sent[0].device.clock_offset.seconds == -600
    assert "out of range" in sent[0].text
    deliver(95.0, NOW_MS + 21 + NOTICE_EVERY_MS)
    assert len(sent) == 2
