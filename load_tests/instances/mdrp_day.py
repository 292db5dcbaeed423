"""A day of meal deliveries on the Market with a simulated clock; every courier accepts, and drives as the rules say."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from dispatcher import commands
from dispatcher.market import Market, MovedCouriers
from dispatcher.times import timestamp
from geo.units import to_e7
from gig.v1 import courier_service_pb2 as courier_pb
from gig.v1 import events_pb2 as events_pb
from gig.v1 import job_pb2 as job_pb
from gig.v1 import offer_pb2 as offer_pb
from gig.v1 import policy_pb2 as policy_pb
from gig.v1 import types_pb2 as types_pb
from load_tests.replay.simulation import Progress, Simulation, Turn
from load_tests.traces.mdrp import DAY_START_US, MINUTE_US, Instance, Order, Shift, minute_us

# The problem limits neither vehicle nor load: how many orders go together is the policy's.
PROFILE = courier_pb.CourierProfile(
    vehicle_type=types_pb.VEHICLE_TYPE_CAR, capacity=types_pb.Load(parcels=100, weight_grams=1)
)


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
    events: list[events_pb.Event]
    deliveries: list[Delivery]
    # Wall seconds of each round.
    round_s: list[float]


class MdrpSimulation(Simulation):
    def __init__(self, instance: Instance, policy: policy_pb.Policy) -> None:
        self.events: list[events_pb.Event] = []
        super().__init__(Market.new(), policy, DAY_START_US, self.events.extend)
        self._instance = instance
        self._deliveries: list[Delivery] = []
        self._orders = {order.name: order for order in instance.orders}
        # Where each courier stands when free: name of the place, x, y.
        self._places = {shift.name: ("0", shift.x, shift.y) for shift in instance.shifts}
        self._moved: set[str] = set()

    def run(self, progress: Progress = lambda _share: None) -> Day:
        """Play the day to its end; ``progress`` is told the share that has passed."""
        start = min((shift.on for shift in self._instance.shifts), default=0.0)
        start = min([start, *(order.placement for order in self._instance.orders)])
        self.open(self._instance.name, minute_us(start))
        for shift in self._instance.shifts:
            if shift.off > shift.on:
                self.plan(minute_us(shift.on), Turn.ONLINE, self._online(shift))
                self.plan(minute_us(shift.off), Turn.OFFLINE, self._offline(shift))
        for order in self._instance.orders:
            self.plan(minute_us(order.placement), Turn.PLACE, self._place(order))
        self.play(progress)
        return Day(self._instance, self.policy, self.events, self._deliveries, self.round_s)

    # --- what the trace brings

    def _online(self, shift: Shift) -> Callable[[int], None]:
        position = types_pb.Position(latitude=shift.y, longitude=shift.x)
        online = courier_pb.GoOnline(profile=PROFILE, position=position, shift_end=timestamp(minute_us(shift.off)))
        return lambda now: self.decide(commands.GoOnline(courier_id=shift.name, online=online), now)

    def _offline(self, shift: Shift) -> Callable[[int], None]:
        return lambda now: self.decide(commands.GoOffline(courier_id=shift.name, reason="end of shift"), now)

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
        return lambda now: self.decide(command, now)

    # --- couriers at work

    def moved_couriers(self, now: int) -> MovedCouriers:  # noqa: ARG002 - those who are free stand still
        numbers, columns = self.market.state.numbers, self.market.state.columns
        moved = []
        for name in sorted(self._moved, key=numbers.__getitem__):
            number, (_, x, y) = numbers[name], self._places[name]
            if (columns.latitude_e7[number], columns.longitude_e7[number]) != (to_e7(y), to_e7(x)):
                moved.append((number, to_e7(y), to_e7(x)))
            else:
                self._moved.discard(name)
        return MovedCouriers(*np.array(moved, np.int64).reshape(-1, 3).T)

    def set_out(self, offer: offer_pb.Offer, now: int) -> None:
        sequence = [self._orders[stop.job_id] for stop in offer.plan if stop.kind == job_pb.STOP_KIND_DROPOFF]
        delivery = self._drive(tuple(sequence), offer.courier_id, (now - DAY_START_US) / MINUTE_US)
        self._deliveries.append(delivery)
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
        self.plan(minute_us(minute), Turn.PROGRESS, lambda now: self.decide(command, now))

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
