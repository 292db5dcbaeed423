"""What a field may hold: its buf.validate rules as one value, for messages, numbers, texts, times and lists alike."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cache
from typing import Any

from buf.validate import validate_pb2
from google.protobuf.descriptor import FieldDescriptor, OneofDescriptor

TIMESTAMP, DURATION = "google.protobuf.Timestamp", "google.protobuf.Duration"
SECOND_NS = 10**9
# What the two types can hold, by their own documentation, in nanoseconds.
_TIME_RANGES = {
    TIMESTAMP: (-62_135_596_800 * SECOND_NS, 253_402_300_800 * SECOND_NS - 1),
    DURATION: (-315_576_000_000 * SECOND_NS, 315_576_000_000 * SECOND_NS),
}
INTEGER_RANGES = {
    FieldDescriptor.CPPTYPE_INT32: (-(2**31), 2**31 - 1),
    FieldDescriptor.CPPTYPE_UINT32: (0, 2**32 - 1),
    FieldDescriptor.CPPTYPE_INT64: (-(2**63), 2**63 - 1),
    FieldDescriptor.CPPTYPE_UINT64: (0, 2**64 - 1),
}
_LARGEST_DOUBLE = 1.7976931348623157e308

Number = int | float


@dataclass(frozen=True, slots=True)
class Range:
    """Both ends belong to it. ``bounded_below`` and ``bounded_above``: the contract sets that end, not the type.
    Times and spans are counted in nanoseconds."""

    low: Number
    high: Number
    bounded_below: bool
    bounded_above: bool


@dataclass(frozen=True, slots=True)
class Text:
    """Lengths in characters, and in bytes where ``most_bytes`` is set. ``most`` None: no limit."""

    least: int
    most: int | None
    most_bytes: int | None
    pattern: str


def rules_of(field: FieldDescriptor) -> Any:
    """Return the FieldRules of a field; an empty message where it has none."""
    return field.GetOptions().Extensions[validate_pb2.field]


def items_of(field: FieldDescriptor) -> Any:
    """Return the FieldRules of one value of a field: of the field itself, or of an item of a list."""
    rules = rules_of(field)
    return rules.repeated.items if field.is_repeated else rules


def is_required(field: FieldDescriptor) -> bool:
    """Say whether a message is invalid without the field."""
    return bool(rules_of(field).required)


def is_required_oneof(oneof: OneofDescriptor) -> bool:
    """Say whether one of the oneof's fields must be set."""
    return bool(oneof.GetOptions().Extensions[validate_pb2.oneof].required)


def time_type(field: FieldDescriptor) -> str:
    """Return the name of the type where the field is a Timestamp or a Duration, else an empty text."""
    name = field.message_type.full_name if field.message_type is not None else ""
    return name if name in _TIME_RANGES else ""


@cache
def range_of(field: FieldDescriptor) -> Range | None:
    """Return the range of one value of a number, a time or a span; None for anything else."""
    rules = items_of(field)
    if name := time_type(field):
        kind = "timestamp" if name == TIMESTAMP else "duration"
        return _narrowed(getattr(rules, kind), *_TIME_RANGES[name], _nanoseconds, 1)
    if field.cpp_type in INTEGER_RANGES:
        return _narrowed(_of_type(rules), *INTEGER_RANGES[field.cpp_type], int, 1)
    if field.cpp_type in (FieldDescriptor.CPPTYPE_DOUBLE, FieldDescriptor.CPPTYPE_FLOAT):
        return _narrowed(_of_type(rules), -_LARGEST_DOUBLE, _LARGEST_DOUBLE, float, 0)
    return None


def _of_type(rules: Any) -> Any:
    kind = rules.WhichOneof("type")
    return getattr(rules, kind) if kind else None


def _nanoseconds(time: Any) -> int:
    return int(time.seconds) * SECOND_NS + int(time.nanos)


def _narrowed(rules: Any, low: Number, high: Number, read: Any, step: int) -> Range:
    """``step``: between neighbours; 0: those of a double."""
    above = rules.WhichOneof("greater_than") if rules is not None else None
    below = rules.WhichOneof("less_than") if rules is not None else None
    if above in ("gt", "gte"):
        low = read(getattr(rules, above))
        low = low if above == "gte" else next_number(low, 1, step)
    if below in ("lt", "lte"):
        high = read(getattr(rules, below))
        high = high if below == "lte" else next_number(high, -1, step)
    return Range(low, high, above in ("gt", "gte"), below in ("lt", "lte"))


def next_number(number: Number, sign: int, step: int) -> Number:
    """Return the neighbour of a number in the direction of ``sign``; ``step`` 0: of a double."""
    return number + sign * step if step else math.nextafter(float(number), math.copysign(math.inf, sign))


@cache
def text_of(field: FieldDescriptor) -> Text | None:
    """Return the limits of one value of a text; None for anything else."""
    if field.cpp_type != FieldDescriptor.CPPTYPE_STRING or field.type == FieldDescriptor.TYPE_BYTES:
        return None
    rules = items_of(field).string
    most = rules.len or rules.max_len or None
    return Text(rules.len or rules.min_len, most, rules.max_bytes or None, rules.pattern)


@cache
def choices_of(field: FieldDescriptor) -> tuple[int, ...]:
    """Return the numbers that an enum field may hold."""
    rules = items_of(field).enum
    allowed = [value.number for value in field.enum_type.values]
    if within := list(getattr(rules, "in")):
        allowed = within
    return tuple(number for number in allowed if number not in rules.not_in)


@cache
def counts_of(field: FieldDescriptor) -> tuple[int, int | None]:
    """Return how many items a list holds at least, and at most; None: no limit."""
    rules = rules_of(field).repeated
    return int(rules.min_items), int(rules.max_items) or None
