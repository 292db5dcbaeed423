"""Our own validator of MDRP solutions: reads the files alone and checks each rule of the problem.

Stricter than the official evaluator, which does not check that a drop-off leaves time for drive and service.
"""

from __future__ import annotations

import math
from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path

from load_tests.instances.mdrp_solution import ASSIGNMENTS, COURIERS, ORDERS
from load_tests.traces.errors import TraceError
from load_tests.traces.mdrp import LARGEST, Instance

# Times are whole or half minutes; this only covers their decimal form.
TOLERANCE = 1e-6


@dataclass(frozen=True, slots=True)
class Assignment:
    assigned: float
    pickup: float
    courier: str
    orders: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Served:
    pickup: float
    dropoff: float
    courier: str


@dataclass(frozen=True, slots=True)
class Move:
    departure: float
    origin: str
    destination: str


@dataclass(frozen=True, slots=True)
class Solution:
    assignments: list[Assignment]
    orders: dict[str, Served]
    moves: dict[str, list[Move]]


def read_solution(folder: Path) -> Solution:
    """Read the three files of a solution. Raises TraceError with the file and the line."""
    assignments = [
        Assignment(row.number(0), row.number(1), row.text(2), tuple(row.fields[3:]))
        for row in _lines(folder / ASSIGNMENTS)
    ]
    orders = {
        row.text(0): Served(row.number(3), row.number(4), row.text(5))
        for row in _lines(folder / ORDERS)
        if row.text(5) != "nan"
    }
    moves: dict[str, list[Move]] = defaultdict(list)
    for row in _lines(folder / COURIERS):
        moves[row.text(0)].append(Move(row.number(1), row.text(2), row.text(3)))
    return Solution(assignments, orders, dict(moves))


@dataclass(frozen=True, slots=True)
class _Line:
    """One line of a file, split at spaces."""

    where: str
    fields: list[str]

    def text(self, column: int) -> str:
        if column >= len(self.fields):
            raise TraceError(f"{self.where}: has {len(self.fields)} columns, not more than {column}")
        return self.fields[column]

    def number(self, column: int) -> float:
        try:
            value = float(self.text(column))
        except ValueError:
            value = math.nan
        if not abs(value) <= LARGEST:
            raise TraceError(f"{self.where}: column {column + 1} must be a number, not {self.text(column)[:40]!r}")
        return value


def violations(instance: Instance, solution: Solution) -> list[str]:
    """Every broken rule in a sentence; none for a feasible solution."""
    return [
        *_check_orders(instance, solution),
        *_check_assignments(instance, solution),
        *_check_routes(instance, solution),
    ]


def _check_orders(instance: Instance, solution: Solution) -> list[str]:
    found = []
    known = {order.name for order in instance.orders}
    assigned: dict[str, Assignment] = {}
    for assignment in solution.assignments:
        for name in assignment.orders:
            if name not in known:
                found.append(f"order {name} is not in the instance")
            if name in assigned:
                found.append(f"order {name} is in more than one assignment")
            assigned[name] = assignment
    for name, served in solution.orders.items():
        if name not in assigned:
            found.append(f"order {name} is delivered, but in no assignment")
        elif (served.courier, served.pickup) != (assigned[name].courier, assigned[name].pickup):
            found.append(f"order {name}: courier or pickup differ between the files")
    found += [f"order {name} is assigned, but not delivered" for name in assigned if name not in solution.orders]
    return found


def _check_assignments(instance: Instance, solution: Solution) -> list[str]:
    orders = {order.name: order for order in instance.orders}
    shifts = {shift.name: shift for shift in instance.shifts}
    found = []
    for assignment in solution.assignments:
        shift = shifts.get(assignment.courier)
        bundle = [orders[name] for name in assignment.orders if name in orders]
        what = f"assignment of {' '.join(assignment.orders)} to {assignment.courier}"
        if shift is None:
            found.append(f"{what}: no such courier")
            continue
        if assignment.assigned < shift.on - TOLERANCE:
            found.append(f"{what}: before the shift begins")
        if assignment.pickup > shift.off + TOLERANCE:
            found.append(f"{what}: pickup after the shift's end")
        if len({order.restaurant for order in bundle}) > 1:
            found.append(f"{what}: orders of different restaurants")
        for order in bundle:
            if assignment.assigned < order.placement - TOLERANCE:
                found.append(f"{what}: before {order.name} was placed")
            if assignment.pickup < order.ready - TOLERANCE:
                found.append(f"{what}: pickup before {order.name} is ready")
    return found


def _check_routes(instance: Instance, solution: Solution) -> list[str]:
    """Each courier's moves must be exactly those of the assignments, in time and without a gap."""
    found = []
    by_courier: dict[str, list[Assignment]] = defaultdict(list)
    for assignment in solution.assignments:
        by_courier[assignment.courier].append(assignment)
    for courier in by_courier.keys() | solution.moves.keys():
        mine = sorted(by_courier.get(courier, []), key=lambda assignment: assignment.pickup)
        found += _check_route(instance, solution, courier, mine, solution.moves.get(courier, []))
    return found


def _check_route(
    instance: Instance, solution: Solution, courier: str, assignments: list[Assignment], moves: list[Move]
) -> list[str]:
    rules = instance.parameters
    orders = {order.name: order for order in instance.orders}
    shift = next((shift for shift in instance.shifts if shift.name == courier), None)
    stops = [stop for a in assignments for stop in (orders[a.orders[0]].restaurant, *a.orders) if a.orders[0] in orders]
    if shift is None or [move.destination for move in moves] != stops:
        return [f"courier {courier}: the moves are not those of the assignments"]
    places = {"0": (shift.x, shift.y)}
    places |= {name: (place.x, place.y) for name, place in instance.restaurants.items()}
    places |= {name: (order.x, order.y) for name, order in orders.items()}
    found: list[str] = []
    at, free_from = "0", shift.on
    remaining = iter(moves)
    for assignment in assignments:
        if assignment.assigned < free_from - TOLERANCE:
            found.append(f"courier {courier}: told of {assignment.orders[0]} while executing another assignment")
        for stop in (orders[assignment.orders[0]].restaurant, *assignment.orders):
            move = next(remaining)
            if move.origin != at:
                found.append(f"courier {courier}: departs from {move.origin}, but is at {at}")
            earliest = max(free_from, assignment.assigned)
            if move.departure < earliest - TOLERANCE:
                found.append(f"courier {courier}: departs to {stop} at {move.departure:g}, before {earliest:g}")
            arrival = move.departure + instance.minutes(*places[move.origin], *places[stop])
            if stop in instance.restaurants:
                if assignment.pickup < arrival + rules.pickup_service / 2 - TOLERANCE:
                    found.append(f"courier {courier}: picks up {assignment.orders[0]} before arrival and service")
                free_from = assignment.pickup + rules.pickup_service / 2
            else:
                served = solution.orders.get(stop)
                if served is None or served.dropoff < arrival + rules.dropoff_service / 2 - TOLERANCE:
                    found.append(f"order {stop}: dropped off before arrival and service")
                free_from = (served.dropoff if served else arrival) + rules.dropoff_service / 2
            at = stop
    return found


def _lines(path: Path) -> list[_Line]:
    try:
        with path.open(encoding="utf-8-sig") as file:
            rows = enumerate(list(file)[1:], start=2)
            return [_Line(f"{path}, line {number}", line.split()) for number, line in rows if line.strip()]
    except (OSError, UnicodeDecodeError) as fault:
        raise TraceError(f"{path}: cannot be read: {fault}") from fault
