"""Recorded taxi requests on the Market with a simulated clock; vehicles drive node by node on the road network."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from dispatcher import commands
from dispatcher.market import Market, MovedCouriers
from dispatcher.times import SECOND, timestamp
from geo.units import to_e7_array
from gig.v1 import courier_service_pb2 as courier_pb
from gig.v1 import events_pb2 as events_pb
from gig.v1 import job_pb2 as job_pb
from gig.v1 import offer_pb2 as offer_pb
from gig.v1 import policy_pb2 as policy_pb
from gig.v1 import types_pb2 as types_pb
from load_tests.replay.simulation import Progress, Simulation, Turn
from load_tests.traces.cargo import CargoInstance, Customer, Vehicle

# 2016-01-01T00:00:00Z: second 0 of every instance.
DAY_START_US = 1_451_606_400 * SECOND
NOWHERE = -1
VIA, PICKUP, DROPOFF = ".", "+", "-"


@dataclass(frozen=True, slots=True)
class Waypoint:
    """A vehicle at a node: where it turned (VIA), or took someone in or let someone out. Seconds since the start."""

    vehicle: str
    at_s: float
    node: int
    action: str
    customer: str = ""


@dataclass(frozen=True, slots=True)
class CargoDay:
    """What happened: the log, every vehicle's waypoints in order of time, and wall seconds of each round."""

    instance: CargoInstance
    vehicles: tuple[Vehicle, ...]
    policy: policy_pb.Policy
    events: list[events_pb.Event]
    waypoints: list[Waypoint]
    round_s: list[float]


def second_us(seconds: float) -> int:
    return DAY_START_US + round(seconds * SECOND)


