"""Decode messages, and return a value instead of an exception for bytes that are no message."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from google.protobuf.message import DecodeError, Message

M = TypeVar("M", bound=Message)


class Malformed:
    """Stands for bytes that are no message of the type."""


MALFORMED = Malformed()


def decoder(message_class: type[M]) -> Callable[[bytes], M | Malformed]:
    """Return a function that decodes a message of the class; MALFORMED where it cannot."""

    def decode(data: bytes) -> M | Malformed:
        try:
            found: M = message_class.FromString(data)
        except DecodeError:
            return MALFORMED
        return found

    return decode
