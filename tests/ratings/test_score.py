"""A score folded rating by rating equals the score recomputed from all ratings."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ratings.score import Score

RATINGS = st.lists(st.tuples(st.integers(1, 5), st.floats(0, 10**6)), max_size=30)


@given(RATINGS, st.one_of(st.none(), st.floats(10, 10**6)))
def test_folding_equals_recomputing(ratings, half_life) -> None:
    ratings = sorted(ratings, key=lambda rating: rating[1])
    score = Score()
    for stars, at in ratings:
        score = score.rated(stars, at, half_life)
    now = 10**6 + 1.0
    weights = [1.0 if half_life is None else 0.5 ** ((now - at) / half_life) for _, at in ratings]
    weighted = sum(weight * stars for weight, (stars, _) in zip(weights, ratings, strict=True))
    expected = (10 * 4.6 + weighted) / (10 + sum(weights))
    assert score.mean(now, half_life, 4.6, 10) == pytest.approx(expected)
    assert score.ratings == len(ratings)


def test_nobody_starts_with_more_or_less_than_the_prior() -> None:
    assert Score().mean(0.0, None, 4.6, 10.0) == 4.6
    assert Score().mean(0.0, None, 4.6, 0.0) == 4.6
