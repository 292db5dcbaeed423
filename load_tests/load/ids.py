"""Ids of a trace's people as the contract allows them: tokens and requests with any other id are refused."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from load_tests.replay.day import Day
from services.auth.caller import PERSON_ID

# Of the characters that an id may have, some are kept for what is added to it: the number of a shift.
LONGEST = 128 - len(".1234567")


@dataclass(frozen=True, slots=True)
class MappedIds:
    """How many people have another id in the run than in the trace."""

    clients: int = 0
    couriers: int = 0

    def __bool__(self) -> bool:
        return bool(self.clients or self.couriers)


def with_allowed_ids(day: Day) -> tuple[Day, MappedIds]:
    """Return the day with the same people, each under an id that the contract allows, and how many were mapped."""
    clients, couriers = mapping(day.requests.clients, "client"), mapping(day.roster.courier_ids, "courier")
    requests = replace(day.requests, clients=[clients.get(one, one) for one in day.requests.clients])
    roster = replace(day.roster, courier_ids=[couriers.get(one, one) for one in day.roster.courier_ids])
    return replace(day, requests=requests, roster=roster), MappedIds(len(clients), len(couriers))


def mapping(ids: Sequence[str], kind: str) -> dict[str, str]:
    """Return an allowed id for each id that is not allowed: ``kind`` and a number, which no other id of these has."""
    known, found, number = set(ids), dict[str, str](), 0
    for one in ids:
        if one in found or (len(one) <= LONGEST and PERSON_ID.fullmatch(one)):
            continue
        number += 1
        while f"{kind}-{number}" in known:
            number += 1
        found[one] = f"{kind}-{number}"
    return found
