"""Check tables at import: each key that needs an entry has one, and no entry has a key that does not exist.

A table that forgets a new event, command or eligibility filter fails at once, instead of at the first call that needs
the missing entry.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from enum import Enum
from typing import Any, TypeVar

Table = TypeVar("Table", bound=Collection[Any])


class Numbers(dict[int, str]):
    """The names of a protobuf enum by their numbers."""


class IncompleteTable(LookupError):
    """A table does not fit the keys that it must cover; the message names each key that is wrong."""


def complete(table: Table, needed: Iterable[Any], what: str, without: Collection[Any] = ()) -> Table:
    """Return ``table``, a mapping or a set, whose keys together with ``without`` are exactly those of ``needed``.

    ``needed``: names, classes, members of an Enum, or numbers of a protobuf enum (``numbers_of``). ``what``: what the
    table holds, for the message. ``without``: keys that need no entry.

    Raises IncompleteTable.
    """
    names = needed if isinstance(needed, Numbers) else {}
    keys, needed, none_needed = set(table), set(needed), set(without)
    faults = (
        (needed - keys - none_needed, "has no entry for", "add one, or list the key among those that need none"),
        ((keys | none_needed) - needed, "names keys that do not exist", "remove them, or correct their spelling"),
        (keys & none_needed, "has entries for keys that need none", "remove one of the two"),
    )
    _raise(what, names, faults)
    return table


def known(table: Table, existing: Iterable[Any], what: str) -> Table:
    """Return ``table``, a mapping or a collection, that holds some of the ``existing`` keys and no others.

    For a table that new keys do not concern. Raises IncompleteTable.
    """
    names = existing if isinstance(existing, Numbers) else {}
    unknown = set(table) - set(existing)
    _raise(what, names, ((unknown, "names keys that do not exist", "remove them, or correct their spelling"),))
    return table


def mirrored(kind: type[Enum], contract: Any, prefix: str, without: Collection[str] = ()) -> None:
    """Check that the members of an Enum are the values of a protobuf enum but for the unspecified one.

    ``prefix``: of the names in the contract. ``without``: names in the contract, without prefix, that have no member.
    Raises IncompleteTable.
    """
    names = {name.removeprefix(prefix) for name, number in contract.items() if number}
    complete({member.name for member in kind}, names, f"members of {kind.__name__} for the contract", without)


def numbers_of(enum: Any) -> Numbers:
    """Return the numbers of a protobuf enum with their names, without the unspecified value 0."""
    return Numbers((number, name) for name, number in enum.items() if number)


def _raise(what: str, names: Mapping[Any, str], faults: Iterable[tuple[set[Any], str, str]]) -> None:
    sentences = [
        f"The table of {what} {fault}: {', '.join(sorted(_name(key, names) for key in keys))}; {remedy}."
        for keys, fault, remedy in faults
        if keys
    ]
    if sentences:
        raise IncompleteTable(" ".join(sentences))


def _name(key: Any, names: Mapping[Any, str]) -> str:
    if key in names:
        return names[key]
    if isinstance(key, Enum):
        return key.name
    return key.__name__ if isinstance(key, type) else str(key)
