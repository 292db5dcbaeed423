"""One courier's stream: hello, then messages up handled in order and acknowledged, messages down from the session."""

from __future__ import annotations

import asyncio
import contextlib

import grpc
from google.rpc import status_pb2

from dispatcher import commands
from dispatcher.decisions.privacy import offer_for_courier
from dispatcher.errors import DispatchError, Exhausted
from dispatcher.market import Market
from gig.v1 import courier_service_pb2 as pb
from services.auth import access
from services.auth.limits import Limits
from services.host.locations import LARGEST_BATCH, Waiting
from services.host.market_host import MarketHost
from services.host.sessions import SPREAD, CourierSession, Stream
from services.rpc import errors
from services.rpc.requests import named_request

# Locations are acknowledged together, this often.
ACK_EVERY_S = 0.05
SLOW_READER_GRACE_S = 10.0


class CourierStream:
    def __init__(self, host: MarketHost, limits: Limits, context: grpc.aio.ServicerContext) -> None:
        self._host, self._limits = host, limits
        self._context = context
        self._ack_planned = False
        self._session: CourierSession
        self._stream = Stream()

    async def run(self) -> None:
        hello = await self._hello()
        self._session = self._host.sessions.open(hello.courier_id, hello.resume_token)
        await self._welcome(hello)
        reader = asyncio.create_task(self._read())
        writer = asyncio.create_task(self._write())
        overflow = asyncio.create_task(self._stream.overflow.wait())
        try:
            await asyncio.wait({reader, writer, overflow}, return_when=asyncio.FIRST_COMPLETED)
            if reader.done() and not writer.done() and not reader.exception():
                # The app has closed its side: send what is left.
                self._flush_ack()
                self._stream.end()
                await asyncio.wait({writer, overflow}, return_when=asyncio.FIRST_COMPLETED)
            if self._stream.overflow.is_set():
                # A status can only follow the message under way: give the reader a chance to take it.
                await asyncio.wait({writer}, timeout=SLOW_READER_GRACE_S)
        finally:
            if self._session.stream is self._stream:
                self._session.stream = None
            for task in (reader, writer, overflow):
                task.cancel()
            results = await asyncio.gather(reader, writer, overflow, return_exceptions=True)
        if self._stream.overflow.is_set():
            await self._abort_slow_reader()
        for result in results:
            if isinstance(result, Exception) and not isinstance(result, grpc.aio.UsageError):
                raise result

    async def _hello(self) -> pb.Hello:
        request: pb.ConnectRequest = await self._context.read()
        if not isinstance(request, pb.ConnectRequest) or not request.HasField("hello"):
            await errors.abort(self._context, errors.invalid([("hello", "must be the first message")]))
        violations = errors.violations_of(request)
        if violations is not None:
            await errors.abort(self._context, violations)
        hello: pb.Hello = request.hello
        access.check(access.current_call(), hello)
        return hello

    async def _welcome(self, hello: pb.Hello) -> None:
        """The market's view of the courier, then what was missed; from then on, live."""

        def view(market: Market) -> tuple[pb.Welcome, pb.ConnectResponse | None]:
            if hello.courier_id not in market.state.couriers:
                return pb.Welcome(), None
            courier = market.courier_view(hello.courier_id)
            jobs = [market.state.jobs[job_id] for job_id in courier.job_ids]
            offer = market.state.offers.get(courier.offer_id)
            live = None
            if offer is not None:
                number = market.state.jobs[offer.jobs[0].job_id].sequence * SPREAD
                live = pb.ConnectResponse(number=number, offer=offer_for_courier(offer))
            return pb.Welcome(courier=courier, jobs=jobs), live

        welcome, live = await self._host.read(view)
        session = self._session
        welcome.resume_token, welcome.handled_number = session.token, session.handled
        # From here to the end nothing is awaited: no message can fall between memory and stream.
        if session.stream is not None:
            session.stream.end()
        session.stream = self._stream
        self._stream.send(pb.ConnectResponse(welcome=welcome))
        missed = session.missed(hello.last_received)
        if live is not None and live.number > hello.last_received and not _mentions(missed, live):
            self._stream.send(live)
        for message in missed:
            self._stream.send(message)

    async def _write(self) -> None:
        while (message := await self._stream.queue.get()) is not None:
            await self._context.write(message)
            if self._stream.overflow.is_set():
                return

    async def _read(self) -> None:
        while (request := await self._context.read()) is not grpc.aio.EOF:
            if self._stream.overflow.is_set():
                continue  # not handled, so not acknowledged: it will be sent again
            if not isinstance(request, pb.ConnectRequest):
                self._refuse(0, errors.invalid([], "the message is not a ConnectRequest"))
                continue
            if self._session.stream is not self._stream:
                return  # another connection of this courier has taken over
            if request.HasField("locations") and request.number > self._session.handled:
                self._locations(request)
            else:
                await self._message(request)

    def _locations(self, request: pb.ConnectRequest) -> None:
        host, courier_id = self._host, self._session.courier_id
        courier = host.market.state.couriers.get(courier_id)
        if courier is None or courier.state == pb.COURIER_STATE_OFFLINE:
            text = "the courier is offline: locations are taken from couriers online only"
            self._refuse(request.number, errors.status(grpc.StatusCode.FAILED_PRECONDITION, text, []))
        elif (fault := self._too_many(request.locations)) is not None:
            self._refuse(request.number, errors.status_of(fault))
        else:
            number = request.number

            def refuse(field: str, fault: str) -> None:
                self._refuse(number, errors.invalid([(field, fault)]))

            courier_number = host.market.state.numbers[courier_id]
            now_ms = host.clock.now() // 1000
            host.locations.add(Waiting(courier_number, request.locations, now_ms, refuse))
        self._session.handled = request.number
        self._plan_ack()

    def _too_many(self, batch: pb.LocationBatch) -> DispatchError | None:
        try:
            self._limits.pings(self._session.courier_id, min(len(batch.latitudes), LARGEST_BATCH))
        except Exhausted as fault:
            return fault
        return None

    async def _message(self, request: pb.ConnectRequest) -> None:
        """Any message but locations: carried out and durable, or refused, before the next one is read."""
        session = self._session
        if request.number == 0 or request.HasField("hello"):
            text = "hello comes once, and every other message has a number from 1 up"
            self._refuse(request.number, errors.invalid([("number", text)]))
            return
        if request.number > session.handled:
            violations = errors.violations_of(request)
            if violations is not None:
                self._refuse(request.number, violations)
            else:
                await self._carry_out(request)
            session.handled = max(session.handled, request.number)
        self._flush_ack()

    async def _carry_out(self, request: pb.ConnectRequest) -> None:
        try:
            await self._host.submit(self._command(request), lambda _market: None)
        except DispatchError as fault:
            self._refuse(request.number, errors.status_of(fault))

    def _command(self, request: pb.ConnectRequest) -> commands.Command:
        courier_id = self._session.courier_id
        key = named_request(("stream", self._session.session_id, str(request.number)), request)
        match request.WhichOneof("message"):
            case "go_online":
                return commands.GoOnline(request=key, courier_id=courier_id, online=request.go_online)
            case "go_offline":
                return commands.GoOffline(request=key, courier_id=courier_id, reason=request.go_offline.reason)
            case "answer":
                return commands.AnswerOffer(request=key, courier_id=courier_id, answer=request.answer)
            case "set_destination":
                wanted = request.set_destination
                destination = wanted.destination if wanted.HasField("destination") else None
                return commands.SetDestination(request=key, courier_id=courier_id, destination=destination)
            case _:
                return commands.ReportProgress(request=key, courier_id=courier_id, progress=request.progress)

    def _refuse(self, number: int, failure: status_pb2.Status) -> None:
        self._stream.send(pb.ConnectResponse(refusal=pb.Refusal(number=number, status=failure)))

    def _plan_ack(self) -> None:
        if not self._ack_planned:
            self._ack_planned = True
            asyncio.get_running_loop().call_later(ACK_EVERY_S, self._flush_ack)

    def _flush_ack(self) -> None:
        self._ack_planned = False
        self._stream.send(pb.ConnectResponse(ack=pb.Ack(number=self._session.handled)))

    async def _abort_slow_reader(self) -> None:
        text = "this stream is not read: connect again with the resume token"
        with contextlib.suppress(grpc.aio.AbortError):
            await errors.abort(self._context, errors.status_of(Exhausted("NOT_READ", text, errors.RETRY_AFTER_S)))


def _mentions(missed: list[pb.ConnectResponse], live: pb.ConnectResponse) -> bool:
    """Whether the live offer is among the messages missed, made or closed."""
    offer_id = live.offer.offer_id
    return any(
        (message.HasField("offer") and message.offer.offer_id == offer_id)
        or (message.HasField("offer_closed") and message.offer_closed.offer_id == offer_id)
        for message in missed
    )
