"""Send the digits of its currency with each amount of money. The log holds the currency's code alone."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Any

from google.protobuf.descriptor import Descriptor

from dispatcher.currencies import digits_of
from gig.v1 import types_pb2 as types_pb

MONEY = types_pb.Money.DESCRIPTOR.full_name
Fill = Callable[[Any], None]


def add_digits(message: Any) -> None:
    """Set Money.digits in every amount of an answer that is about to be sent."""
    fill = _filler(message.DESCRIPTOR)
    if fill is not None:
        fill(message)


@cache
def _filler(descriptor: Descriptor) -> Fill | None:
    """Return what fills in the amounts of a type's messages, or None where they hold none."""
    return _made(descriptor, frozenset())


def _made(descriptor: Descriptor, above: frozenset[str]) -> Fill | None:
    if descriptor.full_name == MONEY:
        return _fill_money
    above |= {descriptor.full_name}
    inner = [
        (field, fill)
        for field in descriptor.fields
        if field.message_type is not None and field.message_type.full_name not in above
        if (fill := _made(field.message_type, above)) is not None
    ]
    if not inner:
        return None
    several = tuple((field.name, fill) for field, fill in inner if field.is_repeated)
    single = tuple((field.name, fill) for field, fill in inner if not field.is_repeated)

    def fill_message(message: Any) -> None:
        for name, fill in single:
            if message.HasField(name):
                fill(getattr(message, name))
        for name, fill in several:
            for one in getattr(message, name):
                fill(one)

    return fill_message


def _fill_money(amount: types_pb.Money) -> None:
    amount.digits = digits_of(amount.currency_code)
