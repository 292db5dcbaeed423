"""The policy in force is a document that those it governs can read, down to each parameter."""

from __future__ import annotations

import pytest

from dispatcher import money, policy
from dispatcher.policy_document import difference, markdown, parameters
from gig.v1 import policy_pb2 as policy_pb


@pytest.mark.parametrize("name", policy.presets())
def test_every_parameter_of_every_preset_says_what_it_means(name) -> None:
    chosen = policy.load(name)
    speechless = [row.path for row in parameters(chosen) if not row.meaning]
    assert speechless == []
    text = markdown(chosen)
    for row in parameters(chosen):
        assert f"| `{row.path}` | {row.value} |" in text


@pytest.mark.parametrize("name", ["plain", "nyc-tlc", "prop22", "colorado", "fairwork"])
def test_the_presets_name_their_sources_and_which_were_compared(name) -> None:
    chosen = policy.load(name)
    assert chosen.sources
    for row in chosen.sources:
        path = row.parameter.split(".")
        field = policy_pb.Policy.DESCRIPTOR
        for part in path:
            assert part in field.fields_by_name, row.parameter
            field = field.fields_by_name[part].message_type or field
        assert row.parameter in markdown(chosen)


def test_weights_are_told_with_their_share_of_all() -> None:
    text = markdown(policy.load("plain"))
    assert "| `pickup_time` | 1 | 44% |" in text
    assert "A named human alone restricts or ends it" in text


def test_a_difference_is_what_differs_and_nothing_else() -> None:
    before, after = policy.load("plain"), policy.load("plain")
    assert difference(before, after) == []
    after.offers.time_to_answer.seconds = 60
    after.floor.per_online_hour = 2300
    after.version = 7
    rows = difference(before, after)
    assert [row[:3] for row in rows] == [
        ("offers.time_to_answer", "20 s", "1 min"),
        ("floor.per_online_hour", "", "$23.00"),
    ]


def test_money_is_read_in_its_own_units() -> None:
    assert [money.text(1240, code) for code in ("USD", "JPY", "KWD")] == ["$12.40", "¥1,240", "KWD1.240"]
    assert money.text(-5, "USD") == "-$0.05"
