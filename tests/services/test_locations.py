"""One drain of location batches: each faulty batch is refused by its field, and every other one is used."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from geo.live_index import MAX_CLOCK_SKEW_MS, OLDEST_MS, LiveIndex
from geo.units import to_e7
from gig.v1 import courier_service_pb2 as courier_pb
from services.host.locations import FIRST_S, LAST_S, LocationIntake, Waiting

NOW_MS = 1_750_000_000_000
NOW_S = NOW_MS // 1000
EXTREME_SECONDS = [-(2**63), -(2**62), -1, 253_402_300_800, 9_300_000_000_000, 2**62, 2**63 - 1]
SECONDS = st.one_of(
    st.sampled_from(EXTREME_SECONDS), st.integers(NOW_S - 3600, NOW_S), st.integers(-(2**63), 2**63 - 1)
)
NANOS = st.one_of(st.just(0), st.integers(-(2**31), 2**31 - 1))
DEGREES = st.one_of(st.floats(40.70, 40.71), st.floats(allow_nan=True, allow_infinity=True))


@st.composite
def batches(draw: st.DrawFn) -> courier_pb.LocationBatch:
    count = draw(st.integers(0, 4))
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


def is_sound(batch: courier_pb.LocationBatch) -> bool:
    """The contract's words, in whole numbers of any size."""
    count, offsets = len(batch.latitudes), list(batch.offsets_ms)
    if not count or len(batch.longitudes) != count or len(offsets) not in (0, count) or offsets != sorted(offsets):
        return False
    start, given_ = batch.start_time, batch.HasField("start_time")
    if given_ and not (FIRST_S <= start.seconds < LAST_S and 0 <= start.nanos < 10**9):
        return False
    start_ms = start.seconds * 1000 + start.nanos // 1_000_000 if given_ else NOW_MS
    times = [start_ms + offset for offset in offsets] or [start_ms]
    if times[0] < NOW_MS - OLDEST_MS or times[-1] > NOW_MS + MAX_CLOCK_SKEW_MS:
        return False
    return all(abs(lat) <= 90 and abs(lng) <= 180 for lat, lng in zip(batch.latitudes, batch.longitudes, strict=True))


@given(st.lists(batches(), max_size=12))
@settings(max_examples=100, deadline=None)
def test_faulty_batches_are_refused_and_the_others_of_the_same_drain_are_used(given_: list) -> None:
    index = LiveIndex()
    intake = LocationIntake(index)
    refused: dict[int, str] = {}
    for number, batch in enumerate(given_, start=1):
        intake.add(Waiting(number, batch, NOW_MS, lambda field, _, number=number: refused.setdefault(number, field)))
    intake.drain(NOW_MS)
    sound = {number for number, batch in enumerate(given_, start=1) if is_sound(batch)}
    assert set(refused) == set(range(1, len(given_) + 1)) - sound
    for number in sound:
        last = given_[number - 1]
        found = index.positions_e7(np.array([number]))
        assert int(found[0][0]) == to_e7(last.latitudes[-1])
    assert intake.accepted == sum(len(given_[number - 1].latitudes) for number in sound)


@pytest.mark.parametrize("seconds", EXTREME_SECONDS)
def test_an_impossible_start_is_refused_by_its_field(seconds: int) -> None:
    intake, refused = LocationIntake(LiveIndex()), []
    batch = courier_pb.LocationBatch(latitudes=[40.7], longitudes=[-74.0])
    batch.start_time.seconds = seconds
    intake.add(Waiting(1, batch, NOW_MS, lambda field, fault: refused.append((field, fault))))
    intake.drain(NOW_MS)
    assert [field for field, _ in refused] == ["locations.start_time"]


@pytest.mark.parametrize(
    ("offset", "field"),
    [
        (86_400_000, "locations.start_time"),
        (86_400_001, "locations.offsets_ms[1]"),
        (2**32 - 1, "locations.offsets_ms[1]"),
    ],
)
def test_an_offset_into_the_future_is_refused(offset: int, field: str) -> None:
    intake, refused = LocationIntake(LiveIndex()), []
    batch = courier_pb.LocationBatch(latitudes=[40.7, 40.7], longitudes=[-74.0, -74.0], offsets_ms=[0, offset])
    batch.start_time.seconds = NOW_S
    intake.add(Waiting(1, batch, NOW_MS, lambda name, _: refused.append(name)))
    intake.drain(NOW_MS)
    assert refused == [field]
