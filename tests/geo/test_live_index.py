"""The live index keeps each courier's newest position."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from geo.live_index import LiveIndex, Pings, impossible
from geo.units import to_e7

# Within a town, so that nobody jumps.
PING = st.tuples(st.integers(1, 8), st.floats(40.7, 40.71), st.floats(-74.0, -73.99), st.integers(0, 1000))


def pings(rows: list[tuple[int, float, float, int]]) -> Pings:
    numbers, lats, lngs, times = zip(*rows, strict=True)
    return Pings(np.array(numbers), np.array(lats, float), np.array(lngs, float), np.array(times))


@given(st.lists(st.lists(PING, min_size=1, max_size=20), max_size=5))
def test_the_index_is_the_same_as_remembering_the_newest_ping_of_each(batches) -> None:
    index, newest = LiveIndex(), {}
    for batch in batches:
        index.update(pings(batch))
        for number, lat, lng, time in sorted(batch, key=lambda ping: ping[3]):
            if time >= newest.get(number, (-1,))[0]:
                newest[number] = (time, to_e7(lat), to_e7(lng))
    for number, (time, lat, lng) in newest.items():
        found = index.positions_e7(np.array([number]))
        assert (int(found[0][0]), int(found[1][0])) == (lat, lng)
        assert index.last_ms(number) == time
    assert not index.known(np.array([9])).any()


def test_the_index_grows_with_the_numbers() -> None:
    index = LiveIndex()
    index.place(100_000, 5, 6, 7)
    assert index.positions_e7(np.array([100_000]))[1][0] == 6


def test_positions_out_of_range_or_without_a_number_are_impossible() -> None:
    rows = [(1, 0.0, 0.0, 0), (1, float("nan"), 0.0, 0), (1, 91.0, 0.0, 0), (1, 0.0, 181.0, 0), (1, 90.0, -180.0, 0)]
    assert impossible(pings(rows)).tolist() == [False, True, True, True, False]


HERE, FAR = (40.70, -74.00), (41.70, -74.00)


def moved(index: LiveIndex, *steps: tuple[tuple[float, float], int]) -> list[tuple[int, int]]:
    """(stale, jumps) of each ping of one courier."""
    found = [index.update(pings([(1, *spot, time_ms)])) for spot, time_ms in steps]
    return [(flagged.stale.size, flagged.jumps.size) for flagged in found]


def latitude(index: LiveIndex) -> float:
    return float(index.positions_e7(np.array([1]))[0][0]) / 1e7


def test_a_stray_fix_moves_nobody() -> None:
    index = LiveIndex()
    assert moved(index, (HERE, 0), (FAR, 1000), (HERE, 2000)) == [(0, 0), (0, 1), (0, 0)]
    assert latitude(index) == HERE[0]


def test_a_jump_that_the_next_ping_confirms_is_believed() -> None:
    index = LiveIndex()
    assert moved(index, (HERE, 0), (FAR, 1000), (FAR, 2000)) == [(0, 0), (0, 1), (0, 0)]
    assert latitude(index) == FAR[0]


def test_who_had_time_enough_to_drive_there_has_not_jumped() -> None:
    index = LiveIndex()
    assert moved(index, (HERE, 0), (FAR, 3_600_000)) == [(0, 0), (0, 0)]


def test_late_pings_are_counted_as_stale_and_change_nothing() -> None:
    index = LiveIndex()
    assert moved(index, (HERE, 5000), ((40.701, -74.0), 4000)) == [(0, 0), (1, 0)]
    assert latitude(index) == HERE[0]
