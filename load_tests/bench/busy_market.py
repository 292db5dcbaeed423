"""A market busy for some hours, made in this process by the real Market: a log with everything that people do, from a
seed."""

from __future__ import annotations

import heapq
from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np

from dispatcher import commands, policy
from dispatcher.decisions.explain import explain
from dispatcher.errors import DispatchError
from dispatcher.ids import SECRET_BYTES
from dispatcher.market import Market, MovedCouriers
from dispatcher.market.driver import Driver
from dispatcher.market.positions import SimulatedPositions
from dispatcher.times import SECOND
from geo.units import to_e7_array
from gig.v1 import courier_service_pb2 as courier_pb
from gig.v1 import events_pb2 as events_pb
from gig.v1 import job_pb2 as job_pb
from gig.v1 import offer_pb2 as offer_pb
from gig.v1 import policy_pb2 as policy_pb
from gig.v1 import rating_service_pb2 as rating_pb
from gig.v1 import transparency_service_pb2 as transparency_pb
from gig.v1 import types_pb2 as types_pb
from matching.solve import solve

# A Friday, 18:00 UTC.
START_US = 1_795_197_600 * SECOND
CENTRE, SPREAD = (40.75, -73.98), (0.015, 0.012)
ROUND_S = 2.0
QUIET = 0.35
# A constant, so that the same seed gives the same log.
SECRET = bytes(range(SECRET_BYTES))
# Shares of what people do.
DECLINES, IGNORES, CANCELS, RELEASES = 0.05, 0.02, 0.04, 0.01
CLIENT_RATES, COURIER_RATES, TIPS, QUOTES = 0.6, 0.3, 0.2, 0.25
STARS = (0.04, 0.04, 0.08, 0.18, 0.66)
TAGS = ("", "", "", "", "traffic", "late_kitchen", "safety")
CONTESTS, OVERTURNS, FOLLOWS, LEAVES = 0.4, 0.4, 0.5, 0.2
REVIEWERS = ("ria", "rob", "ren")

Act = Callable[[], object]


