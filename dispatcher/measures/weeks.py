"""Couriers' weeks: what each came to, from Monday 00:00 UTC."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from dispatcher.measures.conduct import Exits
from dispatcher.measures.histogram import HOURLY_EDGES, Histogram
from dispatcher.measures.records import CourierRecord
from dispatcher.measures.terms import Terms
from dispatcher.times import SECOND

HOUR_US = 3600 * SECOND


def hourly(earned: int, spent_us: int) -> float:
    """Minor units an hour; ``spent_us`` is not 0."""
    return earned * HOUR_US / spent_us


@dataclass(slots=True)
class Weeks:
    """``end_us`` 0: no event yet. ``online``, ``engaged``: hourly earnings of all courier-weeks that are over, minor
    units an hour, on the time that they are named after."""

    start_us: int = 0
    end_us: int = 0
    online: Histogram = field(default_factory=lambda: Histogram(HOURLY_EDGES))
    engaged: Histogram = field(default_factory=lambda: Histogram(HOURLY_EDGES))

    def close(self, couriers: dict[str, CourierRecord], terms: Terms, exits: Exits, end_us: int) -> None:
        """Note everyone's week, follow who comes back after it, and begin the next. A bad week is one below the
        policy's floor; where it names none, one in the lowest quarter."""
        worked = []
        for courier_id, courier in couriers.items():
            week = courier.since(courier.week)
            courier.week = courier.totals()
            if week.online_us:
                worked.append((courier_id, hourly(week.earned, week.online_us)))
                self.online.add(worked[-1][1])
            if week.engaged_us:
                self.engaged.add(hourly(week.earned, week.engaged_us))
        if worked:
            bad = terms.floor_per_hour or float(np.quantile([earned for _, earned in worked], 0.25))
            for courier_id, earned in worked:
                exits.watch(courier_id, "bad_week" if earned < bad else "neither", end_us)
