"""The contract's own rules (buf.validate), and what they find in plain words."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from functools import cache
from typing import Any

import protovalidate
from google.protobuf.descriptor import Descriptor, FieldDescriptor
from google.protobuf.message import Message

from dispatcher.validation.structure import PATTERNS, Fault, in_columns, item_rules

UNCHECKED = "could not be checked: use values within the bounds of docs/contract.md"

# Sentences of the validator, and the same in plain words; the first that fits.
_WORDS = tuple(
    (re.compile(rf"\A(?:value )?{sentence}\Z"), words)
    for sentence, words in (
        (r"must be greater than or equal to (.*) and less than or equal to (.*)", r"must be from \1 to \2"),
        (r"must be greater than or equal to (.*) and less than (.*)", r"must be at least \1 and below \2"),
        (r"must be greater than (.*) and less than or equal to (.*)", r"must be above \1 and at most \2"),
        (r"must be less than or equal to (.*)", r"must be at most \1"),
        (r"must be greater than or equal to (.*)", r"must be at least \1"),
        (r"must be at least 1 characters", "is required"),
        (r"must contain at least 1 item\(s\)", "must hold at least 1 item"),
        (r"must contain at least (.*) item\(s\)", r"must hold at least \1 items"),
        (r"must contain no more than (.*) item\(s\)", r"must hold at most \1 items"),
        (r"is required", "is required"),
        (r"repeated value must contain unique items", "must not hold the same item twice"),
        (r"exactly one field is required in oneof", "exactly one of its fields is required"),
    )
)


def rule_faults(message: Message) -> list[Fault]:
    """Return what the contract's rules find, at most one fault for each field. Never raises."""
    try:
        violations = protovalidate.collect_violations(_first_rows(message))
    # The validator may raise anything for values out of range. The message is then unchecked, and is refused.
    except Exception:
        return list(_unchecked(message, "")) or [("", UNCHECKED)]
    if not violations:
        return []
    found: dict[str, str] = {}
    for violation in violations:
        found.setdefault(field_path(violation), _fault(message, violation))
    return list(found.items())


def _first_rows(message: Message) -> Message:
    """The message with the first value of each column alone; the readers of the columns check the others."""
    paths = [path for path in _columns_of(message.DESCRIPTOR) if _holds(message, path)]
    if not paths:
        return message
    short = type(message)()
    short.CopyFrom(message)
    for *above, column in paths:
        inner: Any = short
        for name in above:
            inner = getattr(inner, name)
        del getattr(inner, column)[1:]
    return short


def names_value_of_column(message: Message, path: str) -> bool:
    """Return whether the path of a fault is that of a value in a column, such as ``locations.latitudes[0]``."""
    column, bracket, _ = path.partition("[")
    return bool(bracket) and any(column == ".".join(names) for names in _columns_of(message.DESCRIPTOR))


def _holds(message: Message, path: tuple[str, ...]) -> bool:
    """Whether the message that has the column is there."""
    inner: Any = message
    for name in path[:-1]:
        if not inner.HasField(name):
            return False
        inner = getattr(inner, name)
    return True


@cache
def _columns_of(descriptor: Descriptor) -> tuple[tuple[str, ...], ...]:
    """Paths of the columns in a message."""
    found: list[tuple[str, ...]] = []
    for field in descriptor.fields:
        if in_columns(field):
            found.append((field.name,))
        elif field.message_type is not None and not field.is_repeated:
            found += [(field.name, *path) for path in _columns_of(field.message_type)]
    return tuple(found)


def field_path(violation: protovalidate.Violation) -> str:
    """Return the violated field as a dotted path."""
    return ".".join(
        element.field_name + (f"[{element.subscript.value}]" if element.subscript else "")
        for element in _elements(violation)
    )


def _elements(violation: protovalidate.Violation) -> Sequence[Any]:
    field = violation.proto.field
    return field.elements if field else ()


def _unchecked(message: Message, prefix: str) -> Iterator[Fault]:
    """Yield the innermost fields whose check raises, anything at all."""
    for field, value in message.ListFields():
        if field.message_type is None:
            continue
        for index, one in enumerate(value) if field.is_repeated else ((None, value),):
            path = f"{prefix}{field.name}" if index is None else f"{prefix}{field.name}[{index}]"
            try:
                protovalidate.collect_violations(one)
            except Exception:
                yield from list(_unchecked(one, f"{path}.")) or [(path, UNCHECKED)]


def _fault(message: Message, violation: protovalidate.Violation) -> str:
    """A violation in plain words."""
    rule, sentence = str(violation.proto.rule_id), str(violation.proto.message)
    field = _field(message.DESCRIPTOR, [element.field_name for element in _elements(violation)])
    if rule == "string.pattern":
        return _pattern_words(sentence) if _value(message, violation) else "is required"
    if rule.startswith("enum.") and field is not None and field.enum_type is not None:
        return f"must be one of {', '.join(_choices(field))}"
    for pattern, words in _WORDS:
        if pattern.search(sentence):
            return pattern.sub(words, sentence)
    return sentence


def _value(message: Message, violation: protovalidate.Violation) -> Any:
    """The value that a violation is about."""
    value: Any = message
    for element in _elements(violation):
        value = getattr(value, element.field_name)
        if element.subscript:
            value = value[element.subscript.value]
    return value


def _pattern_words(sentence: str) -> str:
    pattern = sentence.partition("`")[2].rpartition("`")[0]
    return PATTERNS.get(pattern, f"must match {pattern}")


def _field(descriptor: Descriptor, names: list[str]) -> FieldDescriptor | None:
    """The field at the end of a path; None for a oneof, or a message as a whole."""
    found = None
    for name in names:
        found = descriptor.fields_by_name.get(name)
        if found is None:
            return None
        descriptor = found.message_type
    return found


def _choices(field: FieldDescriptor) -> list[str]:
    """Names of the values that an enum's rules allow."""
    rules = item_rules(field)
    of = rules.enum if rules is not None else None
    return [
        value.name
        for value in field.enum_type.values
        if of is None
        or (value.number not in of.not_in and (not getattr(of, "in") or value.number in getattr(of, "in")))
    ]
