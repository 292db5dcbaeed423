"""Any trace on the Market: its requests come as they came, couriers drive the market's plans, people act by models."""

from __future__ import annotations

from collections import Counter

import numpy as np

from dispatcher import commands
from dispatcher.currencies import minor_units_in
from dispatcher.errors import DispatchError
from dispatcher.market import Market, MovedCouriers, lifecycle
from dispatcher.times import SECOND, span, timestamp
from geo.units import to_e7_array
from gig.v1 import courier_service_pb2 as courier_pb
from gig.v1 import job_pb2 as job_pb
from gig.v1 import offer_pb2 as offer_pb
from gig.v1 import policy_pb2 as policy_pb
from gig.v1 import rating_service_pb2 as rating_pb
from gig.v1 import types_pb2 as types_pb
from load_tests.behaviour import acts
from load_tests.behaviour.settings import Behaviour
from load_tests.replay.day import Day
from load_tests.replay.driving import Driver, Stop
from load_tests.replay.idling import Idling
from load_tests.replay.seats import seats_of, usual_capacity
from load_tests.replay.simulation import Act, Keep, Progress, Simulation, Turn

ARRIVED, PICKED_UP, COMPLETED = (
    courier_pb.PROGRESS_STEP_ARRIVED,
    courier_pb.PROGRESS_STEP_PICKED_UP,
    courier_pb.PROGRESS_STEP_COMPLETED,
)
PICKUP = job_pb.STOP_KIND_PICKUP
WAITING = (lifecycle.QUEUED, lifecycle.OFFERED, lifecycle.SCHEDULED)


