"""Call methods by their descriptors, many at a time: each refusal takes a pause, and pauses one by one add up."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

import grpc
from google.protobuf.descriptor import MethodDescriptor
from google.protobuf.message import Message

from load_tests.live.clients import CUT_WHILE_WRITING
from load_tests.live.wallet import Metadata

# A call that takes this long hangs.
LIMIT_S = 60.0


@dataclass(frozen=True, slots=True)
class RawCall:
    method: MethodDescriptor
    data: bytes
    metadata: Metadata

    @classmethod
    def of(cls, method: MethodDescriptor, request: Message, metadata: Metadata) -> RawCall:
        return cls(method, request.SerializeToString(), metadata)


@dataclass(frozen=True, slots=True)
class Outcome:
    code: grpc.StatusCode
    text: str


def path(method: MethodDescriptor) -> str:
    return f"/{method.containing_service.full_name}/{method.name}"


async def outcome(channel: grpc.aio.Channel, call: RawCall) -> Outcome:
    """Return the status and the text of a call; of a stream, after its first message.

    Where a server ends a stream while the client still writes, grpc.aio reports a fault of its own in place of the
    server's status: the call is made again.
    """
    while (found := await _once(channel, call)).text == CUT_WHILE_WRITING:
        pass
    return found


async def _once(channel: grpc.aio.Channel, call: RawCall) -> Outcome:
    method = call.method
    kind = ("stream" if method.client_streaming else "unary", "stream" if method.server_streaming else "unary")
    argument = iter([call.data]) if method.client_streaming else call.data
    made = getattr(channel, "_".join(kind))(path(method))(argument, timeout=LIMIT_S, metadata=call.metadata)
    try:
        if method.server_streaming:
            await made.read()
            made.cancel()
        else:
            await made
    except grpc.aio.AioRpcError as fault:
        return Outcome(fault.code(), fault.details() or "")
    return Outcome(grpc.StatusCode.OK, "")


async def outcomes(channel: grpc.aio.Channel, calls: Sequence[RawCall]) -> list[Outcome]:
    """Return the outcome of each call. A caller makes their calls of a method in turn, and all others go on beside."""
    turns = defaultdict(list)
    for number, call in enumerate(calls):
        turns[path(call.method), call.metadata].append(number)
    found: dict[int, Outcome] = {}

    async def in_turn(numbers: list[int]) -> None:
        for number in numbers:
            found[number] = await outcome(channel, calls[number])

    await asyncio.gather(*map(in_turn, turns.values()))
    return [found[number] for number in range(len(calls))]
