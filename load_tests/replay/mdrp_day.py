"""A day of meal deliveries on the Market with a simulated clock; every courier accepts, and drives as the rules say."""

from __future__ import annotations

import heapq
from collections.abc import Callable
from dataclasses import dataclass, field
from enum import IntEnum

import numpy as np

from dispatcher import commands
from dispatcher.market import Market, MovedCouriers
from dispatcher.times import SECOND, span, timestamp
from geo.units import to_e7
from gig.v1 import courier_service_pb2 as courier_pb
from gig.v1 import events_pb2 as events_pb
from gig.v1 import job_pb2 as job_pb
from gig.v1 import offer_pb2 as offer_pb
from gig.v1 import policy_pb2 as policy_pb
from gig.v1 import types_pb2 as types_pb
from load_tests.replay.mdrp_policy import MINUTE
from load_tests.traces.mdrp import Instance, Order, Shift
from matching.solve import solve

# 2018-01-01T00:00:00Z: minute 0 of every instance's day.
DAY_START_US = 1_514_764_800 * SECOND
NEVER = 2**62

# Rooms for one order; the vehicle has no meaning in the problem.
PROFILE = courier_pb.CourierProfile(
    vehicle_type=types_pb.VEHICLE_TYPE_CAR, capacity=types_pb.Load(parcels=1, weight_grams=1)
)

Progress = Callable[[float], None]


class Turn(IntEnum):
    """Order of what happens in the same minute: work ends before shifts end, and both before orders come."""

    PROGRESS = 0
    ONLINE = 1
    OFFLINE = 2
    PLACE = 3
    ROUND = 4


@dataclass(slots=True)
class Delivery:
    """One executed assignment, in minutes of the day."""

    order: Order
    courier: str
    # Name of the place that the courier leaves: an order, or 0 for where the shift began.
    origin: str
    assigned: float
    minutes_to_restaurant: float
    pickup: float
    departure: float
    dropoff: float


@dataclass(slots=True)
class Day:
    """What happened: the log, and each delivery in the order of assignment."""

    instance: Instance
    policy: policy_pb.Policy
    events: list[events_pb.Event] = field(default_factory=list)
    deliveries: list[Delivery] = field(default_factory=list)


def minute_us(minute: float) -> int:
    return DAY_START_US + round(minute * MINUTE)


