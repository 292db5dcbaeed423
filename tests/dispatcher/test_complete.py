"""A table that does not fit its keys is refused with a sentence that names each of them."""

from __future__ import annotations

from enum import Enum

import pytest

from dispatcher.complete import IncompleteTable, complete, known, mirrored, numbers_of
from gig.v1 import policy_pb2 as policy_pb


class Colour(Enum):
    RED = 1
    BLUE = 2


def test_a_table_that_fits_is_returned_as_it_is() -> None:
    table = {"a": 1, "b": 2}
    assert complete(table, ["a", "b", "c"], "letters", without={"c"}) is table
    assert known(table, "abc", "letters") is table


@pytest.mark.parametrize(
    ("needed", "without", "sentence"),
    [
        ("abc", (), "The table of letters has no entry for: c; add one, or list the key among those that need none."),
        ("a", (), "The table of letters names keys that do not exist: b; remove them, or correct their spelling."),
        ("ab", "d", "The table of letters names keys that do not exist: d; remove them, or correct their spelling."),
        (
            "ab",
            "b",
            "The table of letters has entries for keys that need none: b; remove one of the two.",
        ),
    ],
)
def test_a_table_that_does_not_fit_is_refused_with_its_keys(needed, without, sentence) -> None:
    with pytest.raises(IncompleteTable) as refused:
        complete({"a": 1, "b": 2}, needed, "letters", without)
    assert str(refused.value) == sentence


def test_all_faults_are_reported_at_once() -> None:
    with pytest.raises(IncompleteTable, match=r"no entry for: c, d; .* do not exist: a, b;"):
        complete({"a": 1, "b": 2}, "cd", "letters")


def test_a_key_that_does_not_exist_is_refused_in_a_table_of_some_keys() -> None:
    with pytest.raises(IncompleteTable, match="The table of letters names keys that do not exist: b;"):
        known({"a", "b"}, "a", "letters")


def test_keys_are_named_as_the_reader_knows_them() -> None:
    with pytest.raises(IncompleteTable, match="no entry for: BLUE;"):
        complete({Colour.RED: 1}, Colour, "colours")
    with pytest.raises(IncompleteTable, match="no entry for: Colour, str;"):
        complete({}, (str, Colour), "classes")
    with pytest.raises(IncompleteTable, match="no entry for: SOLVER_GREEDY_NEAREST, SOLVER_MIN_COST_FLOW;"):
        complete({}, numbers_of(policy_pb.Solver), "solvers")


def test_an_enum_mirrors_that_of_the_contract() -> None:
    both = Enum("Both", ["MIN_COST_FLOW", "GREEDY_NEAREST"])
    mirrored(both, policy_pb.Solver, "SOLVER_")
    with pytest.raises(IncompleteTable, match="The table of members of Colour for the contract has no entry for"):
        mirrored(Colour, policy_pb.Solver, "SOLVER_")
    mirrored(Enum("One", ["MIN_COST_FLOW"]), policy_pb.Solver, "SOLVER_", without={"GREEDY_NEAREST"})
