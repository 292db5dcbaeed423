"""A few positions outside do not end a presence in a zone; a longer absence does."""

from __future__ import annotations

import numpy as np

from geo.presence import NOWHERE, Presence

GRACE_MS = 60_000
ONE = np.array([7])


def counted(presence: Presence, zone: int, now_s: float) -> int:
    return int(presence.observe(ONE, np.array([zone]), round(now_s * 1000), GRACE_MS)[0])


def test_entering_counts_at_once_and_stray_positions_are_forgiven() -> None:
    presence = Presence()
    assert counted(presence, NOWHERE, 0) == NOWHERE
    assert counted(presence, 2, 5) == 2
    assert counted(presence, NOWHERE, 30) == 2
    assert counted(presence, 2, 60) == 2
    assert counted(presence, NOWHERE, 119) == 2


def test_after_the_grace_the_courier_is_where_they_are() -> None:
    presence = Presence()
    counted(presence, 2, 0)
    assert counted(presence, NOWHERE, 61) == NOWHERE
    assert counted(presence, 3, 62) == 3


def test_those_who_are_known_to_be_in_a_zone_start_there() -> None:
    presence = Presence()
    presence.settle(7, 1, 0)
    assert counted(presence, NOWHERE, 30) == 1
