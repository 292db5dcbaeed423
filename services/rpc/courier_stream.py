"""One courier's stream: hello, then messages up handled in order and acknowledged, messages down from the session."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import grpc
from google.rpc import status_pb2

from dispatcher import commands
from dispatcher.complete import complete
from dispatcher.decisions.privacy import offer_for_courier
from dispatcher.errors import DispatchError, Exhausted, InvalidField, TakenOver
from dispatcher.market import Market
from gig.v1 import courier_service_pb2 as pb
from services.auth import access
from services.auth.bulkheads import RETRY_S
from services.auth.limits import BYTES_OF_A_CALL, Limits
from services.host.courier_messages import SPREAD
from services.host.locations import Waiting
from services.host.market_host import MarketHost
from services.host.position_faults import Refused, positions
from services.host.positions import Reading
from services.host.sessions import CourierSession, Stream
from services.rpc import errors
from services.rpc.currency_digits import add_digits
from services.rpc.decoding import Malformed, decoder
from services.rpc.progress import progress_command
from services.rpc.requests import named_request

# Locations are acknowledged together, this often.
ACK_EVERY_S = 0.05
# The largest number in the contract. Locations, which come most often, are checked by it and in columns alone.
LARGEST_NUMBER = 1_000_000_000_000
SLOW_READER_GRACE_S = 10.0
# Seconds until the first message, the hello, must be there.
HELLO_LIMIT_S = 10.0
# Seconds without reading after a batch beyond the limit, doubled after each further one in a row.
FIRST_PAUSE_S, LONGEST_PAUSE_S, MOST_DOUBLINGS = 0.1, 2.0, 5

decode = decoder(pb.ConnectRequest)


class CourierStream:
    def __init__(self, host: MarketHost, limits: Limits, context: grpc.aio.ServicerContext) -> None:
        self._host, self._limits = host, limits
        self._context = context
        self._caller = access.current()
        self._ack_planned = False
        # Batches beyond the limit in a row.
        self._refusals = 0
        self._session: CourierSession
        self._stream = Stream()
        # The message that is being sent.
        self._writing: asyncio.Future[None] | None = None
        # Readings of the device's clock that wait: before the first shift the courier has no number.
        self._readings: list[Reading] = []
        self._clock_is_read = False

    async def run(self) -> None:
        hello = await self._hello()
        received_us = self._host.clock.now()
        # Attach before anything else is awaited: a connection that comes a moment later takes over from this one.
        self._session = self._host.sessions.open(hello.courier_id, hello.resume_token, self._stream)
        self._read_clock(hello, received_us)
        try:
            await self._serve(hello)
        finally:
            self._leave()

    def _leave(self) -> None:
        """Give up the courier's place for a stream, so that the next connection need not take over."""
        if self._session.stream is self._stream:
            self._session.stream = None
            self._host.positions.hear(self._session.courier_id)

    async def _serve(self, hello: pb.Hello) -> None:
        """Send the welcome, then messages both ways, until a side ends, the reader is slow, or another takes over."""
        stream = self._stream
        overflow, taken_over = (asyncio.create_task(event.wait()) for event in (stream.overflow, stream.taken_over))
        # Events that end the stream although both sides could go on.
        ends = {overflow, taken_over}
        reader = asyncio.create_task(self._read(hello))
        writer = asyncio.create_task(self._write())
        try:
            await asyncio.wait({reader, writer, *ends}, return_when=asyncio.FIRST_COMPLETED)
            if reader.done() and not writer.done() and not reader.exception():
                # The app has closed its side: send what is left.
                self._flush_ack()
                stream.end()
                await asyncio.wait({writer, *ends}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            self._leave()
            for task in (reader, writer, *ends):
                task.cancel()
            results = await asyncio.gather(reader, writer, *ends, return_exceptions=True)
            if self._writing is not None:
                # A status can only follow the message under way: give the reader a chance to take it.
                self._writing.add_done_callback(_retrieve)
                await asyncio.wait({self._writing}, timeout=SLOW_READER_GRACE_S)
        if stream.taken_over.is_set():
            raise TakenOver(
                "another connection of this courier has taken over; only one can be open: "
                f"connect again in {stream.retry_s:.0f} s at the earliest, and only if the courier asks for it",
                stream.retry_s,
            )
        if stream.overflow.is_set():
            raise Exhausted("NOT_READ", "this stream is not read: connect again with the resume token", RETRY_S)
        for result in results:
            if isinstance(result, Exception) and not isinstance(result, grpc.aio.UsageError):
                raise result

    async def _hello(self) -> pb.Hello:
        try:
            async with asyncio.timeout(HELLO_LIMIT_S):
                request = decode(await self._context.read() or b"")
        except TimeoutError:
            raise InvalidField("hello", f"must be sent within {HELLO_LIMIT_S:g} s") from None
        if isinstance(request, Malformed) or not request.HasField("hello"):
            raise InvalidField("hello", "must be the first message")
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
            live_position = self._host.positions.live(hello.courier_id)
            return pb.Welcome(courier=courier, jobs=jobs, live_position=live_position), live

        welcome, live = await self._host.read(view)
        session = self._session
        welcome.resume_token, welcome.handled_number = session.token, session.handled
        # From here to the end nothing is awaited: no message can fall between memory and stream.
        self._stream.open()
        self._stream.send(pb.ConnectResponse(welcome=welcome))
        if self._stream.welcome_notice is not None:
            self._stream.send(pb.ConnectResponse(notice=self._stream.welcome_notice))
        missed = session.missed(hello.last_received)
        if live is not None and live.number > hello.last_received and not _mentions(missed, live):
            self._stream.send(live)
        for message in missed:
            self._stream.send(message)

    async def _write(self) -> None:
        while (message := await self._stream.queue.get()) is not None:
            add_digits(message)
            self._writing = asyncio.ensure_future(self._context.write(message))
            await asyncio.shield(self._writing)
            if self._stream.overflow.is_set():
                return

    async def _read(self, hello: pb.Hello) -> None:
        await self._welcome(hello)
        while (data := await self._context.read()) is not grpc.aio.EOF:
            if self._stream.overflow.is_set():
                continue  # not handled, so not acknowledged: it will be sent again
            if large := len(data) // BYTES_OF_A_CALL:
                await self._afford(large)
            request = decode(data)
            if self._stream.taken_over.is_set():
                return
            if isinstance(request, Malformed):
                await self._afford(1)
                self._refuse(0, errors.invalid([], "the message is not a ConnectRequest"))
            elif request.HasField("locations") and self._session.handled < request.number <= LARGEST_NUMBER:
                if self._locations(request):
                    self._refusals = 0
                else:
                    await self._pause()
            else:
                await self._afford(1)
                await self._message(request)

    async def _afford(self, cost: int) -> None:
        """Charge a message as ``cost`` calls of the caller, and wait until the caller has them. Nothing is read during
        the wait, so the app cannot send more."""
        while wait_s := self._limits.message_wait_s(self._caller, cost):
            await asyncio.sleep(min(wait_s, LONGEST_PAUSE_S))

    async def _pause(self) -> None:
        """Read nothing for a while after positions beyond the limit, longer after each further batch in a row."""
        await asyncio.sleep(min(FIRST_PAUSE_S * 2**self._refusals, LONGEST_PAUSE_S))
        self._refusals = min(self._refusals + 1, MOST_DOUBLINGS)

    def _locations(self, request: pb.ConnectRequest) -> bool:
        """Take the positions in, or refuse the batch by its number; return whether the limit allows it."""
        host, courier_id = self._host, self._session.courier_id
        courier = host.market.state.couriers.get(courier_id)
        fault = self._too_many(request.locations)
        if fault is not None:
            self._refuse(request.number, errors.status_of(fault))
        elif courier is None or courier.state == pb.COURIER_STATE_OFFLINE:
            text = "the courier is offline: locations are taken from couriers online only"
            self._refuse(request.number, errors.status(grpc.StatusCode.FAILED_PRECONDITION, text, []))
        else:
            number = request.number
            courier_number = host.market.state.numbers[courier_id]
            host.positions.intake.add(
                Waiting(
                    courier_number,
                    request.locations,
                    host.clock.now() // 1000,
                    lambda refused: self._refuse_positions(number, refused),
                )
            )
        self._session.handled = request.number
        self._plan_ack()
        return fault is None

    def _too_many(self, batch: pb.LocationBatch) -> DispatchError | None:
        try:
            self._limits.pings(self._session.courier_id, positions(batch))
        except Exhausted as fault:
            return fault
        return None

    async def _message(self, request: pb.ConnectRequest) -> None:
        """Any message but locations: carried out and durable, or refused, before the next one is read."""
        session = self._session
        if request.number > LARGEST_NUMBER:
            # Not counted as handled: no number above it could follow.
            self._refuse(request.number, errors.invalid([("number", f"must be at most {LARGEST_NUMBER}")]))
            return
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
        received_us = self._host.clock.now()
        try:
            await self._host.submit(self._command(request), lambda _market: None)
        except DispatchError as fault:
            self._refuse(request.number, errors.status_of(fault))
            return
        if request.HasField("go_online"):
            self._read_clock(request.go_online, received_us)

    def _read_clock(self, message: pb.Hello | pb.GoOnline, received_us: int) -> None:
        """Take the reading of the device's clock that a message brings, if any, and those that wait."""
        reading = Reading.of(message, received_us)
        if reading is not None:
            self._readings.append(reading)
        while self._readings and self._host.positions.read_clock(
            self._session.courier_id, self._readings[0], first=not self._clock_is_read
        ):
            self._clock_is_read = True
            del self._readings[0]

    def _command(self, request: pb.ConnectRequest) -> commands.Command:
        courier_id = self._session.courier_id
        key = named_request(("stream", self._session.session_id, str(request.number)), request)
        make = _COMMANDS[request.WhichOneof("message")]
        return make(self._host, key, courier_id, request)

    def _refuse(self, number: int, failure: status_pb2.Status) -> None:
        self._stream.send(pb.ConnectResponse(refusal=pb.Refusal(number=number, status=failure)))

    def _refuse_positions(self, number: int, refused: Refused) -> None:
        text = "the batch has invalid fields"
        if refused.accepted:
            text = f"{refused.accepted} positions of the batch were taken, the others have invalid fields"
        failure = errors.invalid(refused.fields, text)
        refusal = pb.Refusal(number=number, status=failure, refused=refused.positions(), accepted=refused.accepted)
        self._stream.send(pb.ConnectResponse(refusal=refusal))

    def _plan_ack(self) -> None:
        if not self._ack_planned:
            self._ack_planned = True
            asyncio.get_running_loop().call_later(ACK_EVERY_S, self._flush_ack)

    def _flush_ack(self) -> None:
        self._ack_planned = False
        self._stream.send(pb.ConnectResponse(ack=pb.Ack(number=self._session.handled)))


def _go_online(
    _host: MarketHost, key: commands.Request, courier_id: str, request: pb.ConnectRequest
) -> commands.Command:
    return commands.GoOnline(request=key, courier_id=courier_id, online=request.go_online)


def _go_offline(
    _host: MarketHost, key: commands.Request, courier_id: str, request: pb.ConnectRequest
) -> commands.Command:
    return commands.GoOffline(request=key, courier_id=courier_id, reason=request.go_offline.reason)


def _answer(_host: MarketHost, key: commands.Request, courier_id: str, request: pb.ConnectRequest) -> commands.Command:
    return commands.AnswerOffer(request=key, courier_id=courier_id, answer=request.answer)


def _set_destination(
    _host: MarketHost, key: commands.Request, courier_id: str, request: pb.ConnectRequest
) -> commands.Command:
    wanted = request.set_destination
    destination = wanted.destination if wanted.HasField("destination") else None
    return commands.SetDestination(request=key, courier_id=courier_id, destination=destination)


def _progress(host: MarketHost, key: commands.Request, courier_id: str, request: pb.ConnectRequest) -> commands.Command:
    return progress_command(host, key, courier_id, request.progress)


_COMMANDS: dict[str, Callable[[MarketHost, commands.Request, str, pb.ConnectRequest], commands.Command]] = complete(
    {
        "go_online": _go_online,
        "go_offline": _go_offline,
        "answer": _answer,
        "progress": _progress,
        "set_destination": _set_destination,
    },
    (field.name for field in pb.ConnectRequest.DESCRIPTOR.oneofs_by_name["message"].fields),
    "commands of the messages on a courier's stream",
    without={"hello", "locations"},
)


def _retrieve(written: asyncio.Future[None]) -> None:
    """Take the failure of a write to a client that has gone, so that asyncio does not report it."""
    if not written.cancelled():
        written.exception()


def _mentions(missed: list[pb.ConnectResponse], live: pb.ConnectResponse) -> bool:
    """Whether the live offer is among the messages missed, made or closed."""
    offer_id = live.offer.offer_id
    return any(
        (message.HasField("offer") and message.offer.offer_id == offer_id)
        or (message.HasField("offer_closed") and message.offer_closed.offer_id == offer_id)
        for message in missed
    )
