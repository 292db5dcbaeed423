"""Places in the queue of a zone as couriers and operators see them."""

from __future__ import annotations

from dispatcher.market.zone_queue import ZoneQueue
from dispatcher.times import timestamp
from gig.v1 import courier_service_pb2 as courier_pb


def queue_place(zone: str, courier_id: str, queue: ZoneQueue) -> courier_pb.QueuePlace:
    """Return a courier's place, with every rank so far."""
    place = queue[courier_id]
    return courier_pb.QueuePlace(
        zone=zone,
        courier_id=courier_id,
        join_time=timestamp(place.joined_us),
        no_shows=place.no_shows,
        declines=place.declines,
        ranks=[courier_pb.QueueRank(time=timestamp(at), ahead=ahead) for at, ahead in queue.ranks(courier_id)],
    )
