"""RatingService: rate a job, read a score, ratings received, and the standing of an account."""

from __future__ import annotations

from dispatcher import commands
from dispatcher.decisions import sentences
from dispatcher.log import lookups
from dispatcher.log.store import FROM_THE_END
from dispatcher.market import Market
from dispatcher.market.accounts import level_of
from dispatcher.messages import copied
from dispatcher.times import SECOND, timestamp
from gig.v1 import job_pb2 as job_pb
from gig.v1 import rating_service_pb2 as pb
from ratings.book import Rated
from services.host.market_host import MarketHost
from services.host.past_jobs import past_job
from services.rpc.requests import DEFAULT_PAGE, page_position, page_token, request_of


class RatingService:
    def __init__(self, host: MarketHost) -> None:
        self._host = host

    async def rate_job(self, call: pb.RateJobRequest) -> pb.RateJobResponse:
        request = request_of(call)
        rating = pb.Rating(
            job_id=call.job_id,
            rater=call.rater,
            rater_id=call.rater_id,
            stars=call.stars,
            tags=call.tags,
            comment=call.comment,
        )
        past = await past_job(self._host, call.job_id)
        command = commands.RateJob(request=request, rating=rating, past=past)
        await self._host.submit(command, lambda _market: None)
        found = await lookups.ratings_of_job(await self._host.projected(), self._host.market_id, call.job_id)
        return pb.RateJobResponse(rating=_for_rater(found[call.rater]))

    async def get_score(self, call: pb.GetScoreRequest) -> pb.GetScoreResponse:
        def view(market: Market) -> pb.GetScoreResponse:
            state, now_s = market.state, self._host.clock.now() / SECOND
            book, rules = state.book_of(call.person_id), state.score_rules
            person = book.rated.get(call.person_id, Rated(as_of_s=now_s))
            kept = 1.0 if rules.half_life_s is None else 0.5 ** ((now_s - person.as_of_s) / rules.half_life_s)
            return pb.GetScoreResponse(
                score=pb.Score(
                    person_id=call.person_id,
                    score=book.score(call.person_id, now_s, rules),
                    ratings=person.ratings,
                    weight=person.weight * kept,
                    prior_mean=book.market_mean(rules),
                    prior_weight=rules.prior_weight,
                    excluded=person.excluded,
                )
            )

        return await self._host.read(view)

    async def list_ratings(self, call: pb.ListRatingsRequest) -> pb.ListRatingsResponse:
        before, size = page_position(call.page_token), call.page_size or DEFAULT_PAGE
        found = await lookups.ratings_received(
            await self._host.projected(),
            self._host.market_id,
            call.person_id,
            FROM_THE_END if before is None else before,
            size + 1,
        )
        page = found[:size]
        more = page_token(page[-1][0]) if len(found) > size else ""
        return pb.ListRatingsResponse(ratings=[_for_rated(rating) for _, rating in page], next_page_token=more)

    async def get_standing(self, call: pb.GetStandingRequest) -> pb.GetStandingResponse:
        def view(market: Market) -> pb.GetStandingResponse:
            account = market.state.account(call.person_id)
            found = pb.GetStandingResponse(level=level_of(account.level))
            if account.change is None:
                found.sentence = "Your account is in good standing; nothing was ever decided about it."
                return found
            found.since_time.CopyFrom(timestamp(account.since_us))
            found.contest_by_time.CopyFrom(timestamp(account.contest_by_us))
            found.decision_id = account.decision_id
            found.change.CopyFrom(account.change)
            found.sentence = sentences.standing(account.change)
            return found

        return await self._host.read(view)


def _for_rater(rating: pb.Rating) -> pb.Rating:
    """What who rated may see of it: what they gave, and whether it counts."""
    shown = copied(rating)
    for hidden in ("score_before", "score_after", "decision_id"):
        shown.ClearField(hidden)
    return shown


def _for_rated(rating: pb.Rating) -> pb.Rating:
    """Couriers do not learn which client gave how many stars: the job tells enough to contest it."""
    shown = copied(rating)
    if shown.rater == job_pb.ACTOR_CLIENT:
        shown.ClearField("rater_id")
    return shown
