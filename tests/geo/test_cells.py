"""Cells that are kept are those that would be looked up."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from geo.cells import StandingCells, cells_at


@given(data=st.data())
def test_cells_of_those_who_move_now_and_then_are_those_looked_up_anew(data: st.DataObject) -> None:
    cells = StandingCells()
    places = np.random.default_rng(data.draw(st.integers(0, 1000))).uniform((40, 8), (40.2, 8.2), (40, 2))
    for _ in range(6):
        resolution = data.draw(st.sampled_from([8, 8, 8, 7]))
        numbers = np.array(data.draw(st.lists(st.integers(0, 39), unique=True, max_size=20)), np.int64)
        places[data.draw(st.integers(0, 39))] += 0.03
        latitude, longitude = places[numbers].reshape(-1, 2).T
        expected = cells_at(latitude, longitude, resolution)
        assert cells.of(numbers, latitude, longitude, resolution).tolist() == expected.tolist()