class CargoSimulation(Simulation):
    """``vehicles``: how many of the instance's take part, the first ones; None for all."""

    def __init__(self, instance: CargoInstance, policy: policy_pb.Policy, vehicles: int | None = None) -> None:
        self.events: list[events_pb.Event] = []
        super().__init__(Market.new({instance.network: instance.roads}), policy, DAY_START_US, self.events.extend)
        self._instance, self._roads = instance, instance.roads
        self._vehicles = instance.vehicles[:vehicles]
        self._index = {vehicle.name: index for index, vehicle in enumerate(self._vehicles)}
        self._customers = {customer.name: customer for customer in instance.customers}
        self._latitude_e7, self._longitude_e7 = to_e7_array(self._roads.latitude), to_e7_array(self._roads.longitude)
        # Where each vehicle can turn next and when; the stop that it drives to, and which departure this was.
        self._node = np.array([vehicle.node for vehicle in self._vehicles], np.int64)
        self._at_s = np.array([vehicle.early for vehicle in self._vehicles], np.float64)
        self._target = np.full(len(self._vehicles), NOWHERE, np.int64)
        self._departure = np.zeros(len(self._vehicles), np.int64)
        self._waypoints: list[Waypoint] = []

    def run(self, progress: Progress = lambda _share: None) -> CargoDay:
        """Play until the last customer is out; ``progress`` is told the share that has passed."""
        self.open(self._instance.name, DAY_START_US)
        for vehicle in self._vehicles:
            self._waypoints.append(Waypoint(vehicle.name, vehicle.early, vehicle.node, VIA))
            self.plan(second_us(vehicle.early), Turn.ONLINE, self._online(vehicle))
        for customer in self._instance.customers:
            self.plan(second_us(customer.early), Turn.PLACE, self._place(customer))
        self.play(progress)
        return CargoDay(self._instance, self._vehicles, self.policy, self.events, self._waypoints, self.round_s)

    # --- what the trace brings

    def _online(self, vehicle: Vehicle) -> Callable[[int], None]:
        profile = courier_pb.CourierProfile(
            vehicle_type=types_pb.VEHICLE_TYPE_CAR, capacity=types_pb.Load(persons=vehicle.seats)
        )
        online = courier_pb.GoOnline(profile=profile, position=self._position(vehicle.node), may_reorder=True)
        return lambda now: self.decide(commands.GoOnline(courier_id=vehicle.name, online=online), now)

    def _place(self, customer: Customer) -> Callable[[int], None]:
        spec = job_pb.JobSpec(
            kind=types_pb.JOB_KIND_RIDE,
            pickup=types_pb.Place(position=self._position(customer.origin)),
            dropoff=types_pb.Place(position=self._position(customer.destination)),
            load=types_pb.Load(persons=customer.seats),
            dropoff_before=timestamp(second_us(customer.late)),
        )
        command = commands.PlaceJob(job_id=customer.name, client_id=f"client-{customer.name}", spec=spec)
        return lambda now: self.decide(command, now)

    def _position(self, node: int) -> types_pb.Position:
        return types_pb.Position(
            latitude=float(self._roads.latitude[node]), longitude=float(self._roads.longitude[node])
        )

    # --- vehicles on their ways

    def moved_couriers(self, now: int) -> MovedCouriers:
        """Of vehicles under way: the node where they can turn next, and when they are there."""
        self._advance(now)
        columns = self.market.state.columns
        numbers = np.array([self.market.state.numbers[vehicle.name] for vehicle in self._vehicles], np.int64)
        latitude, longitude = self._latitude_e7[self._node], self._longitude_e7[self._node]
        in_ms = np.ceil(np.maximum(self._at_s - (now - DAY_START_US) / SECOND, 0) * 1000).astype(np.int64)
        elsewhere = (columns.latitude_e7[numbers] != latitude) | (columns.longitude_e7[numbers] != longitude)
        # Also those who come back to the node that is on the log.
        elsewhere |= (in_ms > 0) & (columns.position_us[numbers] < now + in_ms * 1000)
        moved = np.flatnonzero(elsewhere)
        moved = moved[np.argsort(numbers[moved])]
        return MovedCouriers(numbers[moved], latitude[moved], longitude[moved], in_ms[moved])

    def _advance(self, now: int) -> None:
        """Along their shortest paths to the first nodes that are not passed yet."""
        now_s = (now - DAY_START_US) / SECOND
        while True:
            going = np.flatnonzero((self._target != NOWHERE) & (self._at_s < now_s) & (self._node != self._target))
            if not going.size:
                return
            after, metres = self._roads.step_towards(self._node[going], self._target[going])
            self._node[going] = after
            self._at_s[going] += metres / self._roads.speed_mps

    def set_out(self, offer: offer_pb.Offer, now: int) -> None:
        self._drive_on(offer.courier_id, now)

    def _drive_on(self, name: str, now: int) -> None:
        """To the first stop of the plan, from where the vehicle can turn next."""
        index, courier = self._index[name], self.market.state.couriers[name]
        if not courier.plan:
            self._target[index] = NOWHERE
            return
        stop = courier.plan[0]
        customer = self._customers[stop.job_id]
        target = customer.origin if stop.kind == job_pb.STOP_KIND_PICKUP else customer.destination
        node, leaves_s = int(self._node[index]), max(float(self._at_s[index]), (now - DAY_START_US) / SECOND)
        if self._target[index] not in (NOWHERE, target):
            self._waypoints.append(Waypoint(name, leaves_s, node, VIA))
        self._target[index], self._at_s[index] = target, leaves_s
        self._departure[index] += 1
        departure = int(self._departure[index])
        metres = float(self._roads.metres_between(np.array([node]), np.array([target]))[0])
        arrives_us = second_us(leaves_s + metres / self._roads.speed_mps)
        self.plan(max(arrives_us, now), Turn.PROGRESS, lambda at: self._serve(name, departure, stop, at))

    def _serve(self, name: str, departure: int, stop: job_pb.PlanStop, now: int) -> None:
        """At a stop, unless the plan has changed on the way."""
        index = self._index[name]
        if self._departure[index] != departure:
            return
        self._node[index], self._at_s[index] = self._target[index], (now - DAY_START_US) / SECOND
        self._target[index] = NOWHERE
        is_pickup = stop.kind == job_pb.STOP_KIND_PICKUP
        action = PICKUP if is_pickup else DROPOFF
        at_s, node = float(self._at_s[index]), int(self._node[index])
        self._waypoints.append(Waypoint(name, at_s, node, action, stop.job_id))
        steps = ("ARRIVED", "PICKED_UP") if is_pickup else ("COMPLETED",)
        for step in steps:
            progress = courier_pb.Progress(job_id=stop.job_id, step=f"PROGRESS_STEP_{step}")
            self.decide(commands.ReportProgress(courier_id=name, progress=progress), now)
        self._drive_on(name, now)
