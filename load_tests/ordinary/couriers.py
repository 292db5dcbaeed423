"""Couriers with streams: online, sending positions, accepting each offer, and completing each job at once."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Iterator
from typing import Any

import grpc
import numpy as np

from gig.v1 import courier_service_pb2 as pb
from gig.v1 import courier_service_pb2_grpc as rpc
from gig.v1 import job_pb2 as job_pb
from gig.v1 import types_pb2 as types_pb
from load_tests.live.wallet import Wallet
from load_tests.ordinary.city import SKILL, position
from load_tests.ordinary.tally import Tally

RECONNECT_S = 0.2
# A job that asks for nothing more than this: what follows in each state.
_NEXT = {
    job_pb.JOB_STATE_ASSIGNED: pb.PROGRESS_STEP_ARRIVED,
    job_pb.JOB_STATE_AT_PICKUP: pb.PROGRESS_STEP_PICKED_UP,
    job_pb.JOB_STATE_PICKED_UP: pb.PROGRESS_STEP_COMPLETED,
}
# Refusals that an app meets in the course of work: an offer that was withdrawn, a job that was cancelled.
_RACES = frozenset({grpc.StatusCode.FAILED_PRECONDITION.value[0], grpc.StatusCode.NOT_FOUND.value[0]})
_CODES = {code.value[0]: code.name for code in grpc.StatusCode}


class OrdinaryCourier:
    """``every_s`` seconds pass between two positions; 0 sends one when the courier goes online."""

    def __init__(
        self, courier_id: str, channel: grpc.aio.Channel, wallet: Wallet, tally: Tally, seed: int, every_s: float = 0.0
    ) -> None:
        self.courier_id = courier_id
        self.online = asyncio.Event()
        self._stub, self._wallet, self._tally = rpc.CourierServiceStub(channel), wallet, tally
        self._rng, self._every_s = np.random.default_rng([seed, *courier_id.encode()]), every_s
        self._call: Any = None
        self._writing = asyncio.Lock()
        self._number = 0
        self._sent: dict[int, tuple[pb.ConnectRequest, float]] = {}
        self._asked: set[tuple[str, int]] = set()
        self._stopping = False

    async def run(self) -> None:
        """Work until cancelled, through cuts of the stream and restarts of the server."""
        while not self._stopping:
            try:
                await self._connection()
                code = "ended"
            except grpc.aio.AioRpcError as fault:
                code = fault.code().name
            except asyncio.InvalidStateError:
                code = "cut"
            self.online.clear()
            self._tally.refuse("Connect", code)
            await asyncio.sleep(RECONNECT_S)

    def stop(self) -> None:
        """Do not connect again."""
        self._stopping = True

    async def _connection(self) -> None:
        self._number, self._sent, self._asked = 0, {}, set()
        call = self._call = self._stub.Connect(metadata=self._wallet.courier(self.courier_id), wait_for_ready=True)
        pinging: asyncio.Task[None] | None = None
        try:
            await call.write(pb.ConnectRequest(hello=pb.Hello(courier_id=self.courier_id)))
            pinging = asyncio.create_task(self._ping())
            while (response := await call.read()) is not grpc.aio.EOF:
                for message in self._answers(response):
                    await self._send(message)
        finally:
            if pinging is not None:
                pinging.cancel()
                await asyncio.gather(pinging, return_exceptions=True)
            call.cancel()

    async def _send(self, message: pb.ConnectRequest) -> None:
        async with self._writing:
            self._number += 1
            message.number = self._number
            self._sent[self._number] = message, time.perf_counter()
            await self._call.write(message)

    async def _ping(self) -> None:
        await self.online.wait()
        with contextlib.suppress(grpc.aio.AioRpcError, asyncio.InvalidStateError):
            while True:
                await self._send(pb.ConnectRequest(locations=self._batch()))
                if not self._every_s:
                    return
                await asyncio.sleep(self._every_s)

    def _batch(self) -> pb.LocationBatch:
        here = position(self._rng)
        return pb.LocationBatch(latitudes=[here.latitude], longitudes=[here.longitude])

    def _answers(self, response: pb.ConnectResponse) -> Iterator[pb.ConnectRequest]:
        """Yield the messages that follow from one of the server's."""
        match response.WhichOneof("message"):
            case "welcome":
                yield from self._welcomed(response.welcome)
            case "ack":
                self._acknowledged(response.ack.number)
            case "refusal":
                yield from self._refused(response.refusal)
            case "offer":
                self._tally.offered.update(job.job_id for job in response.offer.jobs)
                answer = pb.OfferAnswer(offer_id=response.offer.offer_id, answer=pb.ANSWER_ACCEPT)
                yield pb.ConnectRequest(answer=answer)
            case "job":
                yield from self._step(response.job)

    def _welcomed(self, welcome: pb.Welcome) -> Iterator[pb.ConnectRequest]:
        if welcome.courier.state in (pb.COURIER_STATE_UNSPECIFIED, pb.COURIER_STATE_OFFLINE):
            profile = pb.CourierProfile(vehicle_type=types_pb.VEHICLE_TYPE_CAR, skills=[SKILL])
            yield pb.ConnectRequest(go_online=pb.GoOnline(profile=profile, position=position(self._rng)))
        else:
            self.online.set()
        for job in welcome.jobs:
            yield from self._step(job)

    def _step(self, job: job_pb.Job) -> Iterator[pb.ConnectRequest]:
        step = _NEXT.get(job.state)
        if job.courier_id == self.courier_id and step is not None and (job.job_id, step) not in self._asked:
            self._asked.add((job.job_id, step))
            yield pb.ConnectRequest(progress=pb.Progress(job_id=job.job_id, step=step))

    def _refused(self, refusal: pb.Refusal) -> Iterator[pb.ConnectRequest]:
        """A job that cannot go on is given back."""
        message, _ = self._sent.pop(refusal.number, (pb.ConnectRequest(), 0.0))
        if refusal.status.code not in _RACES:
            self._tally.refuse(f"Connect/{message.WhichOneof('message')}", _CODES[refusal.status.code])
        failed = message.progress.job_id, pb.PROGRESS_STEP_FAILED
        if message.HasField("progress") and failed not in self._asked:
            self._asked.add(failed)
            yield pb.ConnectRequest(progress=pb.Progress(job_id=failed[0], step=failed[1]))

    def _acknowledged(self, number: int) -> None:
        now = time.perf_counter()
        for done in [sent for sent in self._sent if sent <= number]:
            message, sent_s = self._sent.pop(done)
            kind = message.WhichOneof("message")
            self._tally.answered(f"Connect/{kind}", (now - sent_s) * 1000)
            if kind == "go_online":
                self.online.set()
            elif kind == "answer":
                answered = {"courier_id": self.courier_id, "offer_id": message.answer.offer_id, "accepted": True}
                self._tally.journal.append({"kind": "answered", **answered})
            elif kind == "progress":
                self._progressed(message.progress)

    def _progressed(self, progress: pb.Progress) -> None:
        step = pb.ProgressStep.Name(progress.step)
        done = {"courier_id": self.courier_id, "job_id": progress.job_id, "step": step}
        self._tally.journal.append({"kind": "progress", **done})
        if progress.step == pb.PROGRESS_STEP_COMPLETED:
            self._tally.served.add(progress.job_id)
