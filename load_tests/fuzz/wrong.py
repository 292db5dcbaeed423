"""A sound message made wrong in one or two places: values beyond the rules, missing parts, bytes of another type."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from typing import Any

import numpy as np
from google.protobuf.descriptor import Descriptor, FieldDescriptor
from google.protobuf.message import Message

from load_tests.contract.fields import FieldPath, paths_of
from load_tests.contract.rules import INTEGER_RANGES, Number, Range, counts_of, range_of, text_of, time_type
from load_tests.fuzz.mutation import FLOATS, INTEGERS, TOKENS, mutated

# Of wrong messages, those that are changed as bytes rather than as fields.
AS_BYTES, TWO_PLACES, MISSING = 0.15, 0.3, 0.1
# Times far beyond every calendar, in seconds; and nanoseconds that are none.
SECONDS = (2**62, -(2**62), 9_300_000_000_000, 253_402_300_800, -62_135_596_801, 2**31, 0)
NANOS = (0, 10**9, -1, 2**31 - 1, 999_999_999)
CONTROLS = ("\x00", "\x07", "\x1b[2J", "\x7f", "\u0085", "\r\n", "\n")


def wrong(rng: np.random.Generator, message: Message, others: Sequence[bytes]) -> bytes:
    """Return the message's bytes with one or two places made wrong; ``others``: bytes to mix in."""
    if rng.random() < AS_BYTES:
        return mutated(rng, message.SerializeToString(), others)
    for _ in range(2 if rng.random() < TWO_PLACES else 1):
        _change(rng, message)
    return bytes(message.SerializeToString())


@cache
def _paths(descriptor: Descriptor) -> tuple[FieldPath, ...]:
    return tuple(paths_of(descriptor))


def _change(rng: np.random.Generator, message: Message) -> None:
    paths = _paths(message.DESCRIPTOR)
    if not paths:
        return
    path = _present(rng, message, paths) if rng.random() < 0.7 else paths[int(rng.integers(len(paths)))]
    if rng.random() < MISSING:
        _holder_cleared(rng, message, path)
        return
    if time_type(path.last) and not path.last.is_repeated:
        time = getattr(path.holder(message), path.last.name)
        time.seconds = SECONDS[int(rng.integers(len(SECONDS)))]
        time.nanos = NANOS[int(rng.integers(len(NANOS)))]
        return
    path.set(message, _items(rng, path.last) if path.last.is_repeated else _wrong_value(rng, path.last))


def _present(rng: np.random.Generator, message: Message, paths: Sequence[FieldPath]) -> FieldPath:
    """A path whose first field the message has, where there is one."""
    there = {field.name for field, _ in message.ListFields()}
    found = [path for path in paths if path.fields[0].name in there]
    return found[int(rng.integers(len(found)))] if found else paths[int(rng.integers(len(paths)))]


def _holder_cleared(rng: np.random.Generator, message: Any, path: FieldPath) -> None:
    """Some message on the way, or the field itself, is missing."""
    depth = int(rng.integers(len(path.fields)))
    FieldPath(path.fields[: depth + 1]).holder(message).ClearField(path.fields[depth].name)


def _items(rng: np.random.Generator, field: FieldDescriptor) -> list[Any]:
    """Too many, none, the same twice, or one that is wrong."""
    if field.message_type is not None:
        return []
    _, most = counts_of(field)
    count = (0, 2, (most or 1000) + 1)[int(rng.integers(3))]
    return [_wrong_value(rng, field)] * count


def _wrong_value(rng: np.random.Generator, field: FieldDescriptor) -> Any:
    limits = range_of(field)
    if limits is not None:
        return _wrong_number(rng, field, limits)
    if text_of(field) is not None:
        return _wrong_text(rng, field)
    if field.enum_type is not None:
        return (-1, 0, 12, 2**31 - 1)[int(rng.integers(4))]
    if field.cpp_type == FieldDescriptor.CPPTYPE_BOOL:
        return bool(rng.random() < 0.5)
    return TOKENS[int(rng.integers(len(TOKENS)))]


def _wrong_number(rng: np.random.Generator, field: FieldDescriptor, limits: Range) -> Number:
    if isinstance(limits.low, float):
        found = (*FLOATS, limits.low, limits.high, limits.low - 1.0, limits.high + 1.0)
        return found[int(rng.integers(len(found)))]
    # Times and spans are whole numbers too, of nanoseconds.
    low, high = INTEGER_RANGES.get(field.cpp_type, (0, 2**64 - 1))
    whole = (*INTEGERS, int(limits.low) - 1, int(limits.high) + 1, int(limits.low), int(limits.high))
    return min(max(whole[int(rng.integers(len(whole)))], low), high)


def _wrong_text(rng: np.random.Generator, field: FieldDescriptor) -> str:
    limits = text_of(field)
    assert limits is not None, "the field holds a text"
    longest = (limits.most or 200) + 1
    found = ("", "x" * longest, "\U0001f6b2" * longest, *(f"a{control}b" for control in CONTROLS))
    if rng.random() < 0.6:
        return found[int(rng.integers(len(found)))]
    return TOKENS[int(rng.integers(len(TOKENS)))].decode("utf-8", "replace")
