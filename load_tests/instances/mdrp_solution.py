"""The three solution files of an MDRP instance, as the official evaluator reads them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import groupby
from pathlib import Path

from load_tests.instances.mdrp_day import Day

ASSIGNMENTS = "solution_info_assignments.txt"
ORDERS = "solution_info_orders.txt"
COURIERS = "solution_info_couriers.txt"

Row = Sequence[str | float]


def write_solution(day: Day, folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    _write(folder / ASSIGNMENTS, ("assignment_time", "pickup_time", "courier", "order"), _assignments(day))
    header = ("order", "placement_time", "ready_time", "pickup_time", "dropoff_time", "courier")
    _write(folder / ORDERS, header, _orders(day))
    _write(folder / COURIERS, ("courier", "departure_time", "origin", "destination"), _moves(day))


def _assignments(day: Day) -> Iterable[Row]:
    for delivery in day.deliveries:
        yield delivery.assigned, delivery.pickup, delivery.courier, *(order.name for order in delivery.orders)


def _orders(day: Day) -> Iterable[Row]:
    """Every order; what was not delivered has nan where the times and the courier would stand."""
    done: dict[str, Row] = {}
    for delivery in day.deliveries:
        for order, dropoff in zip(delivery.orders, delivery.dropoffs, strict=True):
            done[order.name] = (delivery.pickup, dropoff, delivery.courier)
    for order in day.instance.orders:
        yield order.name, order.placement, order.ready, *done.get(order.name, ("nan", "nan", "nan"))


def _moves(day: Day) -> Iterable[Row]:
    """Blocks a courier, each in order of time: to the restaurant, then from door to door."""
    by_courier = sorted(day.deliveries, key=lambda delivery: (delivery.courier, delivery.assigned))
    for courier, deliveries in groupby(by_courier, key=lambda delivery: delivery.courier):
        for delivery in deliveries:
            yield courier, delivery.assigned, delivery.origin, delivery.orders[0].restaurant
            origin = delivery.orders[0].restaurant
            for order, departure in zip(delivery.orders, delivery.departures, strict=True):
                yield courier, departure, origin, order.name
                origin = order.name


def _write(path: Path, header: Row, rows: Iterable[Row]) -> None:
    with path.open("w", encoding="utf-8") as file:
        for row in (header, *rows):
            file.write(" ".join(value if isinstance(value, str) else f"{value:g}" for value in row) + "\n")
