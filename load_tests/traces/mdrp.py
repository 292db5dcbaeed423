"""Meal Delivery Routing Problem instances: a day of orders, restaurants and courier shifts on a plane.

Format and rules: Reyes, Erera, Savelsbergh, Sahasrabudhe, O'Neil, "The Meal Delivery Routing Problem" (2018).
"""

from __future__ import annotations

import csv
import math
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from dispatcher.times import SECOND
from load_tests.traces.errors import TraceError

# 2018-01-01T00:00:00Z: minute 0 of every instance's day.
DAY_START_US = 1_514_764_800 * SECOND
MINUTE_US = 60 * SECOND


# Metres or minutes: the world is smaller, and no day as long.
LARGEST = 1e9


def minute_us(minute: float) -> int:
    """Market time of a minute of the day."""
    return DAY_START_US + round(minute * MINUTE_US)


@dataclass(frozen=True, slots=True)
class Order:
    """Times in minutes of the day; ``x``, ``y`` of the drop-off in metres."""

    name: str
    x: float
    y: float
    placement: float
    restaurant: str
    ready: float


@dataclass(frozen=True, slots=True)
class Restaurant:
    name: str
    x: float
    y: float


@dataclass(frozen=True, slots=True)
class Shift:
    """A courier's shift, in minutes of the day; ``x``, ``y`` where it begins."""

    name: str
    x: float
    y: float
    on: float
    off: float


@dataclass(frozen=True, slots=True)
class Parameters:
    """Service times in minutes, amounts in dollars."""

    metres_per_minute: float
    pickup_service: float
    dropoff_service: float
    target_click_to_door: float
    maximum_click_to_door: float
    pay_per_order: float
    guaranteed_pay_per_hour: float


@dataclass(frozen=True, slots=True)
class Instance:
    name: str
    orders: tuple[Order, ...]
    restaurants: dict[str, Restaurant]
    shifts: tuple[Shift, ...]
    parameters: Parameters

    def minutes(self, from_x: float, from_y: float, to_x: float, to_y: float) -> int:
        """Travel time: Euclidean metres at one speed, rounded up to a minute."""
        return math.ceil(math.hypot(to_x - from_x, to_y - from_y) / self.parameters.metres_per_minute)


def read_instance(folder: Path) -> Instance:
    """Read a folder with orders.txt, restaurants.txt, couriers.txt and instance_parameters.txt."""
    if not folder.is_dir():
        raise TraceError(f"{folder}: not a folder; an MDRP instance is a folder with orders.txt and three more files")
    restaurants = {
        row.text("restaurant"): Restaurant(row.text("restaurant"), row.number("x"), row.number("y"))
        for row in _rows(folder / "restaurants.txt")
    }
    return Instance(
        name=folder.resolve().name,
        orders=_unique(folder, [_order(row, restaurants) for row in _rows(folder / "orders.txt")]),
        restaurants=restaurants,
        shifts=_unique(folder, [_shift(row) for row in _rows(folder / "couriers.txt")]),
        parameters=_parameters(folder / "instance_parameters.txt"),
    )


Named = TypeVar("Named", Order, Shift)


class _Row:
    """One line of a tab-separated file; its faults are reported with file, line and column."""

    def __init__(self, where: str, values: dict[str, str | None]) -> None:
        self.where = where
        self._values = values

    def text(self, column: str) -> str:
        value = self._values.get(column)
        if value is None or not value.strip():
            raise TraceError(f"{self.where}: column {column!r} is missing or empty")
        return value.strip()

    def number(self, column: str) -> float:
        text = self.text(column)
        try:
            value = float(text)
        except ValueError:
            value = math.nan
        if not abs(value) <= LARGEST:
            raise TraceError(f"{self.where}: column {column!r} must be a number, not {text[:40]!r}")
        return value

    def positive(self, column: str) -> float:
        value = self.number(column)
        if value <= 0:
            raise TraceError(f"{self.where}: column {column!r} must be above 0, not {value:g}")
        return value


def _rows(path: Path) -> list[_Row]:
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            rows = list(csv.DictReader(file, delimiter="\t"))
    except (OSError, UnicodeDecodeError, csv.Error) as fault:
        raise TraceError(f"{path}: cannot be read: {fault}") from fault
    return [_Row(f"{path}, line {number}", row) for number, row in enumerate(rows, start=2)]


def _order(row: _Row, restaurants: dict[str, Restaurant]) -> Order:
    order = Order(
        row.text("order"),
        row.number("x"),
        row.number("y"),
        row.number("placement_time"),
        row.text("restaurant"),
        row.number("ready_time"),
    )
    if order.restaurant not in restaurants:
        raise TraceError(f"{row.where}: restaurant {order.restaurant!r} is not in restaurants.txt")
    if order.ready < order.placement:
        raise TraceError(f"{row.where}: ready_time lies before placement_time")
    return order


def _shift(row: _Row) -> Shift:
    shift = Shift(row.text("courier"), row.number("x"), row.number("y"), row.number("on_time"), row.number("off_time"))
    if shift.off < shift.on:
        raise TraceError(f"{row.where}: off_time lies before on_time")
    return shift


def _parameters(path: Path) -> Parameters:
    rows = _rows(path)
    if len(rows) != 1:
        raise TraceError(f"{path}: must hold a header and one line")
    row = rows[0]
    return Parameters(
        metres_per_minute=row.positive("meters_per_minute"),
        pickup_service=row.number("pickup service minutes"),
        dropoff_service=row.number("dropoff service minutes"),
        target_click_to_door=row.number("target click-to-door"),
        maximum_click_to_door=row.number("maximum click-to-door"),
        pay_per_order=row.number("pay per order"),
        guaranteed_pay_per_hour=row.number("guaranteed pay per hour"),
    )


def _unique(folder: Path, records: list[Named]) -> tuple[Named, ...]:
    names = set()
    for record in records:
        if record.name in names:
            raise TraceError(f"{folder}: {record.name!r} appears twice")
        names.add(record.name)
    return tuple(records)
