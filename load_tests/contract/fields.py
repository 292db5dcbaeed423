"""Every field of a message, nested ones too, as a path: read, set and cleared in any message of the type."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from google.protobuf.descriptor import Descriptor, FieldDescriptor
from google.protobuf.message import Message

from load_tests.contract.rules import SECOND_NS, time_type

# Messages do not nest deeper than this; a type that holds itself is not followed further.
DEEPEST = 8


@dataclass(frozen=True, slots=True)
class FieldPath:
    """From the root message to a field; the first item stands for all items of a list on the way."""

    fields: tuple[FieldDescriptor, ...]

    @property
    def last(self) -> FieldDescriptor:
        return self.fields[-1]

    @property
    def name(self) -> str:
        """As the paths of field violations have it, without indices: ``spec.pickup.position.latitude``."""
        return ".".join(field.name for field in self.fields)

    def holder(self, root: Message) -> Any:
        """Return the message that holds the field, made where it is missing."""
        message: Any = root
        for field in self.fields[:-1]:
            inner = getattr(message, field.name)
            if field.is_repeated:
                message = inner[0] if len(inner) else inner.add()
            else:
                inner.SetInParent()
                message = inner
        return message

    def set(self, root: Message, value: Any) -> None:
        """Set the field; times and spans in nanoseconds, lists as lists. Raises ValueError where the type cannot hold
        the value."""
        holder, field = self.holder(root), self.last
        if field.is_repeated:
            holder.ClearField(field.name)
            getattr(holder, field.name).extend(value)
        elif time_type(field):
            set_time(getattr(holder, field.name), value)
        else:
            setattr(holder, field.name, value)


def set_time(message: Any, nanoseconds: int) -> None:
    """Set a Timestamp or a Duration, also beyond what the type may hold."""
    seconds, nanos = divmod(nanoseconds, SECOND_NS)
    if seconds < 0 and nanos and message.DESCRIPTOR.name == "Duration":
        seconds, nanos = seconds + 1, nanos - SECOND_NS
    message.seconds, message.nanos = seconds, nanos
    message.SetInParent()


def paths_of(descriptor: Descriptor) -> Iterator[FieldPath]:
    """Yield the path of each field that holds values: numbers, texts, times, spans, enums, lists of them."""
    yield from _below(descriptor, ())


def _below(descriptor: Descriptor, above: tuple[FieldDescriptor, ...]) -> Iterator[FieldPath]:
    for field in descriptor.fields:
        path = (*above, field)
        if field.message_type is None or time_type(field):
            yield FieldPath(path)
        elif len(path) < DEEPEST and field.message_type not in [item.message_type for item in above]:
            yield from _below(field.message_type, path)
