"""Each amount in an answer of any method is sent with the digits of its currency."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from google.protobuf.descriptor import Descriptor
from google.protobuf.message import Message
from google.protobuf.message_factory import GetMessageClass

from dispatcher.currencies import DIGITS
from gig.v1 import types_pb2 as types_pb
from services.rpc.currency_digits import add_digits
from services.rpc.services import SERVICERS

ANSWERS = {method.output_type.full_name: method.output_type for service, _ in SERVICERS for method in service.methods}
CODES = ("USD", "JPY", "KWD", "CLF")


def fill(message: Message, above: tuple[str, ...] = ()) -> None:
    """Put an amount into every field that can hold one, directly or deeper, twice where the field is repeated."""
    for field in message.DESCRIPTOR.fields:
        kind = field.message_type
        if kind is None or kind.full_name in above or not holds_money(kind, ()):
            continue
        for place in range(2 if field.is_repeated else 1):
            inner = getattr(message, field.name).add() if field.is_repeated else getattr(message, field.name)
            if isinstance(inner, types_pb.Money):
                inner.currency_code = CODES[(len(above) + place) % len(CODES)]
            else:
                inner.SetInParent()
                fill(inner, (*above, kind.full_name))


def holds_money(kind: Descriptor, above: tuple[str, ...]) -> bool:
    if kind.full_name == types_pb.Money.DESCRIPTOR.full_name:
        return True
    return kind.full_name not in above and any(
        field.message_type is not None and holds_money(field.message_type, (*above, kind.full_name))
        for field in kind.fields
    )


def amounts(message: Message) -> Iterator[types_pb.Money]:
    for field, value in message.ListFields():
        if field.message_type is not None:
            for one in value if field.is_repeated else (value,):
                if isinstance(one, types_pb.Money):
                    yield one
                else:
                    yield from amounts(one)


@pytest.mark.parametrize("name", sorted(ANSWERS))
def test_every_amount_of_an_answer_gets_its_digits(name: str) -> None:
    answer = GetMessageClass(ANSWERS[name])()
    fill(answer)
    found = list(amounts(answer))
    assert bool(found) == holds_money(ANSWERS[name], ())
    add_digits(answer)
    assert [amount.digits for amount in found] == [DIGITS[amount.currency_code] for amount in found]


@pytest.mark.parametrize("name", sorted(ANSWERS))
def test_an_answer_without_amounts_stays_as_it_is(name: str) -> None:
    answer = GetMessageClass(ANSWERS[name])()
    add_digits(answer)
    assert answer.ByteSize() == 0
