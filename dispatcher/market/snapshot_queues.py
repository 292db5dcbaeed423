"""The queues of zones in a snapshot: places in order, and the departures that ranks follow from."""

from __future__ import annotations

from collections.abc import Iterable

from dispatcher.market.zone_queue import Departure, QueuePlace, ZoneQueue
from dispatcher.times import micros, timestamp
from gig.v1 import courier_service_pb2 as courier_pb
from gig.v1 import snapshot_pb2 as pb


def save_members(zone: str, queue: ZoneQueue) -> list[pb.QueueMember]:
    return [
        pb.QueueMember(
            zone=zone,
            courier_id=courier_id,
            join_time=timestamp(place.joined_us),
            no_shows=place.no_shows,
            ranks=[courier_pb.QueueRank(time=timestamp(at), ahead=ahead) for at, ahead in place.ranks],
            departures_before=place.since,
            declines=place.declines,
        )
        for courier_id, place in queue.saved_places().items()
    ]


def save_departures(zone: str, queue: ZoneQueue) -> list[pb.QueueDeparture]:
    return [
        pb.QueueDeparture(zone=zone, time=timestamp(left.time_us), position=left.ticket)
        for left in queue.saved_departures()
    ]


def restore(members: Iterable[pb.QueueMember], departures: Iterable[pb.QueueDeparture]) -> dict[str, ZoneQueue]:
    """Return the queue of each zone. Snapshots of earlier versions hold every rank, and no departures."""
    places: dict[str, dict[str, QueuePlace]] = {}
    for member in members:
        queue = places.setdefault(member.zone, {})
        ranks = tuple((micros(rank.time), rank.ahead) for rank in member.ranks)
        place = QueuePlace(
            micros(member.join_time),
            member.no_shows,
            ranks,
            ticket=len(queue),
            since=member.departures_before,
            declines=member.declines,
        )
        queue[member.courier_id] = place
    left: dict[str, list[Departure]] = {}
    for kept in departures:
        gone = left.setdefault(kept.zone, [])
        gone.append(Departure(len(gone), micros(kept.time), kept.position))
    return {zone: ZoneQueue.restored(queue, left.get(zone, [])) for zone, queue in places.items()}
