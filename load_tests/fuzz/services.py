"""Generated and mutated messages for every method of every service, by callers of every role, against a real suite."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable
from typing import Any

import grpc
import numpy as np
from google.protobuf.descriptor import MethodDescriptor
from google.protobuf.message import Message
from google.protobuf.message_factory import GetMessageClass

from gig.v1 import courier_service_pb2 as courier_pb
from gig.v1 import job_service_pb2 as job_pb
from gig.v1 import job_service_pb2_grpc as rpc
from load_tests.bench.place import place_request
from load_tests.bench.running import UNLIMITED, running_suite
from load_tests.fuzz.mutation import distorted, mutated
from load_tests.live.suite_process import SuiteProcess
from services.auth.access import RULES
from services.cli.stored_log import prove_stored
from services.rpc.methods import path_of
from services.rpc.services import SERVICERS
from services.settings import resolve

# What bad input may be told; INTERNAL, UNKNOWN, UNIMPLEMENTED and silence are faults of the service.
CLEAR = frozenset(
    {
        "OK",
        "INVALID_ARGUMENT",
        "NOT_FOUND",
        "FAILED_PRECONDITION",
        "ALREADY_EXISTS",
        "PERMISSION_DENIED",
        "UNAUTHENTICATED",
        "RESOURCE_EXHAUSTED",
    }
)
CALLERS, LIMIT_S = 24, 30.0
# Jobs of somebody whom no message names: none of them may be lost.
KEPT = 50
# Ids that messages name, so that some of them are nearly right.
PEOPLE = ("ann", "bo", "a")
NAMES = frozenset({"client_id", "courier_id", "person_id", "rater_id", "worker_id", "operator_id", "reviewer_id"})
# Erasure renames whom it erases everywhere: once in a while is enough.
RARE, RARE_SHARE = frozenset({"TransparencyService/EraseMyData", "TransparencyService/ExplainNoOffer"}), 0.01
# Messages of one courier's stream.
STREAMED = 20


async def fuzz_services(messages: int, seed: int, progress: Callable[[str], None]) -> dict[str, Any]:
    """By service: how many messages ended with which code. ``unclear``: the first ones that ended otherwise than bad
    input may; ``log_faults``: what is wrong with the log afterwards, or with what was acknowledged before."""
    async with running_suite(*UNLIMITED, "--streams-per-caller", "10000") as suite:
        async with grpc.aio.insecure_channel(suite.target) as channel:
            kept = await _place_kept(channel, suite)
            found: dict[str, Counter[str]] = {}
            unclear: list[str] = []
            for service, _ in SERVICERS:
                progress(f"{service.name}: {messages:,} messages")
                fuzzed = _Fuzzed(channel, suite, [*service.methods], seed)
                await asyncio.gather(*(fuzzed.run(messages // CALLERS + 1, caller) for caller in range(CALLERS)))
                found[service.name], unclear = fuzzed.codes, [*unclear, *fuzzed.unclear]
            for line in kept:
                asked = job_pb.GetJobRequest(job_id=line["job_id"])
                await rpc.JobServiceStub(channel).GetJob(asked, metadata=suite.wallet.client("kept"), timeout=LIMIT_S)
        await suite.stop()
        assert suite.data_dir is not None, "the suite is our own"
        proof = await prove_stored(resolve({"data_dir": suite.data_dir}).values, kept)
        return {
            "messages": messages,
            "codes": {name: dict(sorted(codes.items())) for name, codes in found.items()},
            "unclear": unclear[:20],
            "events": proof.events,
            "log_faults": proof.told,
        }


async def _place_kept(channel: grpc.aio.Channel, suite: SuiteProcess) -> list[dict[str, str]]:
    place, lines = rpc.JobServiceStub(channel).PlaceJob, []
    for number in range(KEPT):
        request = place_request("kept", f"place-{number}")
        job = (await place(request, metadata=suite.wallet.client("kept"))).job
        lines.append({"kind": "placed", "client_id": "kept", "request_id": request.request_id, "job_id": job.job_id})
    return lines


class _Fuzzed:
    def __init__(
        self, channel: grpc.aio.Channel, suite: SuiteProcess, methods: list[MethodDescriptor], seed: int
    ) -> None:
        self._channel, self._wallet, self._methods, self._seed = channel, suite.wallet, methods, seed
        self._samples = {method.name: _sample(method) for method in methods}
        self._all = [sample.SerializeToString() for sample in self._samples.values()]
        self.codes: Counter[str] = Counter()
        self.unclear: list[str] = []

    async def run(self, messages: int, caller: int) -> None:
        rng, sent = np.random.default_rng([self._seed, caller]), 0
        while sent < messages:
            method = self._methods[int(rng.integers(len(self._methods)))]
            if path_of(method) in RARE and rng.random() > RARE_SHARE:
                continue
            if method.client_streaming:
                sent += await self._stream(rng, method)
            else:
                await self._call(rng, method)
                sent += 1

    async def _call(self, rng: np.random.Generator, method: MethodDescriptor) -> None:
        path = f"/{method.containing_service.full_name}/{method.name}"
        kind = self._channel.unary_stream if method.server_streaming else self._channel.unary_unary
        data = self._message(rng, method)
        call = kind(path)(data, timeout=LIMIT_S, metadata=self._metadata(rng, method))
        try:
            if method.server_streaming:
                await call.read()
                call.cancel()
            else:
                await call
        except grpc.aio.AioRpcError as fault:
            self._note(method, data, fault.code().name, fault.details() or "")
        except asyncio.CancelledError:
            self._note(method, data, "OK", "")
        else:
            self._note(method, data, "OK", "")

    async def _stream(self, rng: np.random.Generator, method: MethodDescriptor) -> int:
        """A hello that mostly is one, then whatever; each refusal on the way is counted as an answer."""
        courier = PEOPLE[int(rng.integers(len(PEOPLE)))]
        call = self._channel.stream_stream(f"/{method.containing_service.full_name}/{method.name}")(
            timeout=LIMIT_S, metadata=self._wallet.courier(courier)
        )
        data, sent = b"", 0
        try:
            hello = courier_pb.ConnectRequest(hello=courier_pb.Hello(courier_id=courier)).SerializeToString()
            await call.write(hello if rng.random() < 0.9 else mutated(rng, hello, self._all))
            for number in range(1, STREAMED):
                data = self._message(rng, method, number)
                await call.write(data)
                sent += 1
            await call.done_writing()
            while (answer := await call.read()) is not grpc.aio.EOF:
                response = courier_pb.ConnectResponse.FromString(answer)
                if response.HasField("refusal"):
                    code = next(c for c in grpc.StatusCode if c.value[0] == response.refusal.status.code)
                    self._note(method, data, code.name, response.refusal.status.message)
        except grpc.aio.AioRpcError as fault:
            # What the client says of its own when the stream has ended while it writes.
            name = "OK" if fault.details() == "Internal error from Core" else fault.code().name
            self._note(method, data, name, fault.details() or "")
        except asyncio.InvalidStateError:
            self._note(method, data, (await call.code()).name, await call.details() or "")
        return max(sent, 1)

    def _message(self, rng: np.random.Generator, method: MethodDescriptor, number: int = 0) -> bytes:
        sample = type(self._samples[method.name])()
        sample.CopyFrom(self._samples[method.name])
        _name_somebody(rng, sample)
        if number and rng.random() < 0.9:
            sample.number = number
        chance = rng.random()
        if chance < 0.5:
            for _ in range(int(rng.integers(1, 4))):
                distorted(rng, sample)
        data = sample.SerializeToString()
        return data if chance < 0.55 else mutated(rng, data, self._all)

    def _metadata(self, rng: np.random.Generator, method: MethodDescriptor) -> Any:
        roles = sorted(RULES[path_of(method)].roles)
        return self._wallet.of(roles[int(rng.integers(len(roles)))], PEOPLE[int(rng.integers(len(PEOPLE)))])

    def _note(self, method: MethodDescriptor, data: bytes, code: str, details: str) -> None:
        self.codes[code] += 1
        if code not in CLEAR and len(self.unclear) < 20:
            self.unclear.append(f"{path_of(method)}: {code}: {details} for {data[:400].hex()}")


def _sample(method: MethodDescriptor) -> Message:
    """A request with something sound in each field, as far as its name and kind tell."""
    message: Message = GetMessageClass(method.input_type)()
    _fill(message, 0)
    if method.name == "PlaceJob":
        message.CopyFrom(place_request("ann", "r"))
    return message


def _fill(message: Any, depth: int) -> None:
    for field in message.DESCRIPTOR.fields:
        inner = field.message_type
        if inner is not None and inner.full_name.startswith("google."):
            if not field.is_repeated and inner.full_name in ("google.protobuf.Timestamp", "google.protobuf.Duration"):
                getattr(message, field.name).seconds = 60
        elif inner is not None:
            if depth < 4:
                target = getattr(message, field.name)
                _fill(target.add() if field.is_repeated else target, depth + 1)
        elif field.is_repeated:
            continue
        elif field.cpp_type == field.CPPTYPE_STRING:
            setattr(message, field.name, b"a" if field.type == field.TYPE_BYTES else "a")
        elif field.cpp_type == field.CPPTYPE_BOOL:
            setattr(message, field.name, True)
        else:
            setattr(message, field.name, 1)


def _name_somebody(rng: np.random.Generator, message: Any) -> None:
    for field in message.DESCRIPTOR.fields:
        if field.name in (
            "client_id",
            "courier_id",
            "person_id",
            "rater_id",
            "worker_id",
            "operator_id",
            "reviewer_id",
        ):
            setattr(message, field.name, PEOPLE[int(rng.integers(len(PEOPLE)))])
        elif field.name == "request_id":
            message.request_id = f"r{int(rng.integers(1 << 40))}"
