"""The trips of a log that went straight from pickup to drop-off: what travel models learn from and are tested on."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

import numpy as np

from dispatcher.market.market import Market
from dispatcher.occurred import event_occurred_us
from dispatcher.times import SECOND, micros
from geo.travel import StraightLine, TravelTime
from geo.travel_error import Trips
from gig.v1 import events_pb2 as events_pb


class _StandIns(Mapping[str, TravelTime]):
    """For every road network that a log may name: which trips were made does not depend on it."""

    def __getitem__(self, name: str) -> TravelTime:
        return StraightLine(1.3, (8.0,))

    def __contains__(self, name: object) -> bool:
        return True

    def __iter__(self) -> Iterator[str]:
        return iter(())

    def __len__(self) -> int:
        return 0


def trips_of_log(events: Iterable[events_pb.Event]) -> tuple[Trips, Market]:
    """The trips in the order of their ends, and the market as the log leaves it."""
    market, rows = Market.new(_StandIns()), []
    for event in events:
        if event.HasField("job_completed") and event.job_completed.job_id in market.state.direct:
            job = market.state.job(event.job_completed.job_id)
            start, end = job.spec.pickup.position, job.spec.dropoff.position
            left, taken = micros(job.pickup_time), event_occurred_us(event, "job_completed") - micros(job.pickup_time)
            if taken > 0:
                rows.append((start.latitude, start.longitude, end.latitude, end.longitude, left, taken))
        market.apply([event])
    from_lat, from_lng, to_lat, to_lng, left_us, taken_us = np.array(rows, np.float64).reshape(-1, 6).T
    return Trips(from_lat, from_lng, to_lat, to_lng, left_us / SECOND, taken_us / SECOND), market
