"""The queue of a zone says of each courier what a list with every rank written down would say."""

from __future__ import annotations

import sys

from hypothesis import given, settings
from hypothesis import strategies as st

from dispatcher.market import snapshot_queues
from dispatcher.market.zone_queue import ZoneQueue
from gig.v1 import courier_service_pb2 as courier_pb
from gig.v1 import snapshot_pb2 as pb

COURIERS = 12


class WrittenDown:
    """Every rank of everybody, written down whenever somebody leaves."""

    def __init__(self) -> None:
        self.ranks: dict[str, list[tuple[int, int]]] = {}

    def join(self, name: str, now_us: int) -> None:
        self.ranks[name] = [(now_us, len(self.ranks))]

    def leave(self, name: str, now_us: int) -> None:
        rank = list(self.ranks).index(name)
        del self.ranks[name]
        for place, other in enumerate(list(self.ranks)[rank:], start=rank):
            self.ranks[other].append((now_us, place))


def restored(queue: ZoneQueue) -> ZoneQueue:
    members = snapshot_queues.save_members("airport", queue)
    departures = snapshot_queues.save_departures("airport", queue)
    again = snapshot_queues.restore(members, departures).get("airport", ZoneQueue())
    assert snapshot_queues.save_members("airport", again) == members
    assert snapshot_queues.save_departures("airport", again) == departures
    return again


@settings(max_examples=60)
@given(st.lists(st.integers(-1, COURIERS - 1), max_size=300))
def test_ranks_are_those_that_would_have_been_written_down(moves: list[int]) -> None:
    """A courier who is there leaves, another joins; -1 saves and restores the queue."""
    queue, expected = ZoneQueue(), WrittenDown()
    for now_us, number in enumerate(moves):
        name = f"courier-{number}"
        if number < 0:
            queue = restored(queue)
        elif name in queue:
            assert queue.rank(name) == list(expected.ranks).index(name)
            queue.leave(name, now_us)
            expected.leave(name, now_us)
        else:
            queue.join(name, now_us)
            expected.join(name, now_us)
    assert list(queue) == list(expected.ranks)
    assert {name: queue.ranks(name) for name in queue} == expected.ranks
    assert {name: queue.rank(name) for name in queue} == {name: place for place, name in enumerate(expected.ranks)}


def test_ranks_of_a_snapshot_of_an_earlier_version_go_on() -> None:
    names = ("first", "second", "third")
    members = [
        pb.QueueMember(
            zone="airport", courier_id=name, ranks=[courier_pb.QueueRank(ahead=rank) for rank in (place + 1, place)]
        )
        for place, name in enumerate(names)
    ]
    queue = snapshot_queues.restore(members, [])["airport"]
    queue.leave("first", 7)
    assert queue.ranks("third") == [(0, 3), (0, 2), (7, 1)]
    assert restored(queue).ranks("third") == queue.ranks("third")


def test_a_queue_of_thousands_who_all_leave_takes_steps_in_proportion_to_its_length() -> None:
    def steps(couriers: int) -> int:
        queue, count = ZoneQueue(), 0

        def counted(_frame: object, _event: str, _argument: object) -> None:
            nonlocal count
            count += 1

        for number in range(couriers):
            queue.join(str(number), number)
        sys.setprofile(counted)
        try:
            for number in range(couriers):
                assert queue.rank(str(number)) == 0
                queue.leave(str(number), number)
        finally:
            sys.setprofile(None)
        return count

    assert steps(4_000) < 3 * steps(2_000)


def test_a_queue_keeps_no_departures_that_nobody_needs() -> None:
    queue = ZoneQueue()
    queue.join("stays", 0)
    for number in range(1_000):
        queue.join(f"behind-{number}", number)
        queue.join(f"after-{number}", number)
        queue.leave(f"behind-{number}", number)
        queue.leave(f"after-{number}", number)
    assert not snapshot_queues.save_departures("airport", queue)
    assert len(queue._departures) < 200


def test_a_copy_stays_as_the_queue_was() -> None:
    queue = ZoneQueue()
    for number in range(4):
        queue.join(f"courier-{number}", number)
    queue.leave("courier-0", 5)
    copy = queue.copy()
    before = {name: copy.ranks(name) for name in copy}
    queue.leave("courier-1", 6)
    queue.join("courier-9", 7)
    assert {name: copy.ranks(name) for name in copy} == before
