"""Seats at the live feeds, reserved by role: no group of viewers takes the seats of another."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from aiohttp import web

from services.auth.access import PRIVILEGED
from services.auth.caller import Caller

RETRY_S = 5
# Live feeds of one client or courier.
OF_ONE_PERSON = 4


@dataclass(frozen=True, slots=True)
class Row:
    """``seats``: of all viewers of the row. ``each``: of one person, or of one address for viewers without a token."""

    seats: int
    each: int


@dataclass(frozen=True, slots=True)
class Plan:
    """``anonymous``: viewers without a token. ``people``: clients and couriers. ``staff``: privileged roles."""

    anonymous: Row
    people: Row
    staff: Row = Row(100, 10)


class Seats:
    def __init__(self, plan: Plan, count_refused: Callable[[str], None]) -> None:
        self._rows = {"anonymous": plan.anonymous, "people": plan.people, "staff": plan.staff}
        self._count_refused = count_refused
        self._taken: Counter[str] = Counter()
        self._each: Counter[tuple[str, str]] = Counter()

    def __len__(self) -> int:
        return self._taken.total()

    @contextmanager
    def taken(self, viewer: Caller | None, address: str) -> Iterator[None]:
        """Hold a seat. Raises HTTPServiceUnavailable with Retry-After where there is none for this viewer."""
        name = "anonymous" if viewer is None else "staff" if viewer.role in PRIVILEGED else "people"
        row, who = self._rows[name], (name, address if viewer is None else viewer.principal)
        if self._taken[name] >= row.seats:
            raise self._refused("all seats are taken: try again later, or sign in")
        if self._each[who] >= row.each:
            raise self._refused(f"{row.each} live feeds of yours are open already: close one")
        self._taken[name] += 1
        self._each[who] += 1
        try:
            yield
        finally:
            self._taken[name] -= 1
            self._each[who] -= 1
            if not self._each[who]:
                del self._each[who]

    def _refused(self, text: str) -> web.HTTPServiceUnavailable:
        self._count_refused("feeds")
        return web.HTTPServiceUnavailable(text=f"{text}\n", headers={"Retry-After": str(RETRY_S)})
