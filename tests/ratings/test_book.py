"""Scores: O(1) a rating, and the same as computing them anew from every rating, by the definition."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ratings.book import RatingBook, ScoreRules

RULES = st.builds(
    ScoreRules,
    half_life_s=st.none() | st.floats(60.0, 1e7),
    prior_weight=st.floats(0.1, 50.0),
    prior_mean=st.floats(1.0, 5.0),
    market_weight=st.floats(0.1, 100.0),
    leniency_weight=st.sampled_from([0.0, 1.0, 5.0]),
    leniency_limit=st.floats(0.0, 2.0),
)
# who is rated, by whom, stars, seconds since the one before
GIVEN = st.lists(
    st.tuples(st.sampled_from("abc"), st.sampled_from("xyz"), st.integers(1, 5), st.floats(0.0, 1e5)), max_size=40
)


class SlowBook:
    """Every rating kept, every figure summed anew from all of them."""

    def __init__(self, rules: ScoreRules) -> None:
        self.rules = rules
        # rated, rater, stars, time, what it counts, residual
        self.all: list[tuple[str, str, int, float, float, float]] = []

    def mean(self) -> float:
        weight = self.rules.market_weight + len(self.all)
        return (self.rules.market_weight * self.rules.prior_mean + sum(row[4] for row in self.all)) / weight

    def score(self, person: str, now: float) -> float:
        half_life = self.rules.half_life_s
        rows = [row for row in self.all if row[0] == person]
        weights = [1.0 if half_life is None else 2.0 ** (-(now - row[3]) / half_life) for row in rows]
        top = self.rules.prior_weight * self.mean() + sum(w * row[4] for w, row in zip(weights, rows, strict=True))
        return top / (self.rules.prior_weight + sum(weights))

    def leniency(self, rater: str) -> float:
        if not self.rules.leniency_weight:
            return 0.0
        residuals = [row[5] for row in self.all if row[1] == rater]
        bias = sum(residuals) / (self.rules.leniency_weight + len(residuals))
        return max(-self.rules.leniency_limit, min(self.rules.leniency_limit, bias))

    def add(self, person: str, rater: str, stars: int, now: float) -> None:
        counted = max(1.0, min(5.0, stars - self.leniency(rater)))
        self.all.append((person, rater, stars, now, counted, stars - self.score(person, now)))


@given(RULES, GIVEN, st.floats(0.0, 1e6))
def test_folding_one_by_one_equals_computing_from_all_ratings(rules, given_, later) -> None:
    book, slow, now = RatingBook(), SlowBook(rules), 1.7e9
    for person, rater, stars, pause in given_:
        now += pause
        book.add(person, rater, stars, now, rules)
        slow.add(person, rater, stars, now)
    for person in "abc":
        assert book.score(person, now + later, rules) == pytest.approx(slow.score(person, now + later), rel=1e-6)
        assert 1.0 <= book.score(person, now + later, rules) <= 5.0 + 1e-9
    assert book.market_mean(rules) == pytest.approx(slow.mean())
    for rater in "xyz":
        assert book.leniency(rater, rules) == pytest.approx(slow.leniency(rater), abs=1e-9)


@given(RULES, GIVEN, st.data())
def test_a_rating_taken_out_leaves_the_scores_of_the_others_alone(rules, given_, data) -> None:
    """And put back, all is as before."""
    book, now, rows = RatingBook(), 1.7e9, []
    for person, rater, stars, pause in given_:
        now += pause
        rows.append((person, book.add(person, rater, stars, now, rules), now))
    if not rows:
        return
    before = {person: book.score(person, now, rules) for person in "abc"}
    person, counted, at = data.draw(st.sampled_from(rows))
    book.take_out(person, counted, at, rules)
    left = list(rows)
    left.remove((person, counted, at))
    half_life = rules.half_life_s
    own = [(c, 1.0 if half_life is None else 2.0 ** (-(now - t) / half_life)) for p, c, t in left if p == person]
    mean = (rules.market_weight * rules.prior_mean + sum(row[1] for row in left)) / (rules.market_weight + len(left))
    top = rules.prior_weight * mean + sum(c * w for c, w in own)
    expected = top / (rules.prior_weight + sum(w for _, w in own))
    assert book.score(person, now, rules) == pytest.approx(expected, rel=1e-6)
    book.put_back(person, counted, at, rules)
    assert {p: book.score(p, now, rules) for p in "abc"} == pytest.approx(before, rel=1e-6)


def test_somebody_without_ratings_has_the_markets_mean_and_a_rating_counts_half_after_the_half_life() -> None:
    rules = ScoreRules(half_life_s=100.0, prior_weight=1.0, prior_mean=4.0, market_weight=0.0)
    book = RatingBook()
    assert book.score("new", 0.0, rules) == 4.0
    book.add("a", "x", 1, 0.0, rules)
    book.add("b", "x", 5, 0.0, rules)
    assert book.score("new", 0.0, rules) == 3.0
    assert book.score("a", 0.0, rules) == (1 * 3.0 + 1.0) / 2
    assert book.score("a", 100.0, rules) == (1 * 3.0 + 0.5 * 1.0) / 1.5


def test_a_harsh_raters_stars_are_corrected_and_a_lenient_ones_too() -> None:
    rules = ScoreRules(prior_weight=5.0, prior_mean=4.0, leniency_weight=2.0, leniency_limit=1.5)
    book = RatingBook()
    for number in range(30):
        book.add(f"person-{number}", "harsh", 2, 0.0, rules)
        book.add(f"person-{number}", "kind", 5, 0.0, rules)
    assert book.preview("harsh", 2, rules) > 3.0
    assert book.preview("kind", 5, rules) < 5.0
    assert book.preview("stranger", 2, rules) == 2.0


def test_a_rating_that_is_excluded_moves_no_score() -> None:
    rules, book = ScoreRules(), RatingBook()
    book.add("a", "x", 5, 0.0, rules)
    before = book.score("a", 0.0, rules), book.market_mean(rules), book.leniency("x", rules)
    book.exclude("a")
    assert (book.score("a", 0.0, rules), book.market_mean(rules), book.leniency("x", rules)) == before
    assert book.rated["a"].excluded == 1


EXTREME = st.builds(
    ScoreRules,
    half_life_s=st.none() | st.sampled_from([3600.0, 3601.5, 315_360_000.0]),
    prior_weight=st.sampled_from([0.0, 5e-324, 1e-300, 1000.0]),
    prior_mean=st.sampled_from([1.0, 5.0]),
    market_weight=st.sampled_from([0.0, 5e-324, 1e-300, 1_000_000.0]),
    leniency_weight=st.sampled_from([0.0, 5e-324, 1000.0]),
    leniency_limit=st.sampled_from([0.0, 5e-324, 4.0]),
)


@given(
    EXTREME,
    st.lists(st.tuples(st.sampled_from("ab"), st.integers(1, 5), st.sampled_from([0.0, 1.0, 3e5, 2e8])), max_size=8),
    st.data(),
)
def test_scores_stay_within_one_and_five_stars_by_any_rules(rules, given_, data) -> None:
    """Ratings that are taken out and put back years later too."""
    book, now = RatingBook(), 1.7e9
    counted = []
    for person, stars, pause in given_:
        now += pause
        counted.append((person, book.add(person, "rater", stars, now, rules), now))
    for person, stars, at in data.draw(st.permutations(counted)):
        book.take_out(person, stars, at, rules)
        assert 1 <= book.score(person, now, rules) <= 5
    for person, stars, at in data.draw(st.permutations(counted)):
        assert 1 <= book.score_if(person, stars, 1, at, now, rules) <= 5
        book.put_back(person, stars, at, rules)
        assert 1 <= book.score(person, now, rules) <= 5
        assert 1 <= book.score_with(person, 3.0, now, rules) <= 5
