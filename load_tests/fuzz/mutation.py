"""Sound input made unsound: bytes changed, cut, doubled and mixed; words and numbers where none of the kind belong."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

import numpy as np
from google.protobuf.descriptor import FieldDescriptor
from google.protobuf.message import Message

# What people, programs and attackers write where a number, a name or a place is wanted.
TOKENS = (
    *(b"nan", b"inf", b"-inf", b"1e400", b"-1", b"0", b"9" * 30, b"-9223372036854775809", b"0x7f", b"1_000"),
    *(
        b"",
        b" ",
        b"\x00",
        b"\xff\xfe",
        b"\xd9\xa3",
        "\u202e".encode(),
        "é".encode(),
        "\U0001f6b2".encode(),
        b"a" * 5000,
    ),
    *(b"true", b"null", b"{}", b"[]", b"[" * 2000, b'{"a":' * 500, b"'; DROP TABLE event; --", b"%s%n"),
    *(b"2026-13-45T99:99:99Z", b"../../etc/passwd"),
)
NUMBERS = re.compile(rb"-?\d+(\.\d+)?")
INTEGERS = (0, 1, -1, 2**31 - 1, -(2**31), 2**32 - 1, 2**63 - 1, -(2**63), 2**64 - 1)
FLOATS = (0.0, -0.0, 1e-308, 1e308, float("inf"), float("-inf"), float("nan"), 90.0000001, -180.5)
LONGEST = 1 << 16


def mutated(rng: np.random.Generator, data: bytes, others: Sequence[bytes]) -> bytes:
    """One to three changes."""
    for _ in range(int(rng.integers(1, 4))):
        data = _CHANGES[int(rng.integers(len(_CHANGES)))](rng, data, others)
    return data[:LONGEST]


def _span(rng: np.random.Generator, data: bytes) -> tuple[int, int]:
    start = int(rng.integers(0, len(data) + 1))
    return start, min(start + int(rng.integers(1, 33)), len(data))


def _flip(rng: np.random.Generator, data: bytes, _others: Sequence[bytes]) -> bytes:
    if not data:
        return data
    changed = bytearray(data)
    for at in rng.integers(0, len(data), int(rng.integers(1, 5))).tolist():
        changed[at] ^= 1 << int(rng.integers(8))
    return bytes(changed)


def _cut(rng: np.random.Generator, data: bytes, _others: Sequence[bytes]) -> bytes:
    return data[: int(rng.integers(0, len(data) + 1))]


def _remove(rng: np.random.Generator, data: bytes, _others: Sequence[bytes]) -> bytes:
    start, end = _span(rng, data)
    return data[:start] + data[end:]


def _double(rng: np.random.Generator, data: bytes, _others: Sequence[bytes]) -> bytes:
    start, end = _span(rng, data)
    return data[:end] + data[start:end] * int(rng.integers(1, 20)) + data[end:]


def _insert(rng: np.random.Generator, data: bytes, _others: Sequence[bytes]) -> bytes:
    start, _ = _span(rng, data)
    return data[:start] + rng.bytes(int(rng.integers(1, 33))) + data[start:]


def _mix(rng: np.random.Generator, data: bytes, others: Sequence[bytes]) -> bytes:
    other = others[int(rng.integers(len(others)))]
    start, (first, last) = _span(rng, data)[0], _span(rng, other)
    return data[:start] + other[first:last] + data[start:]


def _token(rng: np.random.Generator, data: bytes, _others: Sequence[bytes]) -> bytes:
    start, end = _span(rng, data)
    return data[:start] + TOKENS[int(rng.integers(len(TOKENS)))] + data[end:]


def _number(rng: np.random.Generator, data: bytes, others: Sequence[bytes]) -> bytes:
    found = list(NUMBERS.finditer(data))
    if not found:
        return _token(rng, data, others)
    one = found[int(rng.integers(len(found)))]
    return data[: one.start()] + TOKENS[int(rng.integers(len(TOKENS)))] + data[one.end() :]


def _lines(rng: np.random.Generator, data: bytes, _others: Sequence[bytes]) -> bytes:
    lines = data.split(b"\n")
    first, second = rng.integers(0, len(lines), 2).tolist()
    lines[first], lines[second] = lines[second], lines[first]
    return b"\n".join(lines)


_CHANGES = (_flip, _cut, _remove, _double, _insert, _mix, _token, _number, _number, _lines)


def distorted(rng: np.random.Generator, message: Message) -> Message:
    """One field somewhere in it, present or not, gets what no field of the kind should have. In place."""
    fields = message.DESCRIPTOR.fields
    if not fields:
        return message
    field = fields[int(rng.integers(len(fields)))]
    target: Any = getattr(message, field.name)
    if field.message_type is not None and field.message_type.full_name.startswith("google.protobuf."):
        if not field.is_repeated:
            target.seconds = INTEGERS[int(rng.integers(6))]
        return message
    if field.message_type is not None:
        if field.is_repeated:
            target = target[int(rng.integers(len(target)))] if len(target) and rng.random() < 0.5 else target.add()
        else:
            target.SetInParent()
        distorted(rng, target)
    elif field.is_repeated:
        target.extend(_value(rng, field) for _ in range(int(rng.integers(0, 1200))))
    else:
        setattr(message, field.name, _value(rng, field))
    return message


def _value(rng: np.random.Generator, field: FieldDescriptor) -> Any:
    kind = field.cpp_type
    if kind in (FieldDescriptor.CPPTYPE_DOUBLE, FieldDescriptor.CPPTYPE_FLOAT):
        return FLOATS[int(rng.integers(len(FLOATS)))]
    if kind == FieldDescriptor.CPPTYPE_BOOL:
        return bool(rng.random() < 0.5)
    if kind == FieldDescriptor.CPPTYPE_STRING:
        token = TOKENS[int(rng.integers(len(TOKENS)))]
        return token if field.type == FieldDescriptor.TYPE_BYTES else token.decode("utf-8", "replace")
    if kind == FieldDescriptor.CPPTYPE_ENUM:
        return int(rng.integers(-1, 12))
    low, high = {
        FieldDescriptor.CPPTYPE_INT32: (-(2**31), 2**31 - 1),
        FieldDescriptor.CPPTYPE_UINT32: (0, 2**32 - 1),
        FieldDescriptor.CPPTYPE_INT64: (-(2**63), 2**63 - 1),
    }.get(kind, (0, 2**64 - 1))
    return min(max(INTEGERS[int(rng.integers(len(INTEGERS)))], low), high)
