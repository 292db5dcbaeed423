"""What people say after a job: stars, tags, tips, contests of what they find unfair; and reviewers who answer."""

from __future__ import annotations

import asyncio
from typing import Any

import grpc
import numpy as np

from gig.v1 import job_pb2 as job_pb
from gig.v1 import oversight_service_pb2 as oversight_pb
from gig.v1 import oversight_service_pb2_grpc as oversight_rpc
from gig.v1 import pay_service_pb2 as pay_pb
from gig.v1 import pay_service_pb2_grpc as pay_rpc
from gig.v1 import policy_pb2 as policy_pb
from gig.v1 import rating_service_pb2 as rating_pb
from gig.v1 import rating_service_pb2_grpc as rating_rpc
from gig.v1 import transparency_service_pb2 as pb
from gig.v1 import transparency_service_pb2_grpc as transparency_rpc
from load_tests.live.clients import CALL_LIMIT_S, is_cut
from load_tests.live.clock import RemoteClock
from load_tests.live.wallet import Wallet

# Shares of jobs that are rated and tipped, and of stars 1 to 5: most ratings on such platforms are fives.
CLIENT_RATES, COURIER_RATES, TIPS = 0.55, 0.35, 0.2
STARS = (0.03, 0.03, 0.07, 0.17, 0.70)
TAGS = ("late_kitchen", "traffic", "price", "late_match", "weather", "app", "friendly", "careful")
SAFETY_SHARE = 0.05
# Couriers who contest a rating of one or two stars; what a human finds, and how often.
CONTESTS, OVERTURNED = 0.5, 0.4
# Of the accounts that a human finds wanting, the share that is restricted; the others are watched.
RESTRICTS = 0.8
AFTER_S = (5.0, 60.0)
REVIEWERS = ("reviewer-1", "reviewer-2", "reviewer-3")
# Wall seconds between looks at the queue of reviews; market seconds for each.
REVIEW_EVERY_S, READING_S = 0.5, (30.0, 240.0)


