"""OversightService: the market at a glance, its policy and its zones."""

from __future__ import annotations

import asyncio

from dispatcher import commands, policy
from dispatcher.currencies import digits_of
from dispatcher.decisions.explain import explain
from dispatcher.errors import NotFound
from dispatcher.log import lookups
from dispatcher.log.store import FROM_THE_END
from dispatcher.market import Market, MovedCouriers
from dispatcher.market.queue_views import queue_place
from dispatcher.market.zone_queue import ZoneQueue
from dispatcher.times import micros, timestamp
from geo.faults import MOST_NAMED
from gig.v1 import oversight_service_pb2 as pb
from gig.v1 import transparency_service_pb2 as transparency_pb
from services.auth import access
from services.auth.caller import COURIER
from services.host.attention import attention
from services.host.market_host import MarketHost
from services.host.zones import ZoneReader
from services.rpc.market_view import market_view
from services.rpc.requests import DEFAULT_PAGE, page_position, page_token, request_of
from services.rpc.reviews import blind


class OversightService:
    def __init__(self, host: MarketHost, zone_reader: ZoneReader) -> None:
        self._host, self._zone_reader = host, zone_reader

    async def get_market(self, call: pb.GetMarketRequest) -> pb.GetMarketResponse:  # noqa: ARG002 - asks for all
        return pb.GetMarketResponse(market=market_view(self._host))

    async def get_policy(self, call: pb.GetPolicyRequest) -> pb.GetPolicyResponse:  # noqa: ARG002 - there is one
        return await self._host.read(
            lambda market: pb.GetPolicyResponse(
                policy=market.state.policy,
                announced=market.state.announced,
                currency_digits=digits_of(market.state.policy.currency_code),
            )
        )

    async def set_policy(self, call: pb.SetPolicyRequest) -> pb.SetPolicyResponse:
        policy.checked(call.policy)
        request = request_of(call)
        effective = micros(call.effective_time) if call.HasField("effective_time") else None
        command = commands.SetPolicy(
            request=request, policy=call.policy, operator_id=call.operator_id, effective_us=effective
        )

        def view(market: Market) -> pb.SetPolicyResponse:
            announced = market.state.announced
            if announced is not None and announced.policy == call.policy:
                return pb.SetPolicyResponse(policy=announced.policy, effective_time=announced.effective_time)
            return pb.SetPolicyResponse(policy=market.state.policy, effective_time=timestamp(self._host.clock.now()))

        return await self._host.submit(command, view)

    async def get_zones(self, call: pb.GetZonesRequest) -> pb.GetZonesResponse:  # noqa: ARG002 - there is one set
        return await self._host.read(lambda market: pb.GetZonesResponse(geojson=market.state.zones_geojson))

    async def set_zones(self, call: pb.SetZonesRequest) -> pb.SetZonesResponse:
        request = request_of(call)
        zones = await self._zone_reader.read(call.geojson)
        command = commands.SetZones(request=request, geojson=call.geojson, operator_id=call.operator_id)

        def view(market: Market) -> pb.SetZonesResponse:
            return pb.SetZonesResponse(zones=len(market.state.zones.zones), repairs=zones.repairs[:MOST_NAMED])

        return await self._host.submit(command, view)

    async def set_block(self, call: pb.SetBlockRequest) -> pb.SetBlockResponse:
        command = commands.SetBlock(
            request=request_of(call),
            client_id=call.client_id,
            courier_id=call.courier_id,
            blocked=call.blocked,
            operator_id=call.operator_id,
            reason=call.reason,
        )
        return await self._host.submit(command, lambda _market: pb.SetBlockResponse())

    async def get_queue(self, call: pb.GetQueueRequest) -> pb.GetQueueResponse:
        """For couriers without the names of the others."""
        caller = access.current()

        def view(market: Market) -> ZoneQueue:
            if call.zone not in market.state.zones.queue_numbers:
                raise NotFound("queue zone", call.zone)
            return market.state.zone_queues.get(call.zone, ZoneQueue()).copy()

        found, queue = pb.GetQueueResponse(), await self._host.read(view)
        for courier_id in queue:
            place = queue_place(call.zone, courier_id, queue)
            if caller.role == COURIER and place.courier_id != caller.person_id:
                place.ClearField("courier_id")
            found.places.append(place)
            # Each place has as many ranks as couriers have left: others go on in between.
            await asyncio.sleep(0)
        return found

    async def check_plan(self, call: pb.CheckPlanRequest) -> pb.CheckPlanResponse:
        now = self._host.clock.now()
        return await self._host.read(lambda market: market.check_plan(call.courier_id, call.stops, self._moved(), now))

    async def list_reviews(self, call: pb.ListReviewsRequest) -> pb.ListReviewsResponse:
        """Those that wait, the most urgent first; or all, newest first."""
        size = call.page_size or DEFAULT_PAGE
        if call.decided:
            before = page_position(call.page_token)
            place = FROM_THE_END if before is None else before
            found = await lookups.list_reviews(await self._host.projected(), self._host.market_id, place, size + 1)
            more = page_token(found[size - 1][0]) if len(found) > size else ""
            return pb.ListReviewsResponse(reviews=[review for _, review in found[:size]], next_page_token=more)
        skip = page_position(call.page_token) or 0

        def view(market: Market) -> pb.ListReviewsResponse:
            waiting = sorted(market.state.reviews.values(), key=lambda review: micros(review.answer_by_time))
            more = page_token(skip + size) if len(waiting) > skip + size else ""
            shown = [blind(review) for review in waiting[skip : skip + size]]
            return pb.ListReviewsResponse(reviews=shown, next_page_token=more)

        return await self._host.read(view)

    async def list_attention(self, call: pb.ListAttentionRequest) -> pb.ListAttentionResponse:
        """Return what needs an operator's attention now, the oldest first."""
        size, skip = call.page_size or DEFAULT_PAGE, page_position(call.page_token) or 0
        found = [item for item in attention(self._host) if call.kind in (pb.ATTENTION_KIND_UNSPECIFIED, item.kind)]
        more = page_token(skip + size) if len(found) > skip + size else ""
        return pb.ListAttentionResponse(items=found[skip : skip + size], next_page_token=more)

    async def open_review(self, call: pb.OpenReviewRequest) -> pb.OpenReviewResponse:
        request = request_of(call)
        command = commands.OpenReview(
            request=request, operator_id=call.operator_id, subject_id=call.subject_id, statement=call.statement
        )
        return pb.OpenReviewResponse(review=await self._review_after(command))

    async def claim_review(self, call: pb.ClaimReviewRequest) -> pb.ClaimReviewResponse:
        """With the evidence: the decision in question, explained."""
        request = request_of(call)
        command = commands.ClaimReview(
            request=request,
            reviewer_id=call.reviewer_id,
            review_id=call.review_id,
            part_of=await self._part_of(call.reviewer_id, call.review_id),
        )
        review = await self._review_after(command)
        pool, market_id = await self._host.projected(), self._host.market_id
        found = await lookups.decision(pool, market_id, review.decision_id, review.subject_id)
        standing = self._host.market.state.policy.standing
        return pb.ClaimReviewResponse(
            review=review,
            decision=explain(found.event, found.decision_id, review.subject_id, standing)
            if found is not None
            else None,
        )

    async def decide_review(self, call: pb.DecideReviewRequest) -> pb.DecideReviewResponse:
        request = request_of(call)
        command = commands.DecideReview(
            request=request,
            reviewer_id=call.reviewer_id,
            review_id=call.review_id,
            outcome=call.outcome,
            reason=call.reason,
            level=call.level,
            compensation_minor_units=call.compensation_minor_units,
            part_of=await self._part_of(call.reviewer_id, call.review_id),
        )
        return pb.DecideReviewResponse(review=await self._review_after(command))

    async def _part_of(self, reviewer_id: str, review_id: str) -> frozenset[str]:
        """Return the open reviews, or the one that is named, about something that the reviewer was part of."""
        pool, reviews = await self._host.projected(), self._host.market.state.reviews
        asked = [review for name, review in reviews.items() if review_id in ("", name)]
        return await lookups.part_of_reviews(pool, self._host.market_id, reviewer_id, asked)

    async def _review_after(self, command: commands.Command) -> transparency_pb.Review:
        """The review that a command was about: as it waits, or, once decided, from the tables."""

        def view(market: Market) -> transparency_pb.Review | str:
            review_id = market.subject(command.request) or ""
            review = market.state.reviews.get(review_id)
            return blind(review) if review is not None else review_id

        found = await self._host.submit(command, view)
        review: transparency_pb.Review | None
        if isinstance(found, transparency_pb.Review):
            review = found
        else:
            review = await lookups.get_review(await self._host.projected(), self._host.market_id, found)
        if review is None:
            raise NotFound("review", found)
        access.look(review.subject_id)
        return review

    def _moved(self) -> MovedCouriers:
        return self._host.positions.moved(self._host.market.state.columns.online_numbers())
