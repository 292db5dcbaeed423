"""Read a request from protobuf's JSON, and name each field whose value is of the wrong type.

protobuf's own parser stops at the first such field, and takes true or 1.5 for the value of an enum.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from functools import cache
from typing import Any, NoReturn

from google.protobuf.descriptor import Descriptor, FieldDescriptor
from google.protobuf.duration_pb2 import Duration
from google.protobuf.json_format import ParseDict, ParseError
from google.protobuf.message import Message
from google.protobuf.timestamp_pb2 import Timestamp

from dispatcher.validation import Fault

SURROGATE = re.compile("[\ud800-\udfff]")
INTEGER = re.compile(r"-?[0-9]{1,20}")
# Least and greatest value of the integers of a field, by its kind.
RANGES = {
    FieldDescriptor.CPPTYPE_INT32: (-(2**31), 2**31 - 1),
    FieldDescriptor.CPPTYPE_INT64: (-(2**63), 2**63 - 1),
    FieldDescriptor.CPPTYPE_UINT32: (0, 2**32 - 1),
    FieldDescriptor.CPPTYPE_UINT64: (0, 2**64 - 1),
}
NUMBERS_AS_TEXT = ("NaN", "Infinity", "-Infinity")
# Messages that JSON writes as text, with an example.
AS_TEXT: dict[str, tuple[type[Any], str]] = {
    Timestamp.DESCRIPTOR.full_name: (Timestamp, "a time such as 2026-11-25T12:00:00Z"),
    Duration.DESCRIPTOR.full_name: (Duration, "a duration in seconds such as 12.5s"),
}


class NotJson(ValueError):
    """The text is not JSON, or not an object; the message says where."""


def parse(text: str, into: Message) -> list[Fault]:
    """Fill a message from its JSON, or return the fields of a wrong type and leave it as it is.

    Raises NotJson.
    """
    content = _loaded(text)
    faults = list(_object_faults(content, into.DESCRIPTOR, ""))
    if faults:
        return faults
    try:
        ParseDict(content, into)
    except ParseError as fault:
        raise NotJson(str(fault)) from fault
    return []


def _loaded(text: str) -> dict[str, Any]:
    try:
        content = json.loads(text, object_pairs_hook=_once, parse_constant=_no_number)
    except RecursionError:
        raise NotJson("objects and lists lie too deep in one another") from None
    except ValueError as fault:
        raise NotJson(str(fault)) from fault
    if not isinstance(content, dict):
        raise NotJson("it must be an object")
    return content


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        raise ValueError("an object has the same key twice")
    return found


def _no_number(name: str) -> NoReturn:
    raise ValueError(f"{name} is no number")


@cache
def _fields(descriptor: Descriptor) -> dict[str, FieldDescriptor]:
    """Return a message's fields under both names that JSON may use."""
    return {name: field for field in descriptor.fields for name in (field.json_name, field.name)}


def _object_faults(content: dict[str, Any], descriptor: Descriptor, prefix: str) -> Iterator[Fault]:
    fields, names = _fields(descriptor), set[str]()
    for name, value in content.items():
        field = fields.get(name)
        if field is None:
            yield prefix + name, f"is not a field of {descriptor.name}"
        elif field.name in names:
            yield prefix + field.name, "is there twice, under both of its names"
        else:
            names.add(field.name)
            yield from _field_faults(value, field, prefix + field.name)


def _field_faults(value: Any, field: FieldDescriptor, path: str) -> Iterator[Fault]:
    """Yield what is wrong with the value of a field; null stands for an absent field."""
    if value is None:
        return
    if not field.is_repeated:
        yield from _value_faults(value, field, path)
    elif not isinstance(value, list):
        yield path, "must be a list"
    else:
        for place, one in enumerate(value):
            yield from _value_faults(one, field, f"{path}[{place}]")


def _value_faults(value: Any, field: FieldDescriptor, path: str) -> Iterator[Fault]:
    kind = field.message_type
    if kind is not None and kind.full_name in AS_TEXT:
        message, example = AS_TEXT[kind.full_name]
        if not _is_written(value, message()):
            yield path, f"must be {example}"
    elif kind is not None:
        if isinstance(value, dict):
            yield from _object_faults(value, kind, f"{path}.")
        else:
            yield path, "must be an object"
    elif (fault := SCALARS[field.cpp_type](value, field)) is not None:
        yield path, fault


def _is_written(value: Any, into: Any) -> bool:
    """Return whether a value is text that a time or a duration can be read from."""
    if not isinstance(value, str):
        return False
    try:
        into.FromJsonString(value)
    # The library raises errors of many classes for bad text.
    except Exception:
        return False
    return True


def _integer(value: Any, field: FieldDescriptor) -> str | None:
    """An int64 is text in JSON; all integers may be."""
    least, most = RANGES[field.cpp_type]
    text = isinstance(value, str) and INTEGER.fullmatch(value) is not None
    whole = isinstance(value, int) and not isinstance(value, bool)
    if (text or whole or (isinstance(value, float) and value.is_integer())) and least <= int(value) <= most:
        return None
    return f"must be a whole number from {least} to {most}"


def _number(value: Any, _field: FieldDescriptor) -> str | None:
    if isinstance(value, str) and value not in NUMBERS_AS_TEXT:
        try:
            value = float(value)
        except ValueError:
            return "must be a number"
    known = isinstance(value, int | float | str) and not isinstance(value, bool)
    return None if known else "must be a number"


def _text(value: Any, _field: FieldDescriptor) -> str | None:
    """JSON may hold half of a character's UTF-16, which is no text to protobuf."""
    if not isinstance(value, str):
        return "must be text"
    return "must not hold a lone surrogate" if SURROGATE.search(value) else None


def _bool(value: Any, _field: FieldDescriptor) -> str | None:
    return None if isinstance(value, bool) else "must be true or false"


def _enum(value: Any, field: FieldDescriptor) -> str | None:
    values = {one.name: one.number for one in field.enum_type.values}
    number = isinstance(value, int) and not isinstance(value, bool) and value in values.values()
    if number or (isinstance(value, str) and value in values):
        return None
    return f"must be one of {', '.join(values)}"


SCALARS: dict[int, Callable[[Any, FieldDescriptor], str | None]] = {
    **dict.fromkeys(RANGES, _integer),
    FieldDescriptor.CPPTYPE_DOUBLE: _number,
    FieldDescriptor.CPPTYPE_FLOAT: _number,
    FieldDescriptor.CPPTYPE_STRING: _text,
    FieldDescriptor.CPPTYPE_BOOL: _bool,
    FieldDescriptor.CPPTYPE_ENUM: _enum,
}