class Opinions:
    """``tell`` it of completed jobs; ``answer_reviews`` until cancelled."""

    def __init__(self, channel: grpc.aio.Channel, wallet: Wallet, clock: RemoteClock, rng: np.random.Generator) -> None:
        self._wallet = wallet
        self._ratings = rating_rpc.RatingServiceStub(channel)
        self._pay = pay_rpc.PayServiceStub(channel)
        self._transparency = transparency_rpc.TransparencyServiceStub(channel)
        self._oversight = oversight_rpc.OversightServiceStub(channel)
        self._clock, self._rng = clock, rng
        self._tasks: set[asyncio.Task[None]] = set()
        self.failures: dict[str, int] = {}

    def tell(self, job: job_pb.Job, courier_id: str) -> None:
        """A job was just completed."""
        task = asyncio.create_task(self._after(job, courier_id))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def judged(self, decision_id: str, courier_id: str) -> None:
        """A courier was told of a decision about their account: some ask a human to look again."""
        if self._rng.random() < CONTESTS:
            task = asyncio.create_task(self._contest_standing(decision_id, courier_id))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    async def settle(self) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def answer_reviews(self) -> None:
        """Reviewers claim what waits, read it, and decide."""
        await asyncio.gather(*(self._review(name) for name in REVIEWERS))

    async def _after(self, job: job_pb.Job, courier_id: str) -> None:
        rng, job_id, client_id = self._rng, job.job_id, job.client_id
        await self._clock.sleep_until(self._clock.seconds() + rng.uniform(*AFTER_S))
        if rng.random() < CLIENT_RATES:
            rating = await self._rate(job_id, job_pb.ACTOR_CLIENT, client_id)
            if rating is not None and rating.stars <= 2 and rng.random() < CONTESTS:
                await self._contest(courier_id, job_id)
        if rng.random() < COURIER_RATES:
            await self._rate(job_id, job_pb.ACTOR_COURIER, courier_id)
        if rng.random() < TIPS:
            tip = pay_pb.AddTipRequest(
                request_id=f"tip-{job_id}",
                client_id=client_id,
                job_id=job_id,
                minor_units=50 * int(rng.integers(1, 9)),
            )
            # A market may take no tips.
            await self._call(self._pay.AddTip, tip, "client", client_id, expected=True)

    async def _rate(self, job_id: str, side: job_pb.Actor, rater_id: str) -> rating_pb.Rating | None:
        rng = self._rng
        stars = int(rng.choice(5, p=STARS)) + 1
        tags = [str(rng.choice(TAGS))] if rng.random() < 0.4 else []
        if stars == 1 and rng.random() < SAFETY_SHARE:
            tags = ["safety"]
        request = rating_pb.RateJobRequest(
            request_id=f"rate-{side}-{job_id}", job_id=job_id, rater=side, rater_id=rater_id, stars=stars, tags=tags
        )
        role = "client" if side == job_pb.ACTOR_CLIENT else "courier"
        answer = await self._call(self._ratings.RateJob, request, role, rater_id)
        return answer.rating if answer is not None else None

    async def _contest(self, courier_id: str, job_id: str) -> None:
        """The newest decision about a rating of this job."""
        asked = pb.ListDecisionsRequest(person_id=courier_id, page_size=50)
        found = await self._call(self._transparency.ListDecisions, asked, "courier", courier_id)
        for decision in found.decisions if found is not None else ():
            if decision.kind == pb.DECISION_KIND_SCORE and decision.job_id == job_id:
                request = pb.ContestDecisionRequest(
                    request_id=f"contest-{decision.decision_id}",
                    person_id=courier_id,
                    decision_id=decision.decision_id,
                    statement="the trip went as agreed",
                )
                await self._call(self._transparency.ContestDecision, request, "courier", courier_id)
                return

    async def _contest_standing(self, decision_id: str, courier_id: str) -> None:
        await self._clock.sleep_until(self._clock.seconds() + self._rng.uniform(*AFTER_S))
        request = pb.ContestDecisionRequest(
            request_id=f"contest-{decision_id}",
            person_id=courier_id,
            decision_id=decision_id,
            statement="the ratings behind it were for traffic and late kitchens",
        )
        # It may have been taken back meanwhile.
        await self._call(self._transparency.ContestDecision, request, "courier", courier_id, expected=True)

    async def _review(self, reviewer_id: str) -> None:
        rng, count = self._rng, 0
        while True:
            await asyncio.sleep(REVIEW_EVERY_S)
            count += 1
            name = f"{reviewer_id}-{self._clock.micros(self._clock.seconds())}-{count}"
            request = oversight_pb.ClaimReviewRequest(request_id=f"claim-{name}", reviewer_id=reviewer_id)
            claimed = await self._call(self._oversight.ClaimReview, request, "reviewer", reviewer_id, expected=True)
            if claimed is None:
                continue
            await self._clock.sleep_until(self._clock.seconds() + rng.uniform(*READING_S))
            overturned = rng.random() < OVERTURNED
            standing = claimed.review.kind == pb.REVIEW_KIND_STANDING
            decision = oversight_pb.DecideReviewRequest(
                request_id=f"decide-{name}",
                reviewer_id=reviewer_id,
                review_id=claimed.review.review_id,
                outcome=pb.REVIEW_OUTCOME_OVERTURNED if overturned else pb.REVIEW_OUTCOME_UPHELD,
                reason="read the decision and its inputs, and compared them with the job's times",
            )
            if standing and not overturned:
                restricted = rng.random() < RESTRICTS
                decision.level = policy_pb.STANDING_LEVEL_RESTRICTED if restricted else policy_pb.STANDING_LEVEL_WATCH
            if claimed.review.kind == pb.REVIEW_KIND_CONTEST and overturned:
                decision.compensation_minor_units = 200
            await self._call(self._oversight.DecideReview, decision, "reviewer", reviewer_id, expected=True)

    async def _call(
        self, method: grpc.aio.UnaryUnaryMultiCallable, request: Any, role: str, name: str, *, expected: bool = False
    ) -> Any:
        """The answer, or None where it was refused; ``expected``: a refusal is nothing to note."""
        try:
            return await method(request, timeout=CALL_LIMIT_S, metadata=self._wallet.of(role, name))
        except grpc.aio.AioRpcError as fault:
            if not expected and not is_cut(fault):
                text = f"{fault.code().name}: {fault.details()}"
                self.failures[text] = self.failures.get(text, 0) + 1
            return None
