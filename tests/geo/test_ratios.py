"""The ratio of the middle half follows most rows, and no quarter of them moves it beyond the others."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from geo.ratios import middle_ratio

VALUES = st.floats(1e-3, 1e9)


def test_equal_rows_have_their_own_ratio() -> None:
    for rows in range(1, 9):
        assert middle_ratio(np.full(rows, 6.0), np.full(rows, 4.0)) == pytest.approx(1.5)


@settings(max_examples=50, deadline=None)
@given(
    honest=st.lists(st.tuples(st.floats(0.5, 2.0), st.floats(1.0, 1e4)), min_size=3, max_size=40),
    wrong=st.lists(st.tuples(VALUES, VALUES), max_size=20),
)
def test_up_to_a_quarter_of_wrong_rows_leaves_it_among_the_ratios_of_the_others(honest, wrong) -> None:
    wrong = wrong[: len(honest) // 3]
    observed = np.array([ratio * expected for ratio, expected in honest] + [one for one, _ in wrong])
    expected = np.array([one for _, one in honest] + [one for _, one in wrong])
    ratios = [ratio for ratio, _ in honest]
    assert min(ratios) * (1 - 1e-9) <= middle_ratio(observed, expected) <= max(ratios) * (1 + 1e-9)


def test_an_entry_may_stand_for_several_rows() -> None:
    apart = middle_ratio(np.array([1.0, 2.0, 2.0, 2.0, 9.0]), np.ones(5))
    together = middle_ratio(np.array([1.0, 6.0, 9.0]), np.array([1.0, 3.0, 1.0]), np.array([1.0, 3.0, 1.0]))
    assert apart == pytest.approx(together) == pytest.approx(2.0)
