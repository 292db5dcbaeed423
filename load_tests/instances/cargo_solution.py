"""Every vehicle's waypoints as a file: what a checker needs, and nothing else."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from load_tests.instances.cargo_day import Waypoint
from load_tests.traces.errors import TraceError

ROUTES = "routes.txt"
HEADER = "vehicle time_s node action customer"


def write_routes(waypoints: Iterable[Waypoint], folder: Path) -> None:
    """One line a waypoint, vehicle by vehicle in order of time; "." turned here, "+" picked up, "-" dropped off."""
    folder.mkdir(parents=True, exist_ok=True)
    by_vehicle: dict[str, list[Waypoint]] = {}
    for point in waypoints:
        by_vehicle.setdefault(point.vehicle, []).append(point)
    with (folder / ROUTES).open("w", encoding="utf-8") as file:
        file.write(HEADER + "\n")
        for points in by_vehicle.values():
            for point in points:
                file.write(f"{point.vehicle} {point.at_s:.6f} {point.node} {point.action} {point.customer or '.'}\n")


def read_routes(folder: Path) -> list[Waypoint]:
    path = folder / ROUTES
    try:
        lines = path.read_text("utf-8-sig").splitlines()[1:]
    except (OSError, UnicodeDecodeError) as fault:
        raise TraceError(f"{path}: cannot be read: {fault}") from fault
    points = []
    for number, line in enumerate(lines, start=2):
        try:
            vehicle, at_s, node, action, customer = line.split()
            points.append(Waypoint(vehicle, float(at_s), int(node), action, "" if customer == "." else customer))
        except ValueError as fault:
            raise TraceError(f"{path}, line {number}: must be {HEADER!r}: {line!r}") from fault
    return points
