"""A column holds what it was given, or says which row it cannot hold."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from geo.columns import ColumnError, whole_numbers
from geo.units import FARTHEST, from_e7, to_e7, to_e7_array

NUMBERS = st.integers(-(2**70), 2**70)


@given(st.lists(NUMBERS, max_size=20), NUMBERS, NUMBERS)
def test_every_number_is_kept_or_refused_by_its_row(values: list[int], one: int, other: int) -> None:
    low, high = max(min(one, other), -(2**63)), min(max(one, other), 2**63 - 1)
    wrong = [row for row, value in enumerate(values) if not low <= value <= high]
    if not wrong:
        assert whole_numbers("times", values, low, high).tolist() == values
        return
    with pytest.raises(ColumnError, match=rf"times, row {wrong[0]}: ") as refused:
        whole_numbers("times", values, low, high)
    assert (refused.value.column, refused.value.row) == ("times", wrong[0])


@pytest.mark.parametrize("value", [float("nan"), float("inf"), 1.5, None, "1"])
def test_what_is_no_whole_number_is_refused_by_its_row(value: object) -> None:
    with pytest.raises(ColumnError) as refused:
        whole_numbers("costs", [1, value, 3])  # type: ignore[list-item]
    assert refused.value.row == 1


@given(st.floats(allow_nan=False))
@example(1801439851.609375)
def test_a_position_saturates_and_never_wraps(value: float) -> None:
    expected = min(max(value, -FARTHEST), FARTHEST)
    # A unit of the fixed point, or where floats lie farther apart than that, their rounding there and back.
    assert from_e7(to_e7(value)) == pytest.approx(expected, rel=0.0, abs=max(1e-7, 2 * math.ulp(expected)))
    assert int(to_e7_array(np.array([value]))[0]) == to_e7(value)
    assert to_e7(FARTHEST) - to_e7(-FARTHEST) < 2**63


def test_a_position_that_is_not_a_number_is_refused() -> None:
    for convert in (to_e7, lambda value: to_e7_array(np.array([0.0, value]))):
        with pytest.raises(ValueError, match="not a number"):
            convert(float("nan"))
