"""OversightService: the market at a glance, its policy and its zones."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from google.protobuf.duration_pb2 import Duration

from dispatcher import commands, policy
from dispatcher.decisions.explain import explain
from dispatcher.errors import NotFound
from dispatcher.log import lookups
from dispatcher.log.store import FROM_THE_END
from dispatcher.market import Market, MovedCouriers
from dispatcher.measures import Measures
from dispatcher.measures.fold import AT_PICKUP, FREE, TO_PICKUP, WITH_JOB
from dispatcher.measures.histogram import Histogram
from dispatcher.pricing.surge import NONE_PERCENT, SCALE
from dispatcher.times import SECOND, duration, micros, span, timestamp
from geo.cells import cell_name
from gig.v1 import offer_pb2 as offer_pb
from gig.v1 import oversight_service_pb2 as pb
from gig.v1 import transparency_service_pb2 as transparency_pb
from gig.v1 import types_pb2 as types_pb
from services.host.market_host import MarketHost
from services.rpc.requests import DEFAULT_PAGE, page_position, page_token, request_of
from services.rpc.reviews import blind

SURGE_SHOWN = 100


class OversightService:
    def __init__(self, host: MarketHost) -> None:
        self._host = host

    async def get_market(self, call: pb.GetMarketRequest) -> pb.GetMarketResponse:  # noqa: ARG002 - asks for all
        measures, now = self._host.measures, self._host.clock.now()
        seconds = measures.courier_seconds_until(now)
        offers = dict(measures.offers) | {"open": len(measures.open_offers)}
        view = pb.MarketView(
            market_id=self._host.market_id,
            time=timestamp(now),
            sequence=measures.sequence,
            policy_version=measures.policy_version,
            jobs=_counts(measures.jobs_by_state()),
            couriers=_counts(measures.couriers_by_state()),
            offers=_counts(offers),
            wait_for_accept=_distribution(measures.wait_for_accept),
            wait_for_pickup=_distribution(measures.wait_for_pickup),
            fares=self._money(measures.fares_minor),
            pay=self._money(sum(measures.pay_minor.values()) - measures.pay_minor["tip"]),
            tax=self._money(measures.tax_minor),
            jobs_placed=sum(measures.jobs_placed.values()),
            courier_free=_seconds(seconds[FREE]),
            courier_to_pickup=_seconds(seconds[TO_PICKUP] + seconds[AT_PICKUP]),
            courier_with_job=_seconds(seconds[WITH_JOB]),
            clock_speed=self._host.clock.speed,
            decisions=_decisions(measures),
            reviews=self._reviews(),
            surge=self._surge(),
        )
        if measures.last_round:
            last = measures.last_round
            view.last_round.CopyFrom(
                pb.LastRound(
                    sequence=last["sequence"],
                    time=timestamp(last["time_us"]),
                    jobs=last["jobs"],
                    couriers=last["couriers"],
                    offers=last["offers"],
                    held=last["held"],
                    bundled=last["bundled"],
                    stranded=self._host.stranded,
                    unmatched_gates=[
                        offer_pb.GateCount(gate=f"GATE_{name.upper()}", removed=min(removed, 2**32 - 1))
                        for name, removed in measures.unmatched_gates.items()
                    ],
                )
            )
        return pb.GetMarketResponse(market=view)

    async def get_policy(self, call: pb.GetPolicyRequest) -> pb.GetPolicyResponse:  # noqa: ARG002 - there is one
        return await self._host.read(
            lambda market: pb.GetPolicyResponse(policy=market.state.policy, announced=market.state.announced)
        )

    async def set_policy(self, call: pb.SetPolicyRequest) -> pb.SetPolicyResponse:
        policy.checked(call.policy)
        request = request_of(call.operator_id, call.request_id, call)
        effective = micros(call.effective_time) if call.HasField("effective_time") else None
        command = commands.SetPolicy(
            request=request, policy=call.policy, operator_id=call.operator_id, effective_us=effective
        )

        def view(market: Market) -> pb.SetPolicyResponse:
            announced = market.state.announced
            if announced is not None:
                return pb.SetPolicyResponse(policy=announced.policy, effective_time=announced.effective_time)
            return pb.SetPolicyResponse(policy=market.state.policy, effective_time=timestamp(self._host.clock.now()))

        return await self._host.submit(command, view)

    async def get_zones(self, call: pb.GetZonesRequest) -> pb.GetZonesResponse:  # noqa: ARG002 - there is one set
        return await self._host.read(lambda market: pb.GetZonesResponse(geojson=market.state.zones_geojson))

    async def set_zones(self, call: pb.SetZonesRequest) -> pb.SetZonesResponse:
        request = request_of(call.operator_id, call.request_id, call)
        command = commands.SetZones(request=request, geojson=call.geojson, operator_id=call.operator_id)

        def view(market: Market) -> pb.SetZonesResponse:
            return pb.SetZonesResponse(zones=len(market.state.zones.zones))

        return await self._host.submit(command, view)

    async def set_block(self, call: pb.SetBlockRequest) -> pb.SetBlockResponse:
        command = commands.SetBlock(
            request=request_of(call.operator_id, call.request_id, call),
            client_id=call.client_id,
            courier_id=call.courier_id,
            blocked=call.blocked,
            operator_id=call.operator_id,
            reason=call.reason,
        )
        return await self._host.submit(command, lambda _market: pb.SetBlockResponse())

    async def get_queue(self, call: pb.GetQueueRequest) -> pb.GetQueueResponse:
        def view(market: Market) -> pb.GetQueueResponse:
            if call.zone not in market.state.zones.queue_names:
                raise NotFound("queue zone", call.zone)
            queue = market.state.zone_queues.get(call.zone, {})
            return pb.GetQueueResponse(places=[market.queue_place(call.zone, courier_id) for courier_id in queue])

        return await self._host.read(view)

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

    async def open_review(self, call: pb.OpenReviewRequest) -> pb.OpenReviewResponse:
        request = request_of(call.operator_id, call.request_id, call)
        command = commands.OpenReview(
            request=request, operator_id=call.operator_id, subject_id=call.subject_id, statement=call.statement
        )
        return pb.OpenReviewResponse(review=await self._review_after(command))

    async def claim_review(self, call: pb.ClaimReviewRequest) -> pb.ClaimReviewResponse:
        """With the evidence: the decision in question, explained."""
        request = request_of(call.reviewer_id, call.request_id, call)
        command = commands.ClaimReview(request=request, reviewer_id=call.reviewer_id, review_id=call.review_id)
        review = await self._review_after(command)
        found = await lookups.decision(await self._host.projected(), self._host.market_id, review.decision_id)
        within = span(self._host.market.state.policy.standing.contest_within)
        return pb.ClaimReviewResponse(
            review=review,
            decision=explain(found.event, found.decision_id, review.subject_id, within) if found is not None else None,
        )

    async def decide_review(self, call: pb.DecideReviewRequest) -> pb.DecideReviewResponse:
        request = request_of(call.reviewer_id, call.request_id, call)
        command = commands.DecideReview(
            request=request,
            reviewer_id=call.reviewer_id,
            review_id=call.review_id,
            outcome=call.outcome,
            reason=call.reason,
            level=call.level,
            compensation_minor_units=call.compensation_minor_units,
        )
        return pb.DecideReviewResponse(review=await self._review_after(command))

    async def _review_after(self, command: commands.Command) -> transparency_pb.Review:
        """The review that a command was about: as it waits, or, once decided, from the tables."""

        def view(market: Market) -> transparency_pb.Review | str:
            review_id = market.subject(command.request) or ""
            review = market.state.reviews.get(review_id)
            return blind(review) if review is not None else review_id

        found = await self._host.submit(command, view)
        if isinstance(found, transparency_pb.Review):
            return found
        review = await lookups.get_review(await self._host.projected(), self._host.market_id, found)
        if review is None:
            raise NotFound("review", found)
        return review

    def _reviews(self) -> pb.ReviewWork:
        work = self._host.measures.reviews
        hours = work.seconds / 3600
        kappa = work.kappa()
        return pb.ReviewWork(
            opened=work.opened,
            decided=work.decided,
            opinions=work.opinions,
            overturned=work.overturned,
            time_spent=_seconds(work.seconds),
            pay=self._money(work.pay_minor),
            pay_per_hour=self._money(round(work.pay_minor / hours) if hours else 0),
            second_opinion_rate=work.second_opinions / work.decided if work.decided else 0.0,
            kappa=kappa,
        )

    def _surge(self) -> list[pb.CellSurge]:
        field = self._host.market.state.surge
        order = np.argsort(-field.percent, kind="stable")
        chosen = order[field.percent[order] != NONE_PERCENT][:SURGE_SHOWN]
        return [
            pb.CellSurge(
                cell=cell_name(int(field.cells[row])),
                multiplier_percent=int(field.percent[row]),
                demand=int(field.demand[row]) / SCALE,
                supply=int(field.supply[row]) / SCALE,
            )
            for row in chosen.tolist()
        ]

    def _moved(self) -> MovedCouriers:
        return self._host.moved(self._host.market.state.columns.online_numbers())

    def _money(self, minor_units: int) -> types_pb.Money:
        return types_pb.Money(minor_units=minor_units, currency_code=self._host.measures.currency)


def _decisions(measures: Measures) -> list[pb.DecisionCount]:
    """By kind, with the automation rate: the share that no human took."""
    kinds = sorted({name.partition("/")[0] for name in measures.decisions})
    found = []
    for kind in kinds:
        rule, solver, human = (measures.decisions[f"{kind}/{decider}"] for decider in ("rule", "solver", "human"))
        rate = (rule + solver) / max(rule + solver + human, 1)
        found.append(pb.DecisionCount(kind=kind, by_rule=rule, by_solver=solver, by_human=human, automation_rate=rate))
    return found


def _counts(counts: Mapping[str, int]) -> list[pb.StateCount]:
    return [pb.StateCount(state=state, count=count) for state, count in sorted(counts.items())]


def _distribution(histogram: Histogram) -> pb.Distribution:
    return pb.Distribution(
        count=histogram.count,
        mean=_seconds(histogram.mean),
        p50=_seconds(histogram.quantile(0.5)),
        p90=_seconds(histogram.quantile(0.9)),
    )


def _seconds(seconds: float) -> Duration:
    return duration(round(seconds * SECOND))
