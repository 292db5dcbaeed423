"""One case of the battery is sent, by a caller who may send it, and its answer is read."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import Any

import grpc
from google.protobuf.message import Message
from google.protobuf.message_factory import GetMessageClass
from google.rpc import error_details_pb2, status_pb2
from grpc_status import rpc_status

from gig.v1 import courier_service_pb2 as courier_pb
from load_tests.bench.poison.cases import Case, names_of
from load_tests.bench.poison.preparing import Preparing
from load_tests.fuzz.sound import Sound, delay_if_noticed
from load_tests.fuzz.world import PEOPLE, World
from load_tests.live.wallet import Wallet
from services.auth.access import RULES
from services.auth.caller import COURIER, PERSON_ID
from services.auth.contract import path_of

LIMIT_S = 20.0
COURIERS = PEOPLE[COURIER]


@dataclass(frozen=True, slots=True)
class Answer:
    """``code``: OK where the message was carried out; ``text``: the message and all field violations."""

    code: str
    text: str = ""

    def names(self, case: Case) -> bool:
        """Return whether a refusal names a field that is outside its bounds."""
        return self.code == "INVALID_ARGUMENT" and any(name in self.text for name in names_of(case))


class Sender:
    def __init__(
        self, channel: grpc.aio.Channel, wallet: Wallet, world: World, sound: Sound, preparing: Preparing
    ) -> None:
        self._channel, self._wallet, self._world, self._sound = channel, wallet, world, sound
        self._preparing = preparing
        self._streams = 0

    async def send(self, case: Case, now_ns: int) -> Answer:
        """Send a sound message with the case's changes, and return the answer."""
        try:
            if case.arm:
                return await self._streamed(case, now_ns)
            return await self._called(case, now_ns)
        except grpc.aio.AioRpcError as fault:
            status = _status(fault)
            return Answer(fault.code().name, f"{fault.details()} {_violations(status)}")

    async def _called(self, case: Case, now_ns: int) -> Answer:
        path, method = path_of(case.method), case.method
        request = self._sound.request(method)
        await self._preparing.call(path, request.message, request.person_id)
        for change in case.changes:
            self._sound.complete(request.message, change.path)
            change.apply(request.message, now_ns)
        if "policy" in method.input_type.fields_by_name:
            delay_if_noticed(request.message, now_ns)
        rule, person_id = RULES[path], request.person_id
        if request.role in rule.own:
            # The caller is whom the request names, where that can be a person.
            named = str(getattr(request.message, rule.subject))
            person_id = named if PERSON_ID.fullmatch(named) else person_id
        call = self._channel.unary_unary(f"/{method.containing_service.full_name}/{method.name}")
        metadata = self._wallet.of(request.role, person_id)
        data = await call(request.message.SerializeToString(), timeout=LIMIT_S, metadata=metadata)
        answer: Message = GetMessageClass(method.output_type).FromString(data)
        self._world.learn(path, person_id, answer)
        return Answer("OK")

    async def _streamed(self, case: Case, now_ns: int) -> Answer:
        """On a stream of its own: hello, online, the message; or the hello itself."""
        self._streams += 1
        courier_id = COURIERS[self._streams % len(COURIERS)]
        method = case.method
        message = await self._message(case, courier_id, now_ns)
        named = message.hello.courier_id if case.arm == "hello" else courier_id
        caller = named if PERSON_ID.fullmatch(named) else courier_id
        call = self._channel.stream_stream(f"/{method.containing_service.full_name}/{method.name}")(
            timeout=LIMIT_S, metadata=self._wallet.courier(caller)
        )
        try:
            if case.arm != "hello":
                for setting_up in self._setting_up(courier_id, case.arm):
                    await call.write(setting_up.SerializeToString())
            await call.write(message.SerializeToString())
            return await self._answer_to(call, message, courier_id)
        except asyncio.InvalidStateError:
            return Answer((await call.code()).name, await call.details() or "")
        finally:
            call.cancel()

    async def _message(self, case: Case, courier_id: str, now_ns: int) -> Any:
        message_class: Any = GetMessageClass(case.method.input_type)
        if case.arm == "hello":
            message = message_class(hello=courier_pb.Hello(courier_id=courier_id))
        else:
            message = self._sound.streamed(message_class, courier_id, case.arm)
            message.number = 2
            await self._preparing.streamed(case.arm, message, courier_id)
        for change in case.changes:
            self._sound.complete(message, change.path)
            change.apply(message, now_ns)
        return message

    def _setting_up(self, courier_id: str, arm: str) -> list[Any]:
        hello = courier_pb.ConnectRequest(hello=courier_pb.Hello(courier_id=courier_id))
        message: Any
        if arm in ("answer", "progress"):
            # Online already, with a job of their own; a message that changes nothing takes the number.
            message = courier_pb.ConnectRequest(number=1, set_destination=courier_pb.SetDestination())
        elif arm == "go_online":
            message = courier_pb.ConnectRequest(number=1, go_offline=courier_pb.GoOffline())
        else:
            message = self._sound.streamed(courier_pb.ConnectRequest, courier_id, "go_online")
            message.number = 1
        return [hello, message]

    async def _answer_to(self, call: Any, message: Any, courier_id: str) -> Answer:
        while (data := await asyncio.wait_for(call.read(), LIMIT_S)) is not grpc.aio.EOF:
            response = courier_pb.ConnectResponse.FromString(data)
            self._world.learn("CourierService/Connect", courier_id, response)
            match response.WhichOneof("message"):
                case "welcome" if message.HasField("hello"):
                    return Answer("OK")
                case "refusal" if response.refusal.number == message.number != 1:
                    status = response.refusal.status
                    return Answer(_name(status.code), f"{status.message} {_violations(status)}")
                case "ack" if response.ack.number >= max(message.number, 2):
                    return Answer("OK")
        return Answer((await call.code()).name, await call.details() or "")


def _status(fault: grpc.aio.AioRpcError) -> status_pb2.Status | None:
    try:
        found: status_pb2.Status | None = rpc_status.from_call(fault)
    except ValueError:
        return None
    return found


def _violations(status: status_pb2.Status | None) -> str:
    """The fields that the status names, and why."""
    found, bad = [], error_details_pb2.BadRequest()
    for detail in status.details if status is not None else ():
        if detail.Unpack(bad):
            found += [f"{violation.field}: {violation.description}" for violation in bad.field_violations]
    return "; ".join(found)


def _name(number: int) -> str:
    return next((code.name for code in grpc.StatusCode if code.value[0] == number), f"code {number}")
