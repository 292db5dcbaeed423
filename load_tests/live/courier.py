"""A courier's app: one stream, decisions about offers, ways driven at the city's speed, positions sent."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Coroutine
from dataclasses import dataclass, field
from typing import Any

import grpc
import numpy as np
from google.protobuf.timestamp_pb2 import Timestamp

from dispatcher.log.journal import Line
from dispatcher.times import timestamp
from gig.v1 import courier_service_pb2 as pb
from gig.v1 import courier_service_pb2_grpc as rpc
from gig.v1 import job_pb2 as job_pb
from gig.v1 import offer_pb2 as offer_pb
from gig.v1 import types_pb2 as types_pb
from load_tests.cities.city import City, Spot
from load_tests.live.clients import is_away
from load_tests.live.clock import RemoteClock
from load_tests.live.timing import Timing
from load_tests.live.wallet import Wallet

RECONNECT_S = 0.5
CODE_NAMES = {code.value[0]: code.name for code in grpc.StatusCode}
# Market seconds after which somebody whose account a human has restricted tries again.
RETRY_S = (300.0, 900.0)


@dataclass(frozen=True, slots=True)
class Habits:
    """What people do with an offer: nearly all are taken, some declined, a few not seen in time. Market seconds:
    ``think_s`` before an answer, ``dwell_s`` at the door of the restaurant or of the rider. ``follow_share``: of hints
    where surge is, those that are followed."""

    decline_share: float = 0.04
    ignore_share: float = 0.01
    think_s: tuple[float, float] = (1.0, 6.0)
    dwell_s: tuple[float, float] = (20.0, 90.0)
    follow_share: float = 0.4


USUAL = Habits()


@dataclass(slots=True)
class Drive:
    """On the way from one spot to another, in market seconds."""

    start: Spot
    end: Spot
    from_s: float
    until_s: float

    def at(self, now_s: float) -> tuple[float, float]:
        share = 1.0 if self.until_s <= self.from_s else (now_s - self.from_s) / (self.until_s - self.from_s)
        share = min(max(share, 0.0), 1.0)
        return (
            self.start.latitude + share * (self.end.latitude - self.start.latitude),
            self.start.longitude + share * (self.end.longitude - self.start.longitude),
        )


@dataclass(slots=True)
class CourierTally:
    """What all couriers of a run saw."""

    offers: int = 0
    accepted: int = 0
    completed: int = 0
    pings: int = 0
    refusals: dict[str, int] = field(default_factory=dict)
    # Answers and steps that were acknowledged, as `gig log check --journal` reads them.
    journal: list[Line] = field(default_factory=list)
    # Ids of jobs and offers seen, to find what came twice.
    offers_seen: set[str] = field(default_factory=set)
    offers_doubled: int = 0

    def acknowledge(self, courier_id: str, message: pb.ConnectRequest) -> None:
        if message.HasField("answer"):
            accepted = message.answer.answer == pb.ANSWER_ACCEPT
            answered = {"courier_id": courier_id, "offer_id": message.answer.offer_id, "accepted": accepted}
            self.journal.append({"kind": "answered", **answered})
        elif message.HasField("progress"):
            step = pb.ProgressStep.Name(message.progress.step)
            done = {"courier_id": courier_id, "job_id": message.progress.job_id, "step": step}
            self.journal.append({"kind": "progress", **done})

    def refuse(self, refusal: pb.Refusal) -> None:
        text = refusal.status.message
        self.refusals[text] = self.refusals.get(text, 0) + 1


class CourierApp:
    def __init__(
        self,
        courier_id: str,
        home: Spot,
        vehicle: types_pb.VehicleType,
        city: City,
        clock: RemoteClock,
        rng: np.random.Generator,
        tally: CourierTally,
        spots: dict[str, tuple[Spot, Spot]],
        completed: Callable[[job_pb.Job, str], None] = lambda _job, _courier_id: None,
        judged: Callable[[str, str], None] = lambda _decision_id, _courier_id: None,
        habits: Habits = USUAL,
        timing: Timing | None = None,
    ) -> None:
        self.courier_id = courier_id
        self._completed, self._judged = completed, judged
        self._habits, self._timing = habits, timing
        # Of messages sent: what they are, when they were due, when they were sent; monotonic seconds.
        self._sent_at: dict[int, tuple[str, float, float]] = {}
        self._vehicle = vehicle
        self._city, self._clock, self._rng, self._tally = city, clock, rng, tally
        # Pickup and drop-off of each job as the city knows them, by the pickup's label.
        self._spots = spots
        self._drive = Drive(home, home, 0.0, 0.0)
        # The last number given to a message, the last one sent on this stream, the last one received.
        self._number = 0
        self._sent = 0
        self._received = 0
        self._token = ""
        self._unacknowledged: dict[int, pb.ConnectRequest] = {}
        self._call: grpc.aio.StreamStreamCall | None = None
        # A call takes one message at a time.
        self._writing = asyncio.Lock()
        self._online = False
        self._leaving = False
        # Jobs in hand, and the stops that are left, as the market said last.
        self._jobs: dict[str, job_pb.Job] = {}
        self._plan: list[job_pb.PlanStop] = []
        self._changed = asyncio.Event()
        self._work: asyncio.Task[None] | None = None
        self._thinking: set[asyncio.Task[None]] = set()

    async def leave_at(self, at_s: float) -> None:
        """The shift ends then; a job on board is brought to its end first."""
        await self._clock.sleep_until(at_s)
        self._leaving = True
        await self._send(go_offline=pb.GoOffline(reason="end of the shift"))

    async def run(self, stub: rpc.CourierServiceStub, wallet: Wallet) -> None:
        """A shift: until cancelled, through cuts of the stream."""
        try:
            while True:
                try:
                    await self._connection(stub, wallet)
                except grpc.aio.AioRpcError as fault:
                    if self._timing is not None:
                        self._timing.failed("Connect", fault.code().name)
                    if not is_away(fault):
                        raise
                self._call, self._online = None, False
                await asyncio.sleep(RECONNECT_S)
        finally:
            for task in (*self._thinking, *([self._work] if self._work else [])):
                task.cancel()

    async def send_position(self, now_s: float) -> None:
        """One ping, where the courier is now; none while the market does not know that the courier is online."""
        if not self._online:
            return
        latitude, longitude = self._drive.at(now_s)
        batch = pb.LocationBatch(
            latitudes=[latitude],
            longitudes=[longitude],
            start_time=timestamp(self._clock.micros(now_s)),
            client_time=self._client_time(),
        )
        self._tally.pings += 1
        # A ping that is lost with its stream is not sent again: the next one is fresher.
        await self._flush(batch)

    async def _connection(self, stub: rpc.CourierServiceStub, wallet: Wallet) -> None:
        call = stub.Connect(metadata=wallet.courier(self.courier_id))
        try:
            hello = pb.Hello(
                courier_id=self.courier_id,
                resume_token=self._token,
                last_received=self._received,
                client_time=self._client_time(),
            )
            await call.write(pb.ConnectRequest(hello=hello))
            welcome = await call.read()
            if welcome is grpc.aio.EOF:
                return
            self._call = call
            await self._welcomed(welcome.welcome)
            while (response := await call.read()) is not grpc.aio.EOF:
                await self._receive(response)
        finally:
            call.cancel()

    async def _receive(self, response: pb.ConnectResponse) -> None:
        self._received = max(self._received, response.number)
        match response.WhichOneof("message"):
            case "ack":
                for number in [n for n in self._unacknowledged if n <= response.ack.number]:
                    message = self._unacknowledged.pop(number)
                    self._online |= message.HasField("go_online")
                    self._tally.acknowledge(self.courier_id, message)
                self._note_answers(response.ack.number)
            case "refusal":
                self._unacknowledged.pop(response.refusal.number, None)
                self._note_refusal(response.refusal)
                self._tally.refuse(response.refusal)
            case "offer":
                self._offered(response.offer)
            case "job":
                self._job_changed(response.job)
            case "courier":
                self._plan_changed(response.courier)
            case "notice":
                self._noticed(response.notice)

    async def _welcomed(self, welcome: pb.Welcome) -> None:
        """Go on where the last stream ended: what was not handled is sent again, in order."""
        self._token = welcome.resume_token
        self._sent = welcome.handled_number
        self._online = welcome.HasField("courier") and welcome.courier.state != pb.COURIER_STATE_OFFLINE
        asked = any(message.HasField("go_online") for message in self._unacknowledged.values())
        if not self._online and not asked and not self._leaving:
            await self._send(go_online=self._shift())
        else:
            await self._flush()
        for job in welcome.jobs:
            self._job_changed(job)
        self._plan_changed(welcome.courier)

    def _shift(self) -> pb.GoOnline:
        latitude, longitude = self._drive.at(self._clock.seconds())
        position = types_pb.Position(latitude=latitude, longitude=longitude)
        profile = pb.CourierProfile(vehicle_type=self._vehicle)
        return pb.GoOnline(profile=profile, position=position, client_time=self._client_time())

    def _client_time(self) -> Timestamp:
        """Return what the device's clock shows now."""
        return timestamp(self._clock.micros(self._clock.seconds()))

    async def _send(self, due_s: float | None = None, **message: Any) -> None:
        """Kept until acknowledged, so that it survives a cut. ``due_s``: the market second at which it fell due."""
        self._number += 1
        self._unacknowledged[self._number] = pb.ConnectRequest(number=self._number, **message)
        if self._timing is not None:
            now = time.monotonic()
            late = 0.0 if due_s is None else max(self._clock.seconds() - due_s, 0.0) / self._clock.speed
            self._sent_at[self._number] = (f"Connect/{next(iter(message))}", now - late, now)
        await self._flush()

    def _note_refusal(self, refusal: pb.Refusal) -> None:
        sent = self._sent_at.pop(refusal.number, None)
        if self._timing is not None and sent is not None:
            self._timing.failed(sent[0], CODE_NAMES[refusal.status.code])

    def _note_answers(self, acknowledged: int) -> None:
        if self._timing is not None:
            for number in [n for n in self._sent_at if n <= acknowledged]:
                self._timing.answered(*self._sent_at.pop(number))

    async def _flush(self, locations: pb.LocationBatch | None = None) -> None:
        """Send what is not sent yet, strictly in order of number, then a ping; without a stream all this waits."""
        async with self._writing:
            call = self._call
            if call is None:
                return
            try:
                for number in sorted(n for n in self._unacknowledged if n > self._sent):
                    await call.write(self._unacknowledged[number])
                    self._sent = number
                if locations is not None:
                    self._number += 1
                    self._sent = self._number
                    if self._timing is not None:
                        now = time.monotonic()
                        self._sent_at[self._number] = ("Connect/locations", now, now)
                    await call.write(pb.ConnectRequest(number=self._number, locations=locations))
            except (grpc.aio.AioRpcError, asyncio.InvalidStateError):
                return  # the reader sees the cut, and connects again

    def _offered(self, offer: offer_pb.Offer) -> None:
        self._tally.offers += 1
        if offer.offer_id in self._tally.offers_seen:
            self._tally.offers_doubled += 1
        self._tally.offers_seen.add(offer.offer_id)
        self._begin(self._think(offer.offer_id))

    async def _think(self, offer_id: str) -> None:
        chance, habits = self._rng.random(), self._habits
        if chance < habits.ignore_share:
            return
        due = self._clock.seconds() + self._rng.uniform(*habits.think_s)
        await self._clock.sleep_until(due)
        declined = chance < habits.ignore_share + habits.decline_share
        answer = pb.ANSWER_DECLINE if declined else pb.ANSWER_ACCEPT
        await self._send(due, answer=pb.OfferAnswer(offer_id=offer_id, answer=answer))

    def _noticed(self, notice: pb.Notice) -> None:
        if notice.HasField("nudge"):
            if self._rng.random() < self._habits.follow_share:
                self._begin(self._follow(notice.nudge))
        elif notice.HasField("contest_by_time"):  # of a decision on standing alone
            self._judged(notice.decision_id, self.courier_id)
            self._begin(self._return())
        elif not notice.decision_id:
            self._online = False

    async def _follow(self, nudge: pb.Nudge) -> None:
        """Drive to where surge is, while nothing else is to be done."""
        if not self._plan and (self._work is None or self._work.done()):
            self._work = asyncio.current_task()
            await self._drive_to(self._city.nearest(nudge.centre.latitude, nudge.centre.longitude))
            if self._plan:
                await self._follow_plan()

    async def _return(self) -> None:
        """Whose account was restricted wants to work all the same, and tries."""
        await self._clock.sleep_until(self._clock.seconds() + self._rng.uniform(*RETRY_S))
        if not self._online and not self._leaving and self._call is not None:
            await self._send(go_online=self._shift())

    def _begin(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(work)
        self._thinking.add(task)
        task.add_done_callback(self._thinking.discard)

    def _job_changed(self, job: job_pb.Job) -> None:
        held = job.state in (job_pb.JOB_STATE_ASSIGNED, job_pb.JOB_STATE_AT_PICKUP, job_pb.JOB_STATE_PICKED_UP)
        if held:
            self._tally.accepted += job.job_id not in self._jobs
            self._jobs[job.job_id] = job
        elif self._jobs.pop(job.job_id, None) is not None and job.state == job_pb.JOB_STATE_COMPLETED:
            self._tally.completed += 1
            self._completed(job, self.courier_id)

    def _plan_changed(self, courier: pb.Courier) -> None:
        self._plan = list(courier.plan)
        self._changed.set()
        if self._plan and (self._work is None or self._work.done()):
            self._work = asyncio.create_task(self._follow_plan())

    async def _follow_plan(self) -> None:
        """Drive to the next stop of the plan, do there what is to be done, and wait until the market has noted it."""
        while self._plan:
            stop = self._plan[0]
            job = self._jobs.get(stop.job_id)
            if job is None:
                await self._next_change()
                continue
            pickup, dropoff = self._spots[job.spec.pickup.label]
            if stop.kind == job_pb.STOP_KIND_DROPOFF:
                await self._drive_to(dropoff)
                await self._do(stop, job, pb.PROGRESS_STEP_COMPLETED, self._drive.until_s)
                continue
            if job.state == job_pb.JOB_STATE_ASSIGNED:
                await self._drive_to(pickup)
                if not self._is_next(stop):
                    continue
                await self._do(stop, job, pb.PROGRESS_STEP_ARRIVED, self._drive.until_s)
                continue
            ready = job.spec.pickup_after.ToMicroseconds() if job.spec.HasField("pickup_after") else 0
            now = self._clock.seconds()
            wait = max((ready - self._clock.micros(now)) / 1e6, 0.0) if ready else 0.0
            due = now + wait + self._rng.uniform(*self._habits.dwell_s)
            await self._clock.sleep_until(due)
            await self._do(stop, job, pb.PROGRESS_STEP_PICKED_UP, due)

    def _is_next(self, stop: job_pb.PlanStop) -> bool:
        """Whether the stop still comes first: plans change on the way."""
        return bool(self._plan) and (self._plan[0].job_id, self._plan[0].kind) == (stop.job_id, stop.kind)

    async def _do(self, stop: job_pb.PlanStop, job: job_pb.Job, step: pb.ProgressStep, due_s: float) -> None:
        if self._is_next(stop) and stop.job_id in self._jobs:
            self._changed.clear()
            await self._send(due_s, progress=pb.Progress(job_id=job.job_id, step=step))
            await self._next_change()

    async def _next_change(self) -> None:
        """Until the plan is heard of again; after a cut the welcome tells it."""
        await self._changed.wait()
        self._changed.clear()

    async def _drive_to(self, end: Spot) -> None:
        """A way begun for a job that was cancelled is driven to its end first: the city knows no spots in between."""
        await self._clock.sleep_until(self._drive.until_s)
        now = self._clock.seconds()
        leg = self._city.leg(self._drive.end, end, now)
        self._drive = Drive(self._drive.end, end, now, now + leg.seconds)
        await self._clock.sleep_until(self._drive.until_s)