class MdrpSimulation:
    def __init__(self, instance: Instance, policy: policy_pb.Policy) -> None:
        self.day = Day(instance, policy)
        self._instance = instance
        self._market = Market()
        self._orders = {order.name: order for order in instance.orders}
        self._shifts = {shift.name: shift for shift in instance.shifts}
        # Where each courier stands when free: name of the place, x, y.
        self._places = {shift.name: ("0", shift.x, shift.y) for shift in instance.shifts}
        self._moved: set[str] = set()
        self._turns: list[tuple[int, Turn, int, Callable[[int], None]]] = []
        self._counter = 0
        self._window = span(policy.matching.batch_window)
        # The earliest round in the plan, and the last one held.
        self._round_planned_us = NEVER
        self._round_done_us = -1

    def run(self, progress: Progress = lambda _share: None) -> Day:
        """Play the day to its end; ``progress`` is told the share that has passed."""
        start = min((shift.on for shift in self._instance.shifts), default=0.0)
        start = min([start, *(order.placement for order in self._instance.orders)])
        self._take(self._market.opening(self._instance.name, self.day.policy, minute_us(start)))
        for shift in self._instance.shifts:
            if shift.off > shift.on:
                self._plan(minute_us(shift.on), Turn.ONLINE, self._online(shift))
                self._plan(minute_us(shift.off), Turn.OFFLINE, self._offline(shift))
        for order in self._instance.orders:
            self._plan(minute_us(order.placement), Turn.PLACE, self._place(order))
        done = 0
        while self._turns:
            now, _, _, act = heapq.heappop(self._turns)
            act(now)
            self._plan_round(now)
            done += 1
            if done % 500 == 0:
                progress(done / (done + len(self._turns)))
        self._expire_the_rest()
        return self.day

    def _plan(self, at_us: int, turn: Turn, act: Callable[[int], None]) -> None:
        self._counter += 1
        heapq.heappush(self._turns, (at_us, turn, self._counter, act))

    def _take(self, events: list[events_pb.Event]) -> None:
        self._market.apply(events)
        self.day.events.extend(events)

    def _decide(self, command: commands.Command, now: int) -> None:
        self._take(self._market.decide(command, now))

    # --- what the trace brings

    def _online(self, shift: Shift) -> Callable[[int], None]:
        position = types_pb.Position(latitude=shift.y, longitude=shift.x)
        online = courier_pb.GoOnline(profile=PROFILE, position=position, shift_end=timestamp(minute_us(shift.off)))
        return lambda now: self._decide(commands.GoOnline(courier_id=shift.name, online=online), now)

    def _offline(self, shift: Shift) -> Callable[[int], None]:
        return lambda now: self._decide(commands.GoOffline(courier_id=shift.name, reason="end of shift"), now)

    def _place(self, order: Order) -> Callable[[int], None]:
        restaurant = self._instance.restaurants[order.restaurant]
        spec = job_pb.JobSpec(
            kind=types_pb.JOB_KIND_DELIVERY,
            pickup=types_pb.Place(position=types_pb.Position(latitude=restaurant.y, longitude=restaurant.x)),
            dropoff=types_pb.Place(position=types_pb.Position(latitude=order.y, longitude=order.x)),
            load=types_pb.Load(parcels=1),
            pickup_after=timestamp(minute_us(order.ready)),
        )
        command = commands.PlaceJob(job_id=order.name, client_id=order.restaurant, spec=spec)
        return lambda now: self._decide(command, now)

    # --- rounds

    def _plan_round(self, now: int) -> None:
        """At the next multiple of the window at which a job waits; an idle market is skipped."""
        if self._market.state.queue:
            wanted = now
        else:
            due = self._market.next_due()
            if due is None:
                return
            wanted = max(due, now)
        at = wanted + -(wanted - DAY_START_US) % self._window
        if at <= self._round_done_us:
            at = self._round_done_us + self._window
        if at < self._round_planned_us and self._turns:
            self._round_planned_us = at
            self._plan(at, Turn.ROUND, self._round)

    def _round(self, now: int) -> None:
        if now == self._round_done_us:
            return  # planned twice, when an earlier need came up
        self._round_done_us, self._round_planned_us = now, NEVER
        due = self._market.next_due()
        if due is not None and due <= now:
            self._decide(commands.CheckDue(), now)
        round_ = self._market.problem(self._moved_couriers(), now)
        if round_ is None:
            return
        self._moved.clear()
        events = self._market.settle(round_, solve(round_.problem), now)
        self._take(events)
        for event in events:
            if event.HasField("offer_made"):
                self._accept(event.offer_made.offer, now)

    def _moved_couriers(self) -> MovedCouriers:
        numbers = self._market.state.numbers
        names = sorted(self._moved, key=numbers.__getitem__)
        return MovedCouriers(
            np.array([numbers[name] for name in names], np.int64),
            np.array([to_e7(self._places[name][2]) for name in names], np.int64),
            np.array([to_e7(self._places[name][1]) for name in names], np.int64),
        )

    # --- couriers at work

    def _accept(self, offer: offer_pb.Offer, now: int) -> None:
        answer = courier_pb.OfferAnswer(offer_id=offer.offer_id, answer=courier_pb.ANSWER_ACCEPT)
        self._decide(commands.AnswerOffer(courier_id=offer.courier_id, answer=answer), now)
        delivery = self._drive(self._orders[offer.job_id], offer.courier_id, (now - DAY_START_US) / MINUTE)
        self.day.deliveries.append(delivery)
        order, courier = delivery.order, offer.courier_id
        half_dropoff = self._instance.parameters.dropoff_service / 2
        for minute, step in (
            (delivery.assigned + delivery.minutes_to_restaurant, courier_pb.PROGRESS_STEP_ARRIVED),
            (delivery.pickup, courier_pb.PROGRESS_STEP_PICKED_UP),
            # A courier takes no new instruction before the service at the door is over.
            (delivery.dropoff + half_dropoff, courier_pb.PROGRESS_STEP_COMPLETED),
        ):
            progress = courier_pb.Progress(job_id=order.name, step=step)
            command = commands.ReportProgress(courier_id=courier, progress=progress)
            self._plan(minute_us(minute), Turn.PROGRESS, self._report(command))
        self._places[courier] = (order.name, order.x, order.y)
        self._moved.add(courier)

    def _report(self, command: commands.ReportProgress) -> Callable[[int], None]:
        return lambda now: self._decide(command, now)

    def _drive(self, order: Order, courier: str, assigned: float) -> Delivery:
        """Times by the problem's rules."""
        origin, x, y = self._places[courier]
        rules = self._instance.parameters
        restaurant = self._instance.restaurants[order.restaurant]
        approach = self._instance.minutes(x, y, restaurant.x, restaurant.y)
        arrival = assigned + approach
        pickup = max(order.ready, arrival + rules.pickup_service / 2)
        departure = pickup + rules.pickup_service / 2
        way = self._instance.minutes(restaurant.x, restaurant.y, order.x, order.y)
        dropoff = departure + way + rules.dropoff_service / 2
        return Delivery(order, courier, origin, assigned, approach, pickup, departure, dropoff)

    def _expire_the_rest(self) -> None:
        """Orders that found nobody end as expired, so that every job has its terminal state."""
        while (due := self._market.next_due()) is not None:
            self._decide(commands.CheckDue(), due)
