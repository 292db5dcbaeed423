"""The queue of one zone, first in, first out, in which every courier's ranks so far are remembered.

Ranks are not kept for each courier: each departure is noted once, and the ranks of a courier follow from their rank at
the time of joining and from those who were ahead and have left since. To join and to leave take logarithmic time and a
move of a few bytes for each courier in the queue, so that a queue of n couriers who all leave takes n log n steps.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterator
from dataclasses import dataclass, field, replace

from dispatcher.redaction import Erased

# (market time in microseconds, couriers ahead)
Rank = tuple[int, int]
# Departures that are kept before those that nobody needs are looked for.
FEWEST = 64


@dataclass(frozen=True, slots=True)
class QueuePlace:
    """A courier's place: since when, offers in a row without an answer, the ranks up to ``since``.

    ``declines``: offers of the zone's jobs that were declined since joining.
    ``ticket``: grows from place to place; ``since``: number of the first departure that the ranks do not hold yet.
    """

    joined_us: int
    no_shows: int
    ranks: tuple[Rank, ...]
    ticket: int
    since: int
    declines: int = 0


@dataclass(frozen=True, slots=True)
class Departure:
    """A place that was given up: those with a later ticket moved up, if they had joined by then."""

    number: int
    time_us: int
    ticket: int


@dataclass(slots=True)
class ZoneQueue:
    _places: dict[str, QueuePlace] = field(default_factory=dict)
    # In order; of every place that is taken.
    _tickets: list[int] = field(default_factory=list)
    _departures: list[Departure] = field(default_factory=list)
    _next_ticket: int = 0
    _next_departure: int = 0
    _tidy_at: int = FEWEST

    def __len__(self) -> int:
        return len(self._places)

    def __iter__(self) -> Iterator[str]:
        return iter(self._places)

    def __contains__(self, courier_id: object) -> bool:
        return courier_id in self._places

    def __getitem__(self, courier_id: str) -> QueuePlace:
        return self._places[courier_id]

    def rank(self, courier_id: str) -> int:
        """Return how many couriers are ahead."""
        return bisect_left(self._tickets, self._places[courier_id].ticket)

    def ranks(self, courier_id: str) -> list[Rank]:
        """Return every rank of the courier so far, the present one last."""
        place = self._places[courier_id]
        ranks = list(place.ranks)
        for left in self._departures[self._first_from(place.since) :]:
            if left.ticket < place.ticket:
                ranks.append((left.time_us, ranks[-1][1] - 1))
        return ranks

    def copy(self) -> ZoneQueue:
        """Return a queue that stays as this one is now; it shares the places, which never change."""
        return replace(
            self, _places=dict(self._places), _tickets=list(self._tickets), _departures=list(self._departures)
        )

    def join(self, courier_id: str, now_us: int) -> None:
        """Add a courier at the end."""
        place = QueuePlace(now_us, 0, ((now_us, len(self)),), self._next_ticket, self._next_departure)
        self._append(courier_id, place)

    def leave(self, courier_id: str, now_us: int) -> None:
        """Remove a courier; those behind move up."""
        ticket = self._places.pop(courier_id).ticket
        del self._tickets[bisect_left(self._tickets, ticket)]
        if not self._tickets or ticket > self._tickets[-1]:
            return  # nobody moves up
        self._departures.append(Departure(self._next_departure, now_us, ticket))
        self._next_departure += 1
        if len(self._departures) >= self._tidy_at:
            self._departures = self._needed()
            self._tidy_at = max(FEWEST, 2 * len(self._departures))

    def note_answer(self, courier_id: str, *, silent: bool = False, declined: bool = False) -> None:
        """Count an offer without an answer against the place, or a declined one; an answer clears the first count."""
        place = self._places[courier_id]
        no_shows = place.no_shows + 1 if silent else 0
        self._places[courier_id] = replace(place, no_shows=no_shows, declines=place.declines + declined)

    def rename(self, erased: Erased) -> None:
        """Put the pseudonym in the place of an erased courier's id."""
        self._places = {erased.renamed(name): place for name, place in self._places.items()}

    def saved_places(self) -> dict[str, QueuePlace]:
        """Return the places in order, with tickets and numbers that count from zero."""
        numbers = [left.number for left in self._needed()]
        return {
            name: replace(place, ticket=ticket, since=bisect_left(numbers, place.since))
            for ticket, (name, place) in enumerate(self._places.items())
        }

    def saved_departures(self) -> list[Departure]:
        """Return the departures that ranks follow from; the ticket is the place of the first who moved up."""
        return [
            Departure(number, left.time_us, bisect_right(self._tickets, left.ticket))
            for number, left in enumerate(self._needed())
        ]

    @classmethod
    def restored(cls, places: dict[str, QueuePlace], departures: list[Departure]) -> ZoneQueue:
        """Return the queue of ``saved_places`` and ``saved_departures``: a departure's ticket lies just before that
        of the first courier who moved up."""
        queue = cls(
            _departures=[replace(left, ticket=2 * left.ticket) for left in departures],
            _next_departure=len(departures),
            _tidy_at=max(FEWEST, 2 * len(departures)),
        )
        for name, place in places.items():
            queue._append(name, replace(place, ticket=2 * place.ticket + 1))
        return queue

    def _append(self, courier_id: str, place: QueuePlace) -> None:
        self._places[courier_id] = place
        self._tickets.append(place.ticket)
        self._next_ticket = place.ticket + 1

    def _first_from(self, number: int) -> int:
        return bisect_left(self._departures, number, key=lambda left: left.number)

    def _needed(self) -> list[Departure]:
        """Return the departures after which somebody who is here now moved up; the next in line was here first."""
        since = [place.since for place in self._places.values()]
        needed = []
        for left in self._departures:
            behind = bisect_right(self._tickets, left.ticket)
            if behind < len(since) and since[behind] <= left.number:
                needed.append(left)
        return needed
