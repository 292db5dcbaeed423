"""RatingService: rate a job, read a score."""

from __future__ import annotations

from dispatcher import commands
from dispatcher.market import Market
from dispatcher.times import SECOND, span
from gig.v1 import rating_service_pb2 as pb
from ratings.score import Score
from services.host.market_host import MarketHost
from services.rpc.requests import request_of


class RatingService:
    def __init__(self, host: MarketHost) -> None:
        self._host = host

    async def rate_job(self, call: pb.RateJobRequest) -> pb.RateJobResponse:
        request = request_of(call.rater_id, call.request_id, call)
        rating = pb.Rating(
            job_id=call.job_id,
            rater=call.rater,
            rater_id=call.rater_id,
            stars=call.stars,
            tags=call.tags,
            comment=call.comment,
        )

        def view(market: Market) -> pb.RateJobResponse:
            job = market.state.job(call.job_id)
            rated = job.courier_id if call.rater_id == job.client_id else job.client_id
            rating.rated_id = rated
            rating.rate_time.FromMicroseconds(market.state.requests[request.key][1])
            return pb.RateJobResponse(rating=rating)

        return await self._host.submit(commands.RateJob(request=request, rating=rating), view)

    async def get_score(self, call: pb.GetScoreRequest) -> pb.GetScoreResponse:
        def view(market: Market) -> pb.GetScoreResponse:
            policy = market.state.policy.ratings
            score = market.state.scores.get(call.person_id, Score())
            half_life = span(policy.half_life) / SECOND if policy.HasField("half_life") else None
            now_s = self._host.clock.now() / SECOND
            return pb.GetScoreResponse(
                score=pb.Score(
                    person_id=call.person_id,
                    score=score.mean(now_s, half_life, policy.prior_mean, policy.prior_weight),
                    ratings=score.ratings,
                    weight=score.weight,
                    prior_mean=policy.prior_mean,
                    prior_weight=policy.prior_weight,
                )
            )

        return await self._host.read(view)
