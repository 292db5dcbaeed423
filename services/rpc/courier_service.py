"""CourierService: the unary calls; the stream is in courier_stream."""

from __future__ import annotations

import grpc

from dispatcher import commands
from dispatcher.decisions.privacy import offer_for_courier
from dispatcher.errors import InvalidField, WrongState
from dispatcher.market import Market
from dispatcher.messages import copied
from gig.v1 import courier_service_pb2 as pb
from services.auth import access
from services.auth.caller import COURIER
from services.auth.limits import Limits
from services.host.locations import Waiting
from services.host.market_host import MarketHost
from services.host.position_faults import Refused, positions
from services.host.positions import Reading
from services.rpc.courier_stream import CourierStream
from services.rpc.progress import progress_command
from services.rpc.requests import request_of


class CourierService:
    def __init__(self, host: MarketHost, limits: Limits) -> None:
        self._host, self._limits = host, limits

    async def connect(self, context: grpc.aio.ServicerContext) -> None:
        await CourierStream(self._host, self._limits, context).run()

    async def go_online(self, call: pb.GoOnlineRequest) -> pb.GoOnlineResponse:
        request = request_of(call)
        command = commands.GoOnline(request=request, courier_id=call.courier_id, online=call.online)
        reading = Reading.of(call.online, self._host.clock.now())
        courier = await self._courier_after(command, call.courier_id)
        if reading is not None:
            self._host.positions.read_clock(call.courier_id, reading, first=True)
        return pb.GoOnlineResponse(courier=courier)

    async def go_offline(self, call: pb.GoOfflineRequest) -> pb.GoOfflineResponse:
        request = request_of(call)
        command = commands.GoOffline(request=request, courier_id=call.courier_id, reason=call.offline.reason)
        return pb.GoOfflineResponse(courier=await self._courier_after(command, call.courier_id))

    async def answer_offer(self, call: pb.AnswerOfferRequest) -> pb.AnswerOfferResponse:
        self._hear(call.courier_id)
        request = request_of(call)
        command = commands.AnswerOffer(request=request, courier_id=call.courier_id, answer=call.answer)

        def view(market: Market) -> pb.AnswerOfferResponse:
            closed = market.state.closed_offers.get(call.answer.offer_id)
            taken = closed.job_ids if closed is not None and call.answer.answer == pb.ANSWER_ACCEPT else ()
            found = [market.state.jobs[job_id] for job_id in taken if job_id in market.state.jobs]
            return pb.AnswerOfferResponse(
                jobs=[job for job in found if job.courier_id == call.courier_id],
                courier=market.courier_view(call.courier_id),
            )

        return await self._host.submit(command, view)

    async def set_destination(self, call: pb.SetDestinationRequest) -> pb.SetDestinationResponse:
        request = request_of(call)
        destination = call.destination if call.HasField("destination") else None
        command = commands.SetDestination(request=request, courier_id=call.courier_id, destination=destination)
        return pb.SetDestinationResponse(courier=await self._courier_after(command, call.courier_id))

    async def report_progress(self, call: pb.ReportProgressRequest) -> pb.ReportProgressResponse:
        self._hear(call.courier_id)
        request = request_of(call)
        command = progress_command(self._host, request, call.courier_id, call.progress)

        def view(market: Market) -> pb.ReportProgressResponse:
            job = market.state.jobs.get(call.progress.job_id)
            return pb.ReportProgressResponse(job=copied(job) if job is not None else None)

        return await self._host.submit(command, view)

    async def report_locations(self, call: pb.ReportLocationsRequest) -> pb.ReportLocationsResponse:
        self._limits.pings(call.courier_id, positions(call.locations))
        host = self._host
        self._hear(call.courier_id)
        courier = host.market.state.courier(call.courier_id)
        if courier.state == pb.COURIER_STATE_OFFLINE:
            raise WrongState("COURIER_OFFLINE", "the courier is offline", courier_id=call.courier_id)
        refusals: list[Refused] = []
        number = host.market.state.numbers[call.courier_id]
        host.positions.intake.add(Waiting(number, call.locations, host.clock.now() // 1000, refusals.append))
        host.positions.intake.drain()
        if not refusals:
            return pb.ReportLocationsResponse(accepted=len(call.locations.latitudes))
        if not refusals[0].accepted:
            raise InvalidField(*refusals[0].fields[0])
        return pb.ReportLocationsResponse(accepted=refusals[0].accepted, refused=refusals[0].positions())

    async def get_courier(self, call: pb.GetCourierRequest) -> pb.GetCourierResponse:
        def view(market: Market) -> pb.GetCourierResponse:
            courier = market.courier_view(call.courier_id)
            offer = market.state.offers.get(courier.offer_id)
            return pb.GetCourierResponse(
                courier=courier,
                offer=offer_for_courier(offer) if offer is not None else None,
                jobs=[market.state.jobs[job_id] for job_id in courier.job_ids],
                live_position=self._host.positions.live(call.courier_id),
            )

        if access.current().role == COURIER:
            self._hear(call.courier_id)
        return await self._host.read(view)

    def _hear(self, courier_id: str) -> None:
        """A call by the courier is a sign of life; no position follows from it."""
        self._host.positions.hear(courier_id)

    async def _courier_after(self, command: commands.Command, courier_id: str) -> pb.Courier:
        self._hear(courier_id)
        return await self._host.submit(command, lambda market: market.courier_view(courier_id))
