"""Sound values of a field, drawn from its rules: numbers in range, texts in length, times about now."""

from __future__ import annotations

from typing import Any

import numpy as np
from google.protobuf.descriptor import FieldDescriptor

from load_tests.contract.patterns import parts_of
from load_tests.contract.rules import (
    DURATION,
    SECOND_NS,
    Range,
    choices_of,
    range_of,
    text_of,
    time_type,
)

# Times lie within this many seconds of now, before or after.
NEAR_S = 3600
# Where the contract gives no end, numbers and spans stay below.
USUAL, USUAL_SPAN_S = 1000, 600
EXTREME_SHARE = 0.05
_WORDS = ("a", "left at the door", "é ü ñ", "ねこ", "🚲", "x y", "late by 5 min")


def value_of(rng: np.random.Generator, field: FieldDescriptor, now_ns: int, extreme_share: float) -> Any:
    """Draw one sound value: of an item where the field is a list. Times and spans in nanoseconds.

    ``extreme_share``: how often numbers and spans are an end of their range.
    """
    limits = range_of(field)
    if limits is not None:
        return (
            _time(rng, field, limits, now_ns, extreme_share) if time_type(field) else number(rng, limits, extreme_share)
        )
    if text_of(field) is not None:
        return text(rng, field)
    if field.enum_type is not None:
        choices = choices_of(field)
        return choices[int(rng.integers(len(choices)))]
    if field.cpp_type == FieldDescriptor.CPPTYPE_BOOL:
        return bool(rng.random() < 0.5)
    return rng.bytes(int(rng.integers(0, 33)))


def number(rng: np.random.Generator, limits: Range, extreme_share: float) -> int | float:
    """Draw a number of the range; now and then one of its ends, else one of usual size."""
    if rng.random() < extreme_share:
        return limits.low if rng.random() < 0.5 else limits.high
    low = max(limits.low, 0)
    high = min(limits.high, max(USUAL, low))
    if isinstance(limits.low, int):
        return int(rng.integers(int(low), int(high), endpoint=True))
    return float(rng.uniform(low, high))


def _time(rng: np.random.Generator, field: FieldDescriptor, limits: Range, now_ns: int, extreme_share: float) -> int:
    """A span between the bounds; a moment near now."""
    if time_type(field) == DURATION:
        if rng.random() < extreme_share:
            return int(limits.low if rng.random() < 0.5 else limits.high)
        low = max(int(limits.low), 0)
        return int(rng.integers(low, min(int(limits.high), max(USUAL_SPAN_S * SECOND_NS, low)), endpoint=True))
    return now_ns + int(rng.integers(-NEAR_S, NEAR_S)) * SECOND_NS


def text(rng: np.random.Generator, field: FieldDescriptor) -> str:
    """Draw a text that keeps the field's lengths and pattern."""
    limits = text_of(field)
    assert limits is not None, "the field holds a text"
    if limits.pattern:
        parts = parts_of(limits.pattern) or ()
        return "".join(
            part.characters[int(rng.integers(len(part.characters)))]
            for part in parts
            for _ in range(int(rng.integers(part.low, min(part.high, part.low + 12), endpoint=True)))
        )
    word = _WORDS[int(rng.integers(len(_WORDS)))]
    word = word * (-(-limits.least // len(word))) if len(word) < limits.least else word
    return word[: limits.most] if limits.most else word
