"""The trail keeps where couriers were, in whatever order positions come, within bounded memory."""

from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from geo.live_index import Pings
from services.host.position_trail import EVERY_MS, SLOTS, PositionTrail

START_MS = 1_700_000_040_000 // EVERY_MS * EVERY_MS
ROWS = st.lists(st.tuples(st.integers(0, 5), st.integers(0, 2 * SLOTS * EVERY_MS), st.floats(-90, 90)), max_size=60)


def pings(rows: list[tuple[int, int, float]]) -> Pings:
    numbers, times, places = (np.array([row[place] for row in rows]) for place in range(3))
    return Pings(
        numbers.astype(np.int64), places.astype(float), places.astype(float), times.astype(np.int64) + START_MS
    )


@settings(max_examples=60, deadline=None)
@given(batches=st.lists(ROWS, max_size=4))
def test_the_newest_position_of_each_stretch_of_time_is_kept(batches) -> None:
    trail = PositionTrail()
    expected: dict[tuple[int, int], tuple[int, float]] = {}
    for rows in batches:
        trail.note(pings(rows))
        for number, time, place in rows:
            slot = (START_MS + time) // EVERY_MS % SLOTS
            before = expected.get((number, slot))
            if before is None or time >= before[0]:
                expected[number, slot] = (time, place)
    for number in range(6):
        kept = trail.of(number)
        wanted = sorted((time, place) for (one, _), (time, place) in expected.items() if one == number)
        assert (kept.times_us // 1000 - START_MS).tolist() == [time for time, _ in wanted]
        assert kept.times_us.size <= SLOTS


def test_a_courier_beyond_the_first_thousand_has_a_trail_too_and_an_unknown_one_none() -> None:
    trail = PositionTrail()
    assert trail.of(70_000).times_us.size == 0
    trail.note(pings([(5_000, 0, 1.5)]))
    assert trail.of(5_000).latitudes.tolist() == [1.5]
