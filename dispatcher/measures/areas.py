"""Areas compared: zone classes where a market has drawn them, else H3 cells; and where couriers are."""

from __future__ import annotations

from dataclasses import dataclass, field

from dispatcher.measures.records import LiveJob
from dispatcher.times import SECOND
from geo.cells import AREA_RESOLUTION, cell_at, centre_of
from geo.geojson import zones_of_log
from geo.zones import ZoneSet

# Fewer people are not told apart.
SMALLEST_GROUP = 10
# A zone's class is that of the centre of such a cell, of about a tenth of a square kilometre.
FINE_RESOLUTION = 9
# Ended jobs whose area is remembered.
JOBS_KEPT = 10_000
# In a plane: squares of so many metres.
SQUARE_M = 2_000


@dataclass(slots=True)
class Area:
    """Of the jobs picked up there: counts, and sums in seconds, stars, minor units, microseconds of engaged time.

    ``couriers``: who worked there, until there are enough to tell of it.
    """

    waits: int = 0
    wait_s: float = 0.0
    placed: int = 0
    cancelled: int = 0
    ratings: int = 0
    stars: int = 0
    earned: int = 0
    engaged_us: int = 0
    couriers: list[str] = field(default_factory=list)

    def note_courier(self, courier_id: str) -> None:
        if len(self.couriers) < SMALLEST_GROUP and courier_id not in self.couriers:
            self.couriers.append(courier_id)


@dataclass(slots=True)
class Areas:
    """``zones_geojson``: kept where its zones have classes."""

    zones_geojson: str = ""
    areas: dict[str, Area] = field(default_factory=dict)
    # Areas of the jobs that ended last: their ratings come later.
    ended: dict[str, str] = field(default_factory=dict)

    def set_zones(self, geojson: str) -> None:
        self.zones_geojson = geojson if '"class"' in geojson else ""

    def of(self, name: str) -> Area:
        area = self.areas.get(name)
        if area is None:
            area = self.areas[name] = Area()
        return area

    def rated(self, job_id: str, stars: int) -> None:
        """By the client."""
        name = self.ended.get(job_id)
        if name is not None:
            area = self.of(name)
            area.ratings += 1
            area.stars += stars

    def settled(self, job: LiveJob, job_id: str, pay: int, now_us: int) -> None:
        """A job's courier was paid; its engaged time ran from acceptance to now."""
        self.ended[job_id] = job.area
        if len(self.ended) > JOBS_KEPT:
            del self.ended[next(iter(self.ended))]
        area = self.of(job.area)
        area.earned += pay
        trip = now_us - job.picked_up_us if job.picked_up_us else 0
        area.engaged_us += job.to_pickup_us + job.at_pickup_us + trip

    def told(self) -> dict[str, Area]:
        """Those with enough people."""
        return {name: area for name, area in self.areas.items() if len(area.couriers) >= SMALLEST_GROUP}

    def values(self) -> dict[str, dict[str, float]]:
        """By measure and area: mean wait for a pickup (s), share cancelled, mean stars, pay an engaged hour (minor)."""
        told = self.told()
        hour_us = 3600 * SECOND
        return {
            "wait": {name: area.wait_s / area.waits for name, area in told.items() if area.waits},
            "cancelled": {name: area.cancelled / area.placed for name, area in told.items() if area.placed},
            "score": {name: area.stars / area.ratings for name, area in told.items() if area.ratings},
            "hourly_earnings": {
                name: area.earned * hour_us / area.engaged_us for name, area in told.items() if area.engaged_us
            },
        }

    def disparity(self) -> dict[str, float | None]:
        """Highest over lowest area; None with fewer than two, or where the lowest is nothing."""
        found: dict[str, float | None] = {}
        for name, values in self.values().items():
            low = min(values.values(), default=0.0)
            found[name] = max(values.values()) / low if len(values) > 1 and low > 0 else None
        return found


class Atlas:
    """Looks areas up; holds nothing that does not follow from the zones."""

    def __init__(self, geojson: str = "") -> None:
        self._zones = zones_of_log(geojson) if geojson else ZoneSet()
        self._classes: dict[int, str] = {}

    def cell(self, latitude: float, longitude: float, planar: bool) -> str:
        if planar:
            return f"{latitude // SQUARE_M:.0f},{longitude // SQUARE_M:.0f}"
        return str(cell_at(latitude, longitude, AREA_RESOLUTION))

    def area(self, latitude: float, longitude: float, planar: bool) -> str:
        """The class of the zone there, or the cell."""
        if not self._zones.zones or planar:
            return self.cell(latitude, longitude, planar)
        fine = cell_at(latitude, longitude, FINE_RESOLUTION)
        found = self._classes.get(fine)
        if found is None:
            found = self._classes[fine] = self._zones.class_of(*centre_of(fine))
        return found or self.cell(latitude, longitude, planar)
