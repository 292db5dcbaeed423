"""Instances of the Meal Delivery Routing Problem as traces: a folder of orders, restaurants and shifts on a plane."""

from __future__ import annotations

from pathlib import Path

import pyarrow as pa

from load_tests.traces.mdrp import Instance, minute_us, read_instance
from load_tests.traces.schema import Tally, requests_table, shifts_table
from load_tests.traces.source import About, Choices, Plane, ReportRows, Source


class MdrpFormat:
    name = "mdrp"
    title = "an instance of Grubhub's Meal Delivery Routing Problem"
    mapping = """\
request_time: placement_time, in minutes from 2018-01-01T00:00Z; pickup_after: ready_time; pickup: the restaurant, whose
name is client_id; drop-off: the order's place; metres in a plane. Shifts: on_time to off_time, from where the courier
starts. Travel, service times and the guarantee are the instance's own."""

    needed: tuple[str, ...] = ()

    def names_in(self, path: Path) -> set[str]:  # noqa: ARG002 - it is no table
        return set()

    def recognises(self, path: Path) -> bool:
        return (path / "orders.txt").is_file() and (path / "restaurants.txt").is_file()

    def open(self, path: Path, choices: Choices, report: ReportRows) -> Source:  # noqa: ARG002 - it is small, and names no zones
        instance = read_instance(path)
        rules = instance.parameters
        plane = Plane(rules.metres_per_minute, 60.0, rules.pickup_service * 60, rules.dropoff_service * 60)
        source = "Grubhub's public instances (Reyes et al. 2018)"
        about = About(instance.name, self.name, source, instance_set=True, plane=plane, shifts_recorded=True)
        tally = Tally(rows=len(instance.orders))
        report(tally.rows, tally.rows)
        return Source(about, iter([_requests(instance)]), tally, shifts=lambda: _shifts(instance))


def _requests(instance: Instance) -> pa.Table:
    orders = instance.orders
    kitchens = [instance.restaurants[order.restaurant] for order in orders]
    return requests_table(
        {
            "request_id": [order.name for order in orders],
            "kind": ["delivery"] * len(orders),
            "client_id": [order.restaurant for order in orders],
            "request_time": [minute_us(order.placement) for order in orders],
            "pickup_after": [minute_us(order.ready) for order in orders],
            "pickup_latitude": [kitchen.y for kitchen in kitchens],
            "pickup_longitude": [kitchen.x for kitchen in kitchens],
            "dropoff_latitude": [order.y for order in orders],
            "dropoff_longitude": [order.x for order in orders],
        }
    )


def _shifts(instance: Instance) -> pa.Table:
    shifts = [shift for shift in instance.shifts if shift.off > shift.on]
    return shifts_table(
        {
            "courier_id": [shift.name for shift in shifts],
            "online_time": [minute_us(shift.on) for shift in shifts],
            "offline_time": [minute_us(shift.off) for shift in shifts],
            "latitude": [shift.y for shift in shifts],
            "longitude": [shift.x for shift in shifts],
            "vehicle": ["car"] * len(shifts),
        }
    )
