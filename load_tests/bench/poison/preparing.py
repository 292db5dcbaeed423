"""The state that a sound message needs: a job to cancel, an offer to answer, a review that its reviewer has claimed."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

import grpc
import numpy as np

from gig.v1 import courier_service_pb2 as courier_pb
from gig.v1 import courier_service_pb2_grpc as courier_rpc
from gig.v1 import job_service_pb2 as job_pb
from gig.v1 import job_service_pb2_grpc as job_rpc
from gig.v1 import oversight_service_pb2 as oversight_pb
from gig.v1 import oversight_service_pb2_grpc as oversight_rpc
from gig.v1 import types_pb2 as types_pb
from load_tests.fuzz.world import PEOPLE
from load_tests.live.wallet import Wallet
from load_tests.ordinary import city
from services.auth.caller import CLIENT, COURIER, OPERATOR

LIMIT_S, LOOK_S, OFFER_LIMIT_S = 20.0, 0.05, 5.0


class Preparing:
    """Each method returns when the state is there; where it cannot be made, the message is sent without it.

    ``settle`` puts a policy in force under which offers are made.
    """

    def __init__(
        self,
        channel: grpc.aio.Channel,
        wallet: Wallet,
        rng: np.random.Generator,
        settle: Callable[[], Awaitable[object]],
    ) -> None:
        self._settle = settle
        self._wallet, self._rng, self._numbers = wallet, rng, itertools.count(int(rng.integers(1 << 40)))
        self._jobs, self._couriers = job_rpc.JobServiceStub(channel), courier_rpc.CourierServiceStub(channel)
        self._oversight = oversight_rpc.OversightServiceStub(channel)
        self._calls: Mapping[str, Callable[[Any, str], Awaitable[None]]] = {
            "JobService/CancelJob": self._job_to_cancel,
            "OversightService/DecideReview": self._claimed_review,
            "CourierService/AnswerOffer": self._offer,
            "CourierService/ReportProgress": self._held_job,
            "CourierService/GoOnline": self._offline,
        }
        self._arms: Mapping[str, Callable[[Any, str], Awaitable[None]]] = {
            "answer": self._offer,
            "progress": self._held_job,
        }

    async def call(self, path: str, message: Any, person_id: str) -> None:
        """Prepare for a single call of a method."""
        prepare = self._calls.get(path)
        if prepare is not None:
            await prepare(message, person_id)

    async def streamed(self, arm: str, message: Any, courier_id: str) -> None:
        """Prepare for a message of a courier's stream."""
        prepare = self._arms.get(arm)
        if prepare is not None:
            await prepare(message, courier_id)

    def _id(self) -> str:
        return f"prepared-{next(self._numbers)}"

    async def _job_to_cancel(self, message: Any, client_id: str) -> None:
        message.job_id = await self._place(client_id, "nobody_has_this_skill")

    async def _claimed_review(self, message: Any, reviewer_id: str) -> None:
        operator, subject = PEOPLE[OPERATOR][0], PEOPLE[COURIER][int(self._rng.integers(len(PEOPLE[COURIER])))]
        asked = oversight_pb.OpenReviewRequest(
            request_id=self._id(), operator_id=operator, subject_id=subject, statement="asked by a test"
        )
        try:
            opened = await self._oversight.OpenReview(asked, metadata=self._wallet.operator(operator), timeout=LIMIT_S)
            message.review_id = opened.review.review_id
            claim = oversight_pb.ClaimReviewRequest(
                request_id=self._id(), reviewer_id=reviewer_id, review_id=message.review_id
            )
            metadata = self._wallet.reviewer(reviewer_id)
            await self._oversight.ClaimReview(claim, metadata=metadata, timeout=LIMIT_S)
        except grpc.aio.AioRpcError:
            return

    async def _offline(self, _message: Any, courier_id: str) -> None:
        request = courier_pb.GoOfflineRequest(request_id=self._id(), courier_id=courier_id)
        try:
            await self._couriers.GoOffline(request, metadata=self._wallet.courier(courier_id), timeout=LIMIT_S)
        except grpc.aio.AioRpcError:
            return  # offline already

    async def _offer(self, message: Any, courier_id: str) -> None:
        message.answer.offer_id = await self._offered(courier_id) or "none"

    async def _held_job(self, message: Any, courier_id: str) -> None:
        offer_id = await self._offered(courier_id)
        answer = courier_pb.OfferAnswer(offer_id=offer_id or "none", answer=courier_pb.ANSWER_ACCEPT)
        request = courier_pb.AnswerOfferRequest(request_id=self._id(), courier_id=courier_id, answer=answer)
        try:
            answered = await self._couriers.AnswerOffer(
                request, metadata=self._wallet.courier(courier_id), timeout=LIMIT_S
            )
        except grpc.aio.AioRpcError:
            return
        if answered.jobs:
            message.progress.job_id = answered.jobs[0].job_id
            message.progress.step = courier_pb.PROGRESS_STEP_ARRIVED

    async def _offered(self, courier_id: str) -> str:
        """The id of an offer to this courier, made by a round for a job that only they can do."""
        skill = f"only_{next(self._numbers)}"
        profile = courier_pb.CourierProfile(vehicle_type=types_pb.VEHICLE_TYPE_CAR, skills=[skill])
        online = courier_pb.GoOnline(profile=profile, position=city.position(self._rng))
        request = courier_pb.GoOnlineRequest(request_id=self._id(), courier_id=courier_id, online=online)
        metadata = self._wallet.courier(courier_id)
        await self._settle()
        await self._offline(None, courier_id)
        try:
            await self._couriers.GoOnline(request, metadata=metadata, timeout=LIMIT_S)
            await self._place(PEOPLE[CLIENT][0], skill)
            for _ in range(round(OFFER_LIMIT_S / LOOK_S)):
                asked = courier_pb.GetCourierRequest(courier_id=courier_id)
                found = await self._couriers.GetCourier(asked, metadata=metadata, timeout=LIMIT_S)
                if found.courier.offer_id:
                    return str(found.courier.offer_id)
                await asyncio.sleep(LOOK_S)
        except grpc.aio.AioRpcError:
            return ""
        return ""

    async def _place(self, client_id: str, skill: str) -> str:
        request = job_pb.PlaceJobRequest(request_id=self._id(), client_id=client_id, spec=city.job(self._rng, skill))
        try:
            placed = await self._jobs.PlaceJob(request, metadata=self._wallet.client(client_id), timeout=LIMIT_S)
        except grpc.aio.AioRpcError:
            return "none"
        return str(placed.job.job_id)
