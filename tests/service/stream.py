"""A courier's stream in the hands of a test."""

from __future__ import annotations

import asyncio
from typing import Any

import grpc

from gig.v1 import courier_service_pb2 as pb
from gig.v1 import courier_service_pb2_grpc as rpc
from gig.v1 import job_pb2, types_pb2
from gig.v1 import job_service_pb2 as job_service_pb
from load_tests.live.wallet import Wallet
from tests.kit import spec
from tests.signing import WALLET

LIMIT_S = 20.0
# Details that gRPC's client makes up when a stream ends while it writes.
LOST_STATUS = "Internal error from Core"


class CourierClient:
    """Numbers its messages, remembers what it received, and can be cut and resumed."""

    def __init__(self, stub: rpc.CourierServiceStub, courier_id: str, wallet: Wallet = WALLET) -> None:
        self._wallet = wallet
        self._stub = stub
        self.courier_id = courier_id
        self.number = 0
        self.received = 0
        self.token = ""
        self.call: Any = None

    async def hello(self, **more: Any) -> pb.Welcome:
        hello = pb.Hello(courier_id=self.courier_id, resume_token=self.token, last_received=self.received, **more)
        while True:
            self.call = self._stub.Connect(metadata=self._wallet.courier(self.courier_id))
            try:
                await self.call.write(pb.ConnectRequest(hello=hello))
                break
            except grpc.aio.AioRpcError as fault:
                # The server ended the stream during the write, and gRPC lost its status: connect again to learn it.
                if fault.details() != LOST_STATUS:
                    raise
        welcome = (await self.read()).welcome
        self.token = welcome.resume_token
        return welcome

    async def send(self, **message: Any) -> int:
        self.number += 1
        await self.call.write(pb.ConnectRequest(number=self.number, **message))
        return self.number

    async def done(self, **message: Any) -> list[pb.ConnectResponse]:
        """Send, and everything received up to its acknowledgement. A refusal fails the test."""
        number = await self.send(**message)
        seen = await self.until(lambda response: response.ack.number >= number)
        assert not any(response.HasField("refusal") for response in seen), seen
        return seen

    async def refused(self, **message: Any) -> Any:
        """Send, and the status of its refusal."""
        number = await self.send(**message)
        seen = await self.until(lambda response: response.refusal.number == number)
        return seen[-1].refusal.status

    async def read(self) -> pb.ConnectResponse:
        response = await asyncio.wait_for(self.call.read(), LIMIT_S)
        assert response is not grpc.aio.EOF, "the stream has ended"
        self.received = max(self.received, response.number)
        return response

    async def until(self, wanted: Any) -> list[pb.ConnectResponse]:
        seen = [await self.read()]
        while not wanted(seen[-1]):
            seen.append(await self.read())
        return seen

    async def offer(self) -> Any:
        return (await self.until(lambda response: response.HasField("offer")))[-1].offer

    async def job(self, state: str) -> job_pb2.Job:
        wanted = job_pb2.JobState.Value(f"JOB_STATE_{state}")
        return (await self.until(lambda response: response.HasField("job") and response.job.state == wanted))[-1].job

    async def online(self, at: tuple[float, float], vehicle: str = "CAR") -> None:
        await self.hello()
        await self.done(go_online=go_online(at, vehicle))

    async def accept(self, offer_id: str) -> None:
        await self.done(answer=pb.OfferAnswer(offer_id=offer_id, answer=pb.ANSWER_ACCEPT))

    async def report(self, job_id: str, step: str) -> None:
        await self.done(progress=pb.Progress(job_id=job_id, step=f"PROGRESS_STEP_{step}"))

    def cut(self) -> None:
        if self.call is not None:
            self.call.cancel()


def go_online(at: tuple[float, float], vehicle: str = "CAR", **more: Any) -> pb.GoOnline:
    return pb.GoOnline(
        profile=pb.CourierProfile(vehicle_type=f"VEHICLE_TYPE_{vehicle}"),
        position=types_pb2.Position(latitude=at[0], longitude=at[1]),
        **more,
    )


def place_request(client_id: str, at: tuple[float, float], number: int = 1, **more: Any) -> Any:
    """A short ride from ``at``."""
    wanted = spec(at, (at[0] + 0.01, at[1] + 0.01), **more)
    return job_service_pb.PlaceJobRequest(request_id=f"place-{number}", client_id=client_id, spec=wanted)
