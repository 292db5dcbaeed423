"""The search for failing items finds them exactly, keeps all others, and takes few attempts."""

from __future__ import annotations

import math

from hypothesis import given, settings
from hypothesis import strategies as st

from dispatcher.market.isolation import Isolated, Search, isolating, isolating_pairs

ITEMS = list(range(64))


class Attempts:
    """An operation that fails where all items of one of the combinations are present."""

    def __init__(self, *combinations: frozenset) -> None:
        self.combinations = combinations
        self.made: list[tuple] = []

    def __call__(self, items: tuple) -> None:
        self.made.append(items)
        if any(combination <= set(items) for combination in self.combinations):
            raise OverflowError


def isolate(search: Search, attempt: Attempts) -> Isolated:
    """Drive a search by a function that raises where the items cannot be served."""
    fault: Exception | None = None
    try:
        items = next(search)
        while True:
            try:
                attempt(items)
                fault = None
            except OverflowError as raised:
                fault = raised
            items = search.send(fault)
    except StopIteration as end:
        found: Isolated = end.value
        return found


@settings(max_examples=60, deadline=None)
@given(st.sets(st.sampled_from(ITEMS), max_size=6), st.sets(st.sampled_from(ITEMS), max_size=6))
def test_exactly_the_failing_items_are_left_out(bad, suspects) -> None:
    attempt = Attempts(*(frozenset({item}) for item in bad))
    found = isolate(isolating(ITEMS, suspects), attempt)
    assert set(found.failed) == bad
    assert sorted(found.kept) == sorted(set(ITEMS) - bad)
    assert not found.undecided
    assert len(attempt.made) <= 3 + 2 * (len(bad) + len(bad & suspects)) * math.ceil(math.log2(len(ITEMS)))


@settings(max_examples=60, deadline=None)
@given(st.lists(st.sets(st.sampled_from(ITEMS), min_size=2, max_size=3).map(frozenset), max_size=4))
def test_of_a_combination_that_fails_one_item_is_left_out(combinations) -> None:
    attempt = Attempts(*combinations)
    found = isolate(isolating(ITEMS), attempt)
    assert len(found.failed) <= len(combinations)
    assert not any(combination <= set(found.kept) for combination in combinations)
    # Nothing that was left out could have been kept.
    for item in found.failed:
        assert any(combination <= {*found.kept, item} for combination in combinations)


def test_a_suspect_that_fails_again_costs_two_attempts() -> None:
    attempt = Attempts(frozenset({7}))
    assert set(isolate(isolating(ITEMS, suspects=[7]), attempt).failed) == {7}
    assert len(attempt.made) == 2


def test_a_search_that_runs_out_of_time_leaves_the_rest_undecided() -> None:
    attempt = Attempts(frozenset({5}), frozenset({60}))
    found = isolate(isolating(ITEMS, in_time=lambda: len(attempt.made) < 6), attempt)
    assert len(attempt.made) == 6
    assert sorted([*found.kept, *found.failed, *found.undecided]) == ITEMS
    assert found.undecided


@settings(max_examples=80, deadline=None)
@given(
    st.integers(1, 12),
    st.integers(1, 12),
    st.sets(st.integers(0, 11), max_size=3),
    st.sets(st.integers(0, 11), max_size=3),
)
def test_a_job_that_fails_with_every_courier_is_left_out_and_no_courier_is(jobs, couriers, bad_jobs, bad_couriers):
    """The operation fails only where the bad item has a partner, as a travel time does."""
    ones = [("job", number) for number in range(jobs)]
    others = [("courier", number) for number in range(couriers)]
    bad = {("job", number) for number in bad_jobs} | {("courier", number) for number in bad_couriers}
    pairs = [frozenset({one, other}) for one in ones for other in others if one in bad or other in bad]
    found = isolate(isolating_pairs(ones, others), Attempts(*pairs))
    if set(ones) - bad and set(others) - bad:
        assert set(found.failed) == bad & {*ones, *others}
    assert not any(pair <= set(found.kept) for pair in pairs)
