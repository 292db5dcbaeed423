"""Protobuf messages as values."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TypeVar

from google.protobuf.descriptor import Descriptor, FieldDescriptor
from google.protobuf.message import Message

Record = TypeVar("Record", bound=Message)


def parts(record: Message) -> Iterator[Message]:
    """The messages that a message holds itself, one by one where they are repeated."""
    for field, value in record.ListFields():
        if field.message_type is not None:
            yield from value if field.is_repeated else (value,)


def copied(record: Record) -> Record:
    """A message of its own: what happens to the original later does not show in it."""
    copy: Record = type(record)()
    copy.CopyFrom(record)
    return copy


def fields_below(*messages: Descriptor) -> Iterator[FieldDescriptor]:
    """Yield every field of these messages and of the messages that they hold, at any depth, each field once."""
    found = list(messages)
    for message in found:
        yield from message.fields
        held = (field.message_type for field in message.fields if field.message_type is not None)
        found += [one for one in dict.fromkeys(held) if one not in found]
