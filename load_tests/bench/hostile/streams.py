"""Attacks by a courier's stream: messages that ask for nothing, as many as a core can send."""

from __future__ import annotations

import asyncio
import contextlib
from abc import abstractmethod

import numpy as np

from gig.v1 import courier_service_pb2 as pb
from load_tests.bench.hostile.attack import ATTACKER, HOST, Attack
from load_tests.bench.hostile.http2 import Http2Connection, grpc_frame
from load_tests.ordinary import city

# Messages that are sent at once, and between two looks whether the stream has ended.
AT_ONCE = 1_000
RETRY_S = 0.05
# A number's bytes in a message of this file: five of seven bits.
NUMBER_BYTES = 5


class _Flood(Attack):
    """One stream for each courier whose token is given."""

    async def attack(self) -> None:
        await asyncio.gather(*(self._courier(*item) for item in self.order.tokens.items()))

    async def _courier(self, courier_id: str, token: str) -> None:
        while True:
            with contextlib.suppress(ConnectionError, OSError):
                connection = await Http2Connection.open(HOST, self.order.grpc_port, ATTACKER)
                try:
                    await self._stream(connection, courier_id, token)
                finally:
                    self.counts["streams"] += 1
                    await connection.close()
            await asyncio.sleep(RETRY_S)

    async def _stream(self, connection: Http2Connection, courier_id: str, token: str) -> None:
        await connection.begin("/gig.v1.CourierService/Connect", {"authorization": f"Bearer {token}"})
        profile = pb.CourierProfile(vehicle_type="VEHICLE_TYPE_CAR", skills=["nobody_asks_for_this"])
        online = pb.GoOnline(profile=profile, position=city.position(np.random.default_rng(1)))
        for message in (
            pb.ConnectRequest(hello=pb.Hello(courier_id=courier_id)),
            pb.ConnectRequest(number=1, go_online=online),
        ):
            await connection.send(grpc_frame(message.SerializeToString()))
        first = 2
        while True:
            await connection.send(self.messages(first))
            self.counts["messages"] += AT_ONCE
            first += AT_ONCE

    @abstractmethod
    def messages(self, first: int) -> bytes:
        """Return AT_ONCE framed messages; ``first``: the number of the first of them."""


class EmptyBatches(_Flood):
    """Batches of locations without any location, each with the next number."""

    def messages(self, first: int) -> bytes:
        numbers = np.arange(first, first + AT_ONCE, dtype=np.int64)
        template = grpc_frame(b"\x08" + bytes(NUMBER_BYTES) + b"\x2a\x00")
        rows = np.tile(np.frombuffer(template, np.uint8), (AT_ONCE, 1))
        at = template.index(b"\x08", 5) + 1
        for byte in range(NUMBER_BYTES):
            more = 0x80 if byte < NUMBER_BYTES - 1 else 0
            rows[:, at + byte] = (numbers >> (7 * byte) & 0x7F) | more
        return rows.tobytes()


class RepeatedNumbers(_Flood):
    """The same message with the same number, again and again."""

    def messages(self, first: int) -> bytes:  # noqa: ARG002 - the number does not grow
        message = pb.ConnectRequest(number=1, set_destination=pb.SetDestination())
        return grpc_frame(message.SerializeToString()) * AT_ONCE
