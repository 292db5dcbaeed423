"""Items that are set aside, as the market's driver leaves them out."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from dispatcher.market.driver import LeftOut
from dispatcher.market.set_aside import SetAside
from dispatcher.market.state import Due
from geo.cells import cell_number
from services.host.quarantine import Item, Kind
from services.host.subjects import entry_of_item


def leaving_out(items: Iterable[Item], numbers: Mapping[str, int]) -> LeftOut:
    """Return what to leave out. ``numbers``: of couriers by id; a courier without one is unknown to the market."""
    names: dict[Kind, list[str]] = {kind: [] for kind in Kind}
    due = set()
    for item in items:
        names[item.kind].append(item.name)
        if item.detail.upper() in Due.__members__:
            due.add(entry_of_item(item))
    set_aside = SetAside(
        frozenset(names[Kind.JOB]),
        frozenset(numbers[name] for name in names[Kind.COURIER] if name in numbers),
        frozenset(map(cell_number, names[Kind.CELL])),
    )
    return LeftOut(frozenset(due), set_aside, frozenset(names[Kind.ZONE]), frozenset(names[Kind.COURIER]))
