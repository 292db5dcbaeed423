"""Nobody is somewhere before the way from where they were seen allows, nor after they must have left."""

from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from geo.sightings import Reach, Sightings, first_possible_us, without_strays

SECOND = 1_000_000
# x and y in metres: distances are plain to see.
REACH = Reach(10.0, 0.0, planar=True)
ROWS = st.lists(st.tuples(st.integers(0, 2_000), st.integers(-5_000, 5_000), st.integers(-5_000, 5_000)), max_size=12)


def seen(*rows: tuple[int, float, float]) -> Sightings:
    """Rows of seconds, x and y."""
    ordered = sorted(rows)
    times, xs, ys = (np.array([row[place] for row in ordered], float) for place in range(3))
    return Sightings((times * SECOND).astype(np.int64), xs, ys)


def first_s(rows: Sightings, from_s: int, until_s: int, reach: Reach = REACH) -> float:
    return first_possible_us(rows, 0.0, 0.0, from_s * SECOND, until_s * SECOND, reach) / SECOND


def test_a_place_is_reached_after_the_way_from_the_last_sighting() -> None:
    assert first_s(seen((100, 1_000.0, 0.0)), 120, 900) == 200
    assert first_s(seen((100, 1_000.0, 0.0)), 350, 900) == 350
    assert first_s(seen((100, 1_000.0, 0.0)), 120, 150) == 150


def test_a_place_is_left_before_the_way_to_the_next_sighting() -> None:
    # At 500 s 2 km away: there before 300 s, or after 700 s.
    assert first_s(seen((500, 0.0, 2_000.0)), 250, 900) == 250
    assert first_s(seen((500, 0.0, 2_000.0)), 301, 900) == 700


def test_without_a_sighting_and_within_its_error_every_time_is_possible() -> None:
    assert first_s(Sightings.none(), 5, 900) == 5
    assert first_s(seen((100, 250.0, 0.0)), 100, 900, Reach(10.0, 300.0, planar=True)) == 100


def test_a_stray_position_proves_nothing() -> None:
    path = [(second, 100.0, 0.0) for second in range(0, 600, 60)]
    stray = seen(*path[:4], (215, 4_000.0, 4_000.0), *path[4:])
    assert without_strays(stray, REACH).times_us.tolist() == seen(*path).times_us.tolist()
    assert first_s(without_strays(stray, REACH), 215, 900) < first_s(stray, 215, 900)


@settings(max_examples=80, deadline=None)
@given(rows=ROWS, from_s=st.integers(0, 2_000), until_s=st.integers(0, 2_000))
def test_the_first_possible_moment_is_possible_and_none_before_it_is(rows, from_s, until_s) -> None:
    found_s = first_s(seen(*rows), from_s, max(from_s, until_s))

    def possible(at_s: float) -> bool:
        return all(np.hypot(x, y) <= 10.0 * abs(at_s - second) + 1e-3 for second, x, y in rows)

    assert from_s <= found_s <= max(from_s, until_s)
    if found_s < max(from_s, until_s):
        assert possible(found_s)
    # No moment between is possible, but for the very ends of what is ruled out.
    between = np.linspace(from_s, found_s, 50)[1:-1] + 1e-2
    assert not any(possible(at_s) for at_s in between if at_s < found_s - 1e-2)
