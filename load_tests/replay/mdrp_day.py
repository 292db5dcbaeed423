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

# The problem limits neither vehicle nor load: how many orders go together is the policy's.
PROFILE = courier_pb.CourierProfile(
    vehicle_type=types_pb.VEHICLE_TYPE_CAR, capacity=types_pb.Load(parcels=100, weight_grams=1)
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
    """One executed assignment, in minutes of the day: orders of one restaurant in the sequence of their drop-offs."""

    orders: tuple[Order, ...]
    courier: str
    # Name of the place that the courier leaves: an order, or 0 for where the shift began.
    origin: str
    assigned: float
    minutes_to_restaurant: float
    pickup: float
    # Of each order: when the courier leaves for it, and when it is dropped off.
    departures: tuple[float, ...]
    dropoffs: tuple[float, ...]


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
        sequence = [self._orders[stop.job_id] for stop in offer.plan if stop.kind == job_pb.STOP_KIND_DROPOFF]
        delivery = self._drive(tuple(sequence), offer.courier_id, (now - DAY_START_US) / MINUTE)
        self.day.deliveries.append(delivery)
        half_dropoff = self._instance.parameters.dropoff_service / 2
        arrived, picked_up, completed = (
            courier_pb.PROGRESS_STEP_ARRIVED,
            courier_pb.PROGRESS_STEP_PICKED_UP,
            courier_pb.PROGRESS_STEP_COMPLETED,
        )
        for order, dropoff in zip(delivery.orders, delivery.dropoffs, strict=True):
            self._report(delivery, order, delivery.assigned + delivery.minutes_to_restaurant, arrived)
            self._report(delivery, order, delivery.pickup, picked_up)
            # A courier takes no new instruction before the service at the door is over.
            self._report(delivery, order, dropoff + half_dropoff, completed)
        last = delivery.orders[-1]
        self._places[offer.courier_id] = (last.name, last.x, last.y)
        self._moved.add(offer.courier_id)

    def _report(self, delivery: Delivery, order: Order, minute: float, step: courier_pb.ProgressStep) -> None:
        progress = courier_pb.Progress(job_id=order.name, step=step)
        command = commands.ReportProgress(courier_id=delivery.courier, progress=progress)
        self._plan(minute_us(minute), Turn.PROGRESS, lambda now: self._decide(command, now))

    def _drive(self, orders: tuple[Order, ...], courier: str, assigned: float) -> Delivery:
        """Times by the problem's rules."""
        origin, x, y = self._places[courier]
        rules = self._instance.parameters
        restaurant = self._instance.restaurants[orders[0].restaurant]
        approach = self._instance.minutes(x, y, restaurant.x, restaurant.y)
        ready = max(order.ready for order in orders)
        pickup = max(ready, assigned + approach + rules.pickup_service / 2)
        leaves, x, y = pickup + rules.pickup_service / 2, restaurant.x, restaurant.y
        departures, dropoffs = [], []
        for order in orders:
            departures.append(leaves)
            dropoffs.append(leaves + self._instance.minutes(x, y, order.x, order.y) + rules.dropoff_service / 2)
            leaves, x, y = dropoffs[-1] + rules.dropoff_service / 2, order.x, order.y
        return Delivery(orders, courier, origin, assigned, approach, pickup, tuple(departures), tuple(dropoffs))

    def _expire_the_rest(self) -> None:
        """Orders that found nobody end as expired, so that every job has its terminal state."""
        while (due := self._market.next_due()) is not None:
            self._decide(commands.CheckDue(), due)