@dataclass(slots=True)
class BusyMarket:
    """``hours`` of it with so many couriers and jobs an hour; ``run`` gives the log. Halfway, pay is set otherwise."""

    couriers: int
    jobs_an_hour: float
    hours: float
    seed: int = 7
    zones: str = ""
    log: list[events_pb.Event] = field(default_factory=list)
    now: int = START_US
    _market: Market = field(default_factory=Market.new)
    _driver: Driver = field(init=False)
    _turns: list[tuple[int, int, Act]] = field(default_factory=list)
    _count: int = 0
    _rng: np.random.Generator = field(init=False)
    # By courier number: where each is, degrees; where those go who follow a nudge.
    _at: np.ndarray = field(init=False)
    _goal: dict[int, tuple[float, float]] = field(default_factory=dict)

    def run(self, progress: Callable[[float], None] = lambda _share: None) -> list[events_pb.Event]:
        self._rng = np.random.default_rng(self.seed)
        self._at = self._rng.normal(CENTRE, SPREAD, (self.couriers + 1, 2))
        self._take(self._market.opening("busy", policy.load("city"), self.now, self.zones, secret=SECRET))
        end_us = self.now + round(self.hours * 3600 * SECOND)
        for number in range(self.couriers):
            self._in(float(self._rng.uniform(0, 60)), self._online(f"courier-{number}", number))
        at_s = 0.0
        while (at_s := at_s + float(self._rng.exponential(3600 / self.jobs_an_hour))) < self.hours * 3600:
            # Quiet at first, a rush at the end.
            if self._drawn(QUIET if at_s < self.hours * 2400 else 1.0):
                self._in(at_s, self._request(f"job-{self._count}"))
        self._in(self.hours * 1800, self._new_policy)
        self._driver = Driver(self._market, self.now)
        self._in(ROUND_S, self._round)
        while self._turns and self._turns[0][0] < end_us:
            self.now, _, act = heapq.heappop(self._turns)
            act()
            if self._count % 500 == 0:
                progress((self.now - START_US) / (end_us - START_US))
        return self.log

    # --- time

    def _in(self, seconds: float, act: Act) -> None:
        self._count += 1
        heapq.heappush(self._turns, (self.now + round(seconds * SECOND), self._count, act))

    def _take(self, events: list[events_pb.Event]) -> None:
        self._market.apply(events)
        self.log.extend(events)
        for event in events:
            self._follow(event)

    def _do(self, command: commands.Command) -> bool:
        """Whether it could be done: people also try what cannot."""
        try:
            self._take(self._market.decide(command, self.now))
        except DispatchError:
            return False
        return True

    def _drawn(self, share: float) -> bool:
        return bool(self._rng.random() < share)

    # --- couriers

    def _online(self, courier_id: str, number: int) -> Act:
        def act() -> None:
            vehicle = types_pb.VEHICLE_TYPE_BICYCLE if number % 5 == 0 else types_pb.VEHICLE_TYPE_CAR
            latitude, longitude = self._at[number + 1].tolist()
            position = types_pb.Position(latitude=latitude, longitude=longitude)
            online = courier_pb.GoOnline(profile=courier_pb.CourierProfile(vehicle_type=vehicle), position=position)
            if self._do(commands.GoOnline(courier_id=courier_id, online=online)) and self._drawn(LEAVES):
                self._in(float(self._rng.uniform(0.3, 0.9)) * self.hours * 3600, self._leave(courier_id, number))

        return act

    def _leave(self, courier_id: str, number: int) -> Act:
        def act() -> None:
            self._do(commands.GoOffline(courier_id=courier_id, reason="home"))
            if self._drawn(0.5):
                self._in(1800.0, self._online(courier_id, number))

        return act

    def _moved(self) -> MovedCouriers:
        """Free couriers drift, or go where they were told that surge is."""
        numbers = self._market.state.columns.available_numbers()
        numbers = numbers[self._rng.random(numbers.size) < 0.15]
        self._at[numbers] += self._rng.normal(0, 2e-4, (numbers.size, 2))
        for number in [number for number in numbers.tolist() if number in self._goal]:
            self._at[number] = self._goal.pop(number)
        return MovedCouriers(numbers, to_e7_array(self._at[numbers, 0]), to_e7_array(self._at[numbers, 1]))

    # --- jobs

    def _place(self) -> types_pb.Place:
        latitude, longitude = self._rng.normal(CENTRE, SPREAD).tolist()
        return types_pb.Place(position=types_pb.Position(latitude=latitude, longitude=longitude))

    def _request(self, job_id: str) -> Act:
        def act() -> None:
            kind = types_pb.JOB_KIND_DELIVERY if self._drawn(0.3) else types_pb.JOB_KIND_RIDE
            spec = job_pb.JobSpec(kind=kind, pickup=self._place(), dropoff=self._place())
            client_id = f"client-{int(self._rng.integers(0, 5000))}"
            if self._drawn(QUOTES):
                self._do(commands.QuoteJob(job_id=job_id, client_id=client_id, spec=spec))
                self._in(20.0, lambda: self._take_quote(job_id, client_id))
            else:
                self._do(commands.PlaceJob(job_id=job_id, client_id=client_id, spec=spec))
            if self._drawn(CANCELS):
                cancel = commands.CancelJob(job_id=job_id, client_id=client_id)
                self._in(float(self._rng.uniform(30, 400)), lambda: self._do(cancel))

        return act

    def _take_quote(self, job_id: str, client_id: str) -> None:
        self._do(commands.TakeQuote(quote_id=job_id, client_id=client_id))

    def _round(self) -> None:
        """The market's own work that is due, and a round, all with the same positions."""
        moved = self._moved()
        driver, positions = self._driver, SimulatedPositions(lambda: self._market.state, lambda _now_us: moved)
        for events in driver.step(positions, self.now):
            self._take(events)
        opened = driver.open_round(positions, self.now)
        if opened is not None:
            self._take(self._market.settle(opened, solve(opened.problem), self.now))
        self._in(ROUND_S, self._round)

    def _follow(self, event: events_pb.Event) -> None:
        """What people do about an event."""
        match event.WhichOneof("body"):
            case "offer_made":
                self._answer(event.offer_made.offer)
            case "offer_answered":
                self._drive(event.offer_answered)
            case "job_completed":
                self._judge(event.job_completed)
            case "nudge_sent" if self._drawn(FOLLOWS):
                nudge = event.nudge_sent.nudge
                goal = nudge.centre.latitude, nudge.centre.longitude
                self._goal[self._market.state.numbers[nudge.courier_id]] = goal
            case "review_opened" | "review_claimed" | "review_opinion_given":
                self._in(60.0, self._review)

    def _answer(self, offer: offer_pb.Offer) -> None:
        drawn = self._rng.random()
        if drawn < IGNORES:
            return
        choice = courier_pb.ANSWER_DECLINE if drawn < IGNORES + DECLINES else courier_pb.ANSWER_ACCEPT
        answer = courier_pb.OfferAnswer(offer_id=offer.offer_id, answer=choice)
        command = commands.AnswerOffer(courier_id=offer.courier_id, answer=answer)
        self._in(float(self._rng.uniform(1, 12)), lambda: self._do(command))

    def _drive(self, answered: events_pb.OfferAnswered) -> None:
        if answered.outcome != courier_pb.OFFER_OUTCOME_ACCEPTED:
            return
        job = self._market.state.jobs[answered.job_ids[0]]
        number = self._market.state.numbers[answered.courier_id]
        way_s = float(self._rng.uniform(60, 420))
        trip_s = job.trip_duration.seconds * float(self._rng.uniform(0.8, 1.4))
        steps = [("ARRIVED", way_s), ("PICKED_UP", float(self._rng.uniform(10, 300))), ("COMPLETED", trip_s)]
        if self._drawn(RELEASES):
            steps = [("FAILED", way_s / 2)]
        dropoff = job.spec.dropoff.position.latitude, job.spec.dropoff.position.longitude
        self._step(job.job_id, answered.courier_id, steps, number, dropoff)

    def _step(
        self, job_id: str, courier_id: str, steps: list[tuple[str, float]], number: int, dropoff: tuple[float, float]
    ) -> None:
        (name, after_s), *rest = steps

        def act() -> None:
            progress = courier_pb.Progress(job_id=job_id, step=f"PROGRESS_STEP_{name}")
            if self._do(commands.ReportProgress(courier_id=courier_id, progress=progress)):
                if rest:
                    self._step(job_id, courier_id, rest, number, dropoff)
                elif name == "COMPLETED":
                    self._at[number] = dropoff

        self._in(after_s, act)

    # --- opinions

    def _judge(self, completed: events_pb.JobCompleted) -> None:
        job_id, courier_id = completed.job_id, completed.courier_id
        client_id = self._market.state.jobs[job_id].client_id
        if self._drawn(CLIENT_RATES):
            self._in(float(self._rng.uniform(5, 60)), lambda: self._rate(job_id, job_pb.ACTOR_CLIENT, client_id))
        if self._drawn(COURIER_RATES):
            self._in(float(self._rng.uniform(5, 60)), lambda: self._rate(job_id, job_pb.ACTOR_COURIER, courier_id))
        if self._drawn(TIPS):
            tip = commands.AddTip(job_id=job_id, client_id=client_id, minor_units=100)
            self._in(30.0, lambda: self._do(tip))

    def _rate(self, job_id: str, rater: job_pb.Actor, rater_id: str) -> None:
        stars = int(self._rng.choice(5, p=STARS)) + 1
        tag = str(self._rng.choice(TAGS)) if stars < 4 else ""
        given = rating_pb.Rating(job_id=job_id, rater=rater, rater_id=rater_id, stars=stars, tags=[tag] if tag else [])
        before = len(self.log)
        if not self._do(commands.RateJob(rating=given)) or rater != job_pb.ACTOR_CLIENT or stars > 2:
            return
        event = next((event for event in self.log[before:] if event.HasField("job_rated")), None)
        if event is not None and not event.job_rated.rating.cause and self._drawn(CONTESTS):
            rating, standing = event.job_rated.rating, self._market.state.policy.standing
            decision = explain(event, rating.decision_id, rating.rated_id, standing)
            contest = commands.ContestDecision(
                person_id=rating.rated_id, decision=decision, statement="it went as agreed"
            )
            self._in(60.0, lambda: self._do(contest))

    def _review(self) -> None:
        """A reviewer takes the most urgent review and answers a little later."""
        reviewer = str(self._rng.choice(REVIEWERS))
        before = len(self.log)
        if not self._do(commands.ClaimReview(reviewer_id=reviewer, review_id="")):
            return
        claimed = next(event.review_claimed for event in self.log[before:] if event.HasField("review_claimed"))
        review = self._market.state.reviews[claimed.review_id]
        overturned = self._drawn(OVERTURNS)
        standing = review.kind == transparency_pb.REVIEW_KIND_STANDING and not overturned
        level = policy_pb.STANDING_LEVEL_RESTRICTED if self._drawn(0.5) else policy_pb.STANDING_LEVEL_WATCH
        decision = commands.DecideReview(
            reviewer_id=reviewer,
            review_id=claimed.review_id,
            outcome=transparency_pb.REVIEW_OUTCOME_OVERTURNED if overturned else transparency_pb.REVIEW_OUTCOME_UPHELD,
            reason="compared the statement with the job's times",
            level=level if standing else policy_pb.STANDING_LEVEL_UNSPECIFIED,
        )
        self._in(float(self._rng.uniform(5, 120)), lambda: self._do(decision))

    def _new_policy(self) -> None:
        changed = policy.load("city")
        for tariff in changed.pays:
            tariff.base, tariff.per_minute = tariff.base + 60, tariff.per_minute - 6
        self._do(commands.SetPolicy(policy=changed, operator_id="olu"))
