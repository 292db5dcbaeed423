"""A market in a few words, for tests."""

from __future__ import annotations

from dispatcher import commands, policy
from dispatcher.ids import SECRET_BYTES
from dispatcher.market import Market
from dispatcher.market.driver import Driver, Work
from dispatcher.market.positions import SimulatedPositions
from dispatcher.times import SECOND
from gig.v1 import courier_service_pb2 as courier_pb
from gig.v1 import events_pb2 as events_pb
from gig.v1 import job_pb2, types_pb2
from gig.v1 import policy_pb2 as policy_pb
from matching.solve import solve

START = 1_700_000_000 * SECOND
SECRET = bytes(range(SECRET_BYTES))
HERE, THERE = (40.75, -73.98), (40.76, -73.97)

Spot = tuple[float, float]


def place_at(spot: Spot) -> types_pb2.Place:
    return types_pb2.Place(position=types_pb2.Position(latitude=spot[0], longitude=spot[1]))


def spec(pickup: Spot = HERE, dropoff: Spot = THERE, **more: object) -> job_pb2.JobSpec:
    return job_pb2.JobSpec(
        kind=more.pop("kind", types_pb2.JOB_KIND_RIDE), pickup=place_at(pickup), dropoff=place_at(dropoff), **more
    )


def call_by(
    caller_id: str, request_id: str, digest: int = 1, method: str = "JobService/PlaceJob", role: str = "client"
) -> commands.Request:
    """A call's identity, as the services make it."""
    return commands.Request(role, caller_id, method, (request_id,), digest)


class Bench:
    """A market, its log, and a clock that only the test moves."""

    def __init__(self, chosen: policy_pb.Policy | None = None, zones: str = "") -> None:
        self.market = Market()
        self.log: list[events_pb.Event] = []
        self.now = START
        self._positions = SimulatedPositions(lambda: self.market.state)
        self.take(self.market.opening("test", chosen or policy.load("plain"), self.now, zones, secret=SECRET))

    def do(self, command: commands.Command) -> list[events_pb.Event]:
        return self.take(self.market.decide(command, self.now))

    def wait(self, seconds: float) -> list[events_pb.Event]:
        """Time passes; what fell due happens."""
        self.now += round(seconds * SECOND)
        (due,) = Driver(self.market, self.now).decisions(Work.DUE, self._positions, self.now)
        return self.take(due.decide())

    def round(self) -> list[events_pb.Event]:
        """A batch round; its events."""
        opened = Driver(self.market, self.now).open_round(self._positions, self.now)
        return [] if opened is None else self.take(self.market.settle(opened, solve(opened.problem), self.now))

    def place(self, job_id: str = "job", client_id: str = "ann", **more: object) -> job_pb2.Job:
        self.do(commands.PlaceJob(job_id=job_id, client_id=client_id, spec=spec(**more)))
        return self.job(job_id)

    def online(self, courier_id: str = "bo", at: Spot = HERE, **profile: object) -> None:
        profile.setdefault("vehicle_type", types_pb2.VEHICLE_TYPE_CAR)
        online = courier_pb.GoOnline(profile=courier_pb.CourierProfile(**profile), position=place_at(at).position)
        self.do(commands.GoOnline(courier_id=courier_id, online=online))

    def answer(self, offer_id: str, courier_id: str = "bo", accept: bool = True) -> list[events_pb.Event]:
        answer = courier_pb.ANSWER_ACCEPT if accept else courier_pb.ANSWER_DECLINE
        return self.do(
            commands.AnswerOffer(courier_id=courier_id, answer=courier_pb.OfferAnswer(offer_id=offer_id, answer=answer))
        )

    def progress(self, step: str, job_id: str = "job", courier_id: str = "bo") -> list[events_pb.Event]:
        progress = courier_pb.Progress(job_id=job_id, step=f"PROGRESS_STEP_{step}")
        return self.do(commands.ReportProgress(courier_id=courier_id, progress=progress))

    def assign(self, job_id: str = "job", courier_id: str = "bo") -> None:
        """Online, placed, offered, accepted."""
        self.online(courier_id)
        self.place(job_id)
        self.round()
        self.answer(self.job(job_id).offer_id, courier_id)

    def hold(self, jobs: list[str], courier_id: str = "bo") -> None:
        """A courier online with deliveries, placed, offered and accepted: all that the policy lets them hold."""
        self.online(courier_id, capacity=types_pb2.Load(persons=4, parcels=8, weight_grams=100_000))
        for job_id in jobs:
            self.place(job_id, kind=types_pb2.JOB_KIND_DELIVERY)
        self.round()
        for offer_id in list(self.market.state.offers):
            self.answer(offer_id, courier_id)

    def serve(self, job_id: str = "job", courier_id: str = "bo", trip_s: float = 600.0, **more: object) -> None:
        """A job from placing to drop-off, by a courier who is online and free."""
        self.place(job_id, **more)
        self.round()
        self.answer(self.job(job_id).offer_id, courier_id)
        self.progress("ARRIVED", job_id, courier_id)
        self.progress("PICKED_UP", job_id, courier_id)
        self.wait(trip_s)
        self.progress("COMPLETED", job_id, courier_id)

    def job(self, job_id: str = "job") -> job_pb2.Job:
        return self.market.state.jobs[job_id]

    def state(self, job_id: str = "job") -> str:
        return job_pb2.JobState.Name(self.job(job_id).state).removeprefix("JOB_STATE_")

    def courier_state(self, courier_id: str = "bo") -> str:
        state = self.market.state.couriers[courier_id].state
        return courier_pb.CourierState.Name(state).removeprefix("COURIER_STATE_")

    def take(self, events: list[events_pb.Event]) -> list[events_pb.Event]:
        self.market.apply(events)
        self.log.extend(events)
        return events
