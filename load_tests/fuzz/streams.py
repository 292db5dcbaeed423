"""One courier's stream: hello, going online, positions, answers, progress, sound and wrong, while answers are read."""

from __future__ import annotations

import asyncio
from typing import Any

import grpc
import numpy as np
from google.protobuf.descriptor import MethodDescriptor
from google.protobuf.message import DecodeError
from google.protobuf.message_factory import GetMessageClass

from gig.v1 import courier_service_pb2 as pb
from load_tests.fuzz.exchange import Exchange
from load_tests.fuzz.findings import CUT, STALE
from load_tests.fuzz.sound import Sound
from load_tests.fuzz.world import PEOPLE
from load_tests.fuzz.wrong import wrong
from services.auth.caller import COURIER
from services.auth.contract import path_of

# Messages of one stream, its hello included; the stream ends when their answers have come.
MESSAGES = 20
STREAM_LIMIT_S = 30.0
WRONG_HELLO_SHARE, WRONG_NUMBER_SHARE = 0.05, 0.03
# Of messages that do what is to be done now: answer an offer, go on with a job, send positions.
DUE_SHARE = 0.6
_CODES = {code.value[0]: code.name for code in grpc.StatusCode}


async def stream(
    exchange: Exchange, method: MethodDescriptor, rng: np.random.Generator, sound: Sound, most: int
) -> int:
    """Run one stream and return how many messages it sent; each is noted as OK, refused, or cut."""
    run = _Stream(exchange, method, rng, sound)
    life = exchange.lives.number
    code, details = await run.run(min(MESSAGES, most))
    run.note_rest(life, code, details)
    return max(run.written, 1)


class _Stream:
    def __init__(self, exchange: Exchange, method: MethodDescriptor, rng: np.random.Generator, sound: Sound) -> None:
        self._exchange, self._method, self._rng, self._sound = exchange, method, rng, sound
        self._path = path_of(method)
        self._class: Any = GetMessageClass(method.input_type)
        self._arms = [one.name for one in method.input_type.oneofs[0].fields if one.name != "hello"]
        self._courier_id = PEOPLE[COURIER][int(rng.integers(len(PEOPLE[COURIER])))]
        exchange.streams[self._courier_id] += 1
        self._order = exchange.streams[self._courier_id]
        # Messages without an answer yet, by the number that they carry; 0: those whose number cannot be read.
        self._waiting: dict[int, list[bytes]] = {}
        self._welcomed = False
        self.written = 0

    async def run(self, count: int) -> tuple[str, str]:
        """Return the stream's final code and details."""
        name = f"/{self._method.containing_service.full_name}/{self._method.name}"
        metadata = self._exchange.wallet.courier(self._courier_id)
        call = self._exchange.channel.stream_stream(name)(timeout=STREAM_LIMIT_S, metadata=metadata)
        reader = asyncio.create_task(self._read(call))
        try:
            for number in range(count):
                await call.write(self._message(number) if number else self._hello())
                self.written += 1
            await call.done_writing()
            await reader
            return (await call.code()).name, await call.details() or ""
        except grpc.aio.AioRpcError as fault:
            return fault.code().name, fault.details() or ""
        except asyncio.InvalidStateError:
            return (await call.code()).name, await call.details() or ""
        finally:
            reader.cancel()
            await asyncio.gather(reader, return_exceptions=True)
            call.cancel()

    def note_rest(self, life: int, code: str, details: str) -> None:
        """Note what got no answer of its own: the stream's end answers one message; the others were not read."""
        note, waiting = self._exchange.findings.note, [data for found in self._waiting.values() for data in found]
        overtaken = self._exchange.streams[self._courier_id] != self._order
        # What grpc's client says by itself when the stream has ended while it writes.
        ended = details == "Internal error from Core"
        if self._exchange.restarted_since(life) or overtaken or ended:
            note(self._path, CUT)
        elif code != "OK":
            note(self._path, code, details, waiting[0] if waiting else b"")
        else:
            for data in waiting:
                note(self._path, "NO_ANSWER", "neither acknowledged nor refused", data)

    def _hello(self) -> bytes:
        message = self._class(hello=pb.Hello(courier_id=self._courier_id))
        if self._rng.random() < WRONG_HELLO_SHARE:
            return wrong(self._rng, message, self._exchange.sent)
        return bytes(message.SerializeToString())

    def _message(self, number: int) -> bytes:
        """The next message, made from what is known now."""
        message = self._sound.streamed(self._class, self._courier_id, self._arm(number))
        message.number = number if self._rng.random() >= WRONG_NUMBER_SHARE else int(self._rng.integers(0, 2**63))
        data = self._exchange.bytes_of(self._rng, message)
        try:
            carried = int(self._class.FromString(data).number)
        except DecodeError:
            carried = 0
        self._waiting.setdefault(carried, []).append(data)
        return data

    def _arm(self, number: int) -> str:
        if number == 1:
            return "go_online"
        if self._rng.random() < DUE_SHARE:
            if self._courier_id in self._exchange.world.offers:
                return "answer"
            return "progress" if self._exchange.world.held_job(self._courier_id) is not None else "locations"
        arm: str = self._arms[int(self._rng.integers(len(self._arms)))]
        return arm

    async def _read(self, call: Any) -> None:
        """Note each answer until the stream ends."""
        note = self._exchange.findings.note
        while (data := await call.read()) is not grpc.aio.EOF:
            response = pb.ConnectResponse.FromString(data)
            match response.WhichOneof("message"):
                case "refusal":
                    refused = self._waiting.get(response.refusal.number) or [b""]
                    code = _CODES.get(response.refusal.status.code, "no code")
                    note(self._path, code, response.refusal.status.message, refused.pop(0))
                    if code in STALE:
                        held = self._exchange.world.held_job(self._courier_id)
                        self._exchange.world.doubt(held.job_id if held is not None else "", self._courier_id)
                case "ack":
                    for number in [number for number in self._waiting if 0 < number <= response.ack.number]:
                        for _ in self._waiting.pop(number):
                            note(self._path, "OK")
                case "welcome":
                    note(self._path, "OK")
            self._exchange.world.learn(self._path, self._courier_id, response)