class TraceReplay(Simulation):
    """``refused``: requests, by why the market would not take them."""

    def __init__(self, day: Day, policy: policy_pb.Policy, behaviour: Behaviour, seed: int, keep: Keep) -> None:
        super().__init__(Market.new(), policy, day.start_us, keep)
        self.day, self.behaviour, self.seed = day, behaviour, seed
        self.refused: Counter[str] = Counter()
        requests, roster = day.requests, day.roster
        self._patience_s = acts.patience_s(behaviour.clients.patience, seed, len(requests))
        self._boarding_s = acts.boarding_s(behaviour.clients.boarding, seed, len(requests))
        self._row = {job_id: row for row, job_id in enumerate(requests.ids)}
        self._drivers: dict[str, Driver] = {}
        for courier_id in roster.courier_ids:
            self._drivers.setdefault(courier_id, Driver(courier_id, len(self._drivers)))
        # Those whose place may differ from the one on the log.
        self._moved: set[str] = set()
        self._shares = policy.matching.sharing.under_way
        self._next = 0
        self._idling = Idling(self)

    def run(self, progress: Progress = lambda _share: None, zones: str = "") -> None:
        """``zones``: the market's, a GeoJSON document."""
        self.open(self.day.trace.about.name, self.day.start_us, zones)
        for row in range(len(self.day.roster)):
            self._plan_shift(row)
        self.plan(self.day.requests.at_us[0], Turn.PLACE, self._place)
        self.play(progress)

    def share(self, now: int, done: int) -> float:  # noqa: ARG002 - by time
        return min((now - self.day.start_us) / max(self.day.end_us - self.day.start_us, 1), 1.0)

    # --- clients

    def _place(self, now: int) -> None:
        requests, row = self.day.requests, self._next
        self._next += 1
        if self._next < len(requests):
            self.plan(requests.at_us[self._next], Turn.PLACE, self._place)
        job_id, client_id = requests.ids[row], requests.clients[row]
        command = commands.PlaceJob(job_id=job_id, client_id=client_id, spec=self._spec(row))
        try:
            self.decide(command, now)
        except DispatchError as refusal:
            self._refuse(refusal)
            return
        patience = float(self._patience_s[row])
        if patience * SECOND < span(self.policy.jobs.max_wait):
            begins = max(now, requests.ready_us[row])
            self.plan(begins + round(patience * SECOND), Turn.CANCEL, lambda at: self._give_up(job_id, client_id, at))

    def _spec(self, row: int) -> job_pb.JobSpec:
        requests = self.day.requests
        spec = job_pb.JobSpec(kind=requests.kinds[row])
        start, end = spec.pickup.position, spec.dropoff.position
        start.latitude, start.longitude, end.latitude, end.longitude = requests.places[row]
        if requests.persons[row]:
            spec.load.persons = requests.persons[row]
        elif self.day.trace.about.plane is not None:
            spec.load.parcels = 1
        if requests.ready_us[row]:
            spec.pickup_after.CopyFrom(timestamp(requests.ready_us[row]))
        return spec

    def _give_up(self, job_id: str, client_id: str, now: int) -> None:
        job = self.market.state.jobs.get(job_id)
        if job is not None and job.state in WAITING:
            self.decide(commands.CancelJob(job_id=job_id, client_id=client_id, reason="waited too long"), now)

    def _afterwards(self, row: int, now: int) -> None:
        """What a client does once the job is done."""
        requests = self.day.requests
        job_id, client_id = requests.ids[row], requests.clients[row]
        stars = acts.stars_given(self.behaviour, self.seed, row)
        if stars:
            rating = rating_pb.Rating(job_id=job_id, rater=job_pb.ACTOR_CLIENT, rater_id=client_id, stars=stars)
            self._try(commands.RateJob(rating=rating), now)
        if requests.tip_minor[row] > 0:
            amount = requests.tip_minor[row]
            self._try(commands.AddTip(client_id=client_id, job_id=job_id, minor_units=amount), now)

    def _try(self, command: commands.Command, now: int) -> None:
        """What a policy may not have: tips, ratings."""
        try:
            self.decide(command, now)
        except DispatchError as refusal:
            self._refuse(refusal)

    def _refuse(self, refusal: DispatchError) -> None:
        self.refused[getattr(refusal, "reason", type(refusal).__name__)] += 1

    # --- shifts

    def _plan_shift(self, row: int) -> None:
        roster = self.day.roster
        driver = self._drivers[roster.courier_ids[row]]
        self.plan(roster.online_us[row], Turn.ONLINE, lambda now: self._begin_shift(driver, row, now))
        self.plan(roster.offline_us[row], Turn.OFFLINE, lambda now: self._end_shift(driver, now))

    def _begin_shift(self, driver: Driver, row: int, now: int) -> None:
        roster = self.day.roster
        driver.shift_end_us = roster.offline_us[row]
        if driver.on_shift:  # the last job of the shift before took longer: they just go on
            driver.leaving = False
            return
        driver.vehicle = roster.vehicles[row]
        self.go_online(driver, roster.latitude[row], roster.longitude[row], now)

    def go_online(self, driver: Driver, latitude: float, longitude: float, now: int) -> None:
        driver.stand(latitude, longitude)
        profile = courier_pb.CourierProfile()
        profile.vehicle_type = driver.vehicle
        if self.day.trace.about.plane is not None:
            # Instances limit neither vehicle nor load.
            profile.capacity.parcels, profile.capacity.weight_grams = 100, 1
        elif self.day.seats > seats_of(self.policy, driver.vehicle):
            profile.capacity.CopyFrom(usual_capacity(self.policy, driver.vehicle))
            # A party may ask for more than the policy lets a car hold.
            profile.capacity.persons = self.day.seats
        online = courier_pb.GoOnline(
            profile=profile,
            position=types_pb.Position(latitude=latitude, longitude=longitude),
            shift_end=timestamp(driver.shift_end_us),
        )
        self.decide(commands.GoOnline(courier_id=driver.courier_id, online=online), now)
        driver.online = driver.on_shift = True
        self._idling.begin(driver, now)

    def go_offline(self, driver: Driver, reason: str, now: int) -> None:
        self.decide(commands.GoOffline(courier_id=driver.courier_id, reason=reason), now)
        driver.online = False
        self._moved.discard(driver.courier_id)

    def _end_shift(self, driver: Driver, now: int) -> None:
        if driver.on_shift and driver.shift_end_us <= now:
            driver.leaving = True
            self._leave_if_possible(driver, now)

    def _leave_if_possible(self, driver: Driver, now: int) -> None:
        """Whoever has work in hand finishes it first; with everything on board the market is told that nothing more is
        wanted, and ends the shift with the last drop-off itself."""
        state = self.market.state
        if driver.online:
            courier = state.couriers[driver.courier_id]
            if courier.state == courier_pb.COURIER_STATE_OFFLINE:
                driver.online = False
                self._moved.discard(driver.courier_id)
            elif not courier.closing and all(
                state.jobs[job_id].state == lifecycle.PICKED_UP for job_id in courier.job_ids
            ):
                closes = bool(courier.job_ids)
                self.decide(commands.GoOffline(courier_id=driver.courier_id, reason="end of shift"), now)
                driver.online = closes
        if not driver.online:
            driver.on_shift = driver.leaving = False

    # --- offers

    def offered(self, offer: offer_pb.Offer, now: int) -> None:
        driver, row = self._drivers[offer.courier_id], self._row[offer.jobs[0].job_id]
        delay = acts.answer_delay_s(self.behaviour.couriers.answer, self.seed, driver.number, row)
        if delay is None:
            return
        if not delay:
            self._answer(offer, driver, row, now)
        elif round(delay * SECOND) < span(offer.time_to_answer):
            self.plan(now + round(delay * SECOND), Turn.ANSWER, lambda at: self._answer(offer, driver, row, at))

    def _answer(self, offer: offer_pb.Offer, driver: Driver, row: int, now: int) -> None:
        if offer.offer_id not in self.market.state.offers:
            return
        model = self.behaviour.couriers.acceptance
        accepted = model.model == "always" or acts.accepts(
            model,
            self.seed,
            driver.number,
            row,
            offer.pay.minor_units / minor_units_in(offer.pay.currency_code),
            span(offer.pickup_duration) / SECOND,
            sum(span(job.trip_duration) for job in offer.jobs) / SECOND,
            (now - driver.free_us) / SECOND,
        )
        answer = courier_pb.OfferAnswer(
            offer_id=offer.offer_id, answer=courier_pb.ANSWER_ACCEPT if accepted else courier_pb.ANSWER_DECLINE
        )
        self.decide(commands.AnswerOffer(courier_id=driver.courier_id, answer=answer), now)
        if accepted:
            self._drive_on(driver, now)

    # --- couriers at work

    def _drive_on(self, driver: Driver, now: int) -> None:
        """Towards the first stop of the plan, from wherever the courier is."""
        plan = self.market.state.couriers[driver.courier_id].plan
        stop = Stop(plan[0].job_id, plan[0].kind)
        if driver.serving or (driver.heading == stop and driver.arrive_us > now):
            return
        row = self._row[stop.job_id]
        latitude, longitude = self._position(stop)
        driver.stand(*driver.at(now))
        recorded = self.day.requests.trip_us[row] if driver.came_from == (row, PICKUP) and stop.kind != PICKUP else 0
        if recorded:
            seconds = recorded / SECOND
        else:
            start = driver.latitude, driver.longitude
            _, seconds = self.day.travel.leg(*start, latitude, longitude, now / SECOND)
        driver.set_out(stop, latitude, longitude, now, now + round(seconds * SECOND))
        if self._shares:
            # A round may give them more, from where they are.
            self._moved.add(driver.courier_id)
        else:
            self._moved.discard(driver.courier_id)
        trip = driver.trip
        self.plan(driver.arrive_us, Turn.PROGRESS, lambda at: self._arrive(driver, trip, at))

    def _position(self, stop: Stop) -> tuple[float, float]:
        a, b, c, d = self.day.requests.places[self._row[stop.job_id]]
        return (a, b) if stop.kind == PICKUP else (c, d)

    def _arrive(self, driver: Driver, trip: int, now: int) -> None:
        if driver.trip != trip or driver.heading is None:
            return  # sent elsewhere meanwhile
        stop = driver.heading
        driver.stand(driver.to_latitude, driver.to_longitude)
        driver.serving = True
        if stop.kind != PICKUP:
            # Half the service before, half after the moment of handing over, with nothing new in between.
            done = now + round(2 * self.day.travel.half_dropoff_service_s * SECOND)
            self._then(done, now, lambda at: self._complete(driver, stop.job_id, at))
            return
        together = self._picked_up_together(driver)
        ready = now
        for job_id in together:
            row = self._row[job_id]
            self._report(driver, job_id, ARRIVED, now)
            boarding = self.day.requests.boarding_us[row] or round(float(self._boarding_s[row]) * SECOND)
            half = round(self.day.travel.half_pickup_service_s * SECOND)
            ready = max(ready, self.day.requests.ready_us[row], now + half + boarding)
        self._then(ready, now, lambda at: self._pick_up(driver, together, at))

    def _picked_up_together(self, driver: Driver) -> list[str]:
        """Jobs of the plan's first stops, as long as they are pickups at this very place."""
        found = []
        for planned in self.market.state.couriers[driver.courier_id].plan:
            stop = Stop(planned.job_id, planned.kind)
            if stop.kind != PICKUP or self._position(stop) != (driver.latitude, driver.longitude):
                break
            found.append(stop.job_id)
        return found

    def _pick_up(self, driver: Driver, job_ids: list[str], now: int) -> None:
        for job_id in job_ids:
            self._report(driver, job_id, PICKED_UP, now)
        driver.came_from = (self._row[job_ids[-1]], PICKUP)
        if driver.leaving:
            self._leave_if_possible(driver, now)
        leaves = now + round(self.day.travel.half_pickup_service_s * SECOND)
        self._then(leaves, now, lambda at: self._leave(driver, at))

    def _leave(self, driver: Driver, now: int) -> None:
        driver.serving = False
        self._drive_on(driver, now)

    def _complete(self, driver: Driver, job_id: str, now: int) -> None:
        self._report(driver, job_id, COMPLETED, now)
        driver.serving, driver.came_from, driver.heading = False, None, None
        self._afterwards(self._row[job_id], now)
        if self.market.state.couriers[driver.courier_id].plan:
            self._drive_on(driver, now)
            return
        self._moved.add(driver.courier_id)
        if driver.leaving:
            self._leave_if_possible(driver, now)
        else:
            self._idling.begin(driver, now)

    def _report(self, driver: Driver, job_id: str, step: courier_pb.ProgressStep, now: int) -> None:
        progress = courier_pb.Progress(job_id=job_id, step=step)
        self.decide(commands.ReportProgress(courier_id=driver.courier_id, progress=progress), now)

    def _then(self, at: int, now: int, act: Act) -> None:
        """Later, or in this very turn."""
        if at > now:
            self.plan(at, Turn.PROGRESS, act)
        else:
            act(now)

    # --- where everyone is

    def wander(self, driver: Driver, latitude: float, longitude: float, now: int) -> None:
        """A free courier sets out without a job."""
        driver.stand(*driver.at(now))
        _, seconds = self.day.travel.leg(driver.latitude, driver.longitude, latitude, longitude, now / SECOND)
        driver.set_out(None, latitude, longitude, now, now + round(seconds * SECOND))
        self._moved.add(driver.courier_id)

    def is_free(self, driver: Driver) -> bool:
        number = self.market.state.numbers[driver.courier_id]
        return driver.online and bool(self.market.state.columns.available[number])

    def moved_couriers(self, now: int) -> MovedCouriers:
        state, columns = self.market.state, self.market.state.columns
        names = list(self._moved)
        if not names:
            return MovedCouriers.none()
        numbers = np.fromiter((state.numbers[name] for name in names), np.int64, len(names))
        places = np.array([self._drivers[name].at(now) for name in names])
        latitude, longitude = to_e7_array(places[:, 0]), to_e7_array(places[:, 1])
        differ = (columns.latitude_e7[numbers] != latitude) | (columns.longitude_e7[numbers] != longitude)
        for at in np.flatnonzero(~differ).tolist():
            if self._drivers[names[at]].arrive_us <= now:
                self._moved.discard(names[at])
        order = np.flatnonzero(differ)[np.argsort(numbers[differ], kind="stable")]
        return MovedCouriers(numbers[order], latitude[order], longitude[order])
