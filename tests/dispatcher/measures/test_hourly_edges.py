"""The buckets of hourly earnings fit every currency, however many of its units make a wage."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dispatcher.measures.histogram import HOURLY_EDGES
from dispatcher.measures.population import hourly_edges

WAGES = st.lists(st.floats(500, 9_000), min_size=10, max_size=30)


@given(wages=WAGES, tens=st.integers(0, 8))
def test_the_edges_reach_beyond_the_median_and_not_ten_times_too_far(wages: list[float], tens: int) -> None:
    rates = np.array(wages) * 10.0**tens
    edges = hourly_edges([rates, rates / 2])
    assert np.median(rates) <= edges[-1]
    assert edges == HOURLY_EDGES or np.median(rates) > edges[-1] / 10
    assert np.array(edges) / edges[-1] == pytest.approx(np.array(HOURLY_EDGES) / HOURLY_EDGES[-1])


@pytest.mark.parametrize("rates", [[], [np.zeros(10)], [np.full(10, -50.0)]])
def test_without_earnings_the_edges_are_the_usual_ones(rates: list[np.ndarray]) -> None:
    assert hourly_edges(rates) == HOURLY_EDGES
