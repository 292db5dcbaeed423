"""OversightService: the market at a glance, its policy and its zones."""

from __future__ import annotations

from collections.abc import Mapping

from google.protobuf.duration_pb2 import Duration

from dispatcher import commands, policy
from dispatcher.errors import NotFound
from dispatcher.market import Market, MovedCouriers
from dispatcher.measures.fold import AT_PICKUP, FREE, TO_PICKUP, WITH_JOB
from dispatcher.measures.histogram import Histogram
from dispatcher.times import SECOND, duration, timestamp
from gig.v1 import offer_pb2 as offer_pb
from gig.v1 import oversight_service_pb2 as pb
from gig.v1 import types_pb2 as types_pb
from services.host.market_host import MarketHost
from services.rpc.requests import request_of


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
            pay=self._money(sum(measures.pay_minor.values())),
            tax=self._money(measures.tax_minor),
            jobs_placed=sum(measures.jobs_placed.values()),
            courier_free=_seconds(seconds[FREE]),
            courier_to_pickup=_seconds(seconds[TO_PICKUP] + seconds[AT_PICKUP]),
            courier_with_job=_seconds(seconds[WITH_JOB]),
            clock_speed=self._host.clock.speed,
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
        return await self._host.read(lambda market: pb.GetPolicyResponse(policy=market.state.policy))

    async def set_policy(self, call: pb.SetPolicyRequest) -> pb.SetPolicyResponse:
        policy.checked(call.policy)
        request = request_of(call.operator_id, call.request_id, call)
        command = commands.SetPolicy(request=request, policy=call.policy, operator_id=call.operator_id)
        return await self._host.submit(command, lambda market: pb.SetPolicyResponse(policy=market.state.policy))

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

    def _moved(self) -> MovedCouriers:
        return self._host.moved(self._host.market.state.columns.online_numbers())

    def _money(self, minor_units: int) -> types_pb.Money:
        return types_pb.Money(minor_units=minor_units, currency_code=self._host.measures.currency)


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
