"""Protobuf messages as values."""

from __future__ import annotations

from typing import TypeVar

from google.protobuf.message import Message

Record = TypeVar("Record", bound=Message)


def copied(record: Record) -> Record:
    """A message of its own: what happens to the original later does not show in it."""
    copy: Record = type(record)()
    copy.CopyFrom(record)
    return copy
