"""What a field may hold, as the tools that generate messages read it."""

from __future__ import annotations

import re

import pytest
from google.protobuf.descriptor import FieldDescriptor

from gig.v1 import job_service_pb2, oversight_service_pb2, policy_pb2
from load_tests.contract.fields import paths_of
from load_tests.contract.patterns import longest, shortest
from load_tests.contract.rules import SECOND_NS, choices_of, counts_of, range_of, text_of


def _field(descriptor: object, name: str) -> FieldDescriptor:
    found = [path.last for path in paths_of(descriptor) if path.name == name]
    assert len(found) == 1
    return found[0]


@pytest.mark.parametrize(
    ("pattern", "short", "long"),
    [
        ("^[a-z0-9_]{1,40}$", "a", "a" * 40),
        ("^[A-Z]{3}$", "AAA", "AAA"),
        ("^[0-9]{4}-[0-9]{2}$", "0000-00", "0000-00"),
        ("^(a|b)$", None, None),
    ],
)
def test_texts_of_a_pattern(pattern: str, short: str | None, long: str | None) -> None:
    assert (shortest(pattern), longest(pattern)) == (short, long)


def test_every_pattern_of_the_contract_is_understood() -> None:
    modules = (job_service_pb2, oversight_service_pb2)
    messages = [message for module in modules for message in module.DESCRIPTOR.message_types_by_name.values()]
    texts = [text_of(path.last) for message in messages for path in paths_of(message)]
    for pattern in {text.pattern for text in texts if text is not None and text.pattern}:
        for found in (shortest(pattern), longest(pattern)):
            assert found is not None, pattern
            assert re.search(pattern, found)


def test_ranges_have_the_ends_of_the_contract() -> None:
    window = range_of(_field(policy_pb2.Policy.DESCRIPTOR, "matching.batch_window"))
    assert window is not None
    assert (window.low, window.high) == (SECOND_NS // 10, 600 * SECOND_NS)
    assert (window.bounded_below, window.bounded_above) == (True, True)
    speed = range_of(_field(policy_pb2.Policy.DESCRIPTOR, "travel.straight_line.speeds_mps"))
    assert speed is not None
    assert 0.1 < speed.low < 0.1 + 1e-9


def test_choices_and_counts_are_those_of_the_contract() -> None:
    kind = _field(job_service_pb2.PlaceJobRequest.DESCRIPTOR, "spec.kind")
    assert choices_of(kind) == (1, 2)
    assert counts_of(_field(job_service_pb2.PlaceJobRequest.DESCRIPTOR, "spec.skills")) == (0, 16)
