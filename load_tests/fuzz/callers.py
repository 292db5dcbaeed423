"""Callers of every role: one message after another, each answered clearly, or a fault is noted."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from typing import Any

import grpc
import numpy as np
from google.protobuf.descriptor import MethodDescriptor
from google.protobuf.message import DecodeError
from google.protobuf.message_factory import GetMessageClass
from google.rpc import error_details_pb2
from grpc_status import rpc_status

from load_tests.fuzz.exchange import Exchange
from load_tests.fuzz.findings import CUT, STALE
from load_tests.fuzz.sound import Sound
from load_tests.fuzz.streams import stream
from services.auth.contract import path_of

# No answer within this is a hang. A market that is away for a moment (erasure, reload) is asked again for so long.
LIMIT_S, AWAY_S, AWAY_RETRY_S = 30.0, 10.0, 0.05
# Slow methods, and the share of their draws that are sent.
RARE = {
    "TransparencyService/EraseMyData": 0.002,
    "TransparencyService/ExplainNoOffer": 0.02,
    "TransparencyService/ExportMyData": 0.05,
}
RARE_DEFAULT = 1.0
# Larger answers are not read for what they show of the market.
LEARNED_BYTES = 20_000
# The market itself gave up on something; asking again does not make it good.
NOT_APPLIED = "NOT_APPLIED"


class Caller:
    """One caller after another, of any role: a message, its answer, the next message."""

    def __init__(self, exchange: Exchange, rng: np.random.Generator, sound: Sound) -> None:
        self._exchange, self._rng, self._sound = exchange, rng, sound

    async def run(self, methods: Sequence[MethodDescriptor], messages: int) -> None:
        """Send this number of messages, one after another."""
        sent, lives = 0, self._exchange.lives
        while sent < messages and not lives.over.is_set():
            await lives.serving.wait()
            method = methods[int(self._rng.integers(len(methods)))]
            if self._rng.random() >= RARE.get(path_of(method), RARE_DEFAULT):
                continue
            if method.client_streaming:
                sent += await stream(self._exchange, method, self._rng, self._sound, messages - sent)
            else:
                await self._call(method)
                sent += 1

    async def _call(self, method: MethodDescriptor) -> None:
        path, exchange = path_of(method), self._exchange
        request = self._sound.request(method)
        data = exchange.bytes_of(self._rng, request.message)
        life, until = exchange.lives.number, time.perf_counter() + AWAY_S
        while True:
            try:
                answer = await self._answer(method, data, exchange.wallet.of(request.role, request.person_id))
            except grpc.aio.AioRpcError as fault:
                code = fault.code().name
                if self._cut(life, code):
                    code = CUT
                elif code == "UNAVAILABLE" and reason_of(fault) != NOT_APPLIED and time.perf_counter() < until:
                    await asyncio.sleep(AWAY_RETRY_S)
                    continue
                exchange.findings.note(path, code, f"{reason_of(fault)} {fault.details()}", data)
                if code in STALE:
                    exchange.world.doubt(request.job_id, request.person_id)
            except asyncio.CancelledError:
                if exchange.restarted_since(life):
                    exchange.findings.note(path, CUT)
                else:
                    raise
            else:
                exchange.findings.note(path, "OK")
                self._learn(path, method, request.person_id, answer)
            return

    async def _answer(self, method: MethodDescriptor, data: bytes, metadata: Any) -> bytes:
        """The answer, or the first of a stream of them."""
        name = f"/{method.containing_service.full_name}/{method.name}"
        if not method.server_streaming:
            found: bytes = await self._exchange.channel.unary_unary(name)(data, timeout=LIMIT_S, metadata=metadata)
            return found
        call = self._exchange.channel.unary_stream(name)(data, timeout=LIMIT_S, metadata=metadata)
        first = await call.read()
        call.cancel()
        return first if isinstance(first, bytes) else b""

    def _cut(self, life: int, code: str) -> bool:
        """Whether a restart ended the call."""
        return self._exchange.restarted_since(life) and code in ("UNAVAILABLE", "CANCELLED", "UNKNOWN", "INTERNAL")

    def _learn(self, path: str, method: MethodDescriptor, person_id: str, answer: bytes) -> None:
        if path.endswith("/EraseMyData"):
            self._exchange.world.forget(person_id)
        if len(answer) > LEARNED_BYTES:
            return
        try:
            message = GetMessageClass(method.output_type).FromString(answer)
        except DecodeError:
            self._exchange.findings.fault(
                f"{path}: the answer is no {method.output_type.full_name}: {answer[:100].hex()}"
            )
            return
        self._exchange.world.learn(path, person_id, message)


def reason_of(fault: grpc.aio.AioRpcError) -> str:
    """Return the reason in the error's details; empty where there is none."""
    try:
        status = rpc_status.from_call(fault)
    except ValueError:
        return ""
    info = error_details_pb2.ErrorInfo()
    if status is not None:
        for detail in status.details:
            if detail.Unpack(info):
                return str(info.reason)
    return ""
