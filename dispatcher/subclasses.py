"""Find the classes of a module below a base class, for tables that must cover all of them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeVar

Base = TypeVar("Base")


def subclasses_in(namespace: Mapping[str, Any], base: type[Base]) -> tuple[type[Base], ...]:
    """Return the classes below ``base`` in the order of their definition. ``namespace``: the ``vars()`` of a module."""
    classes = [one for one in namespace.values() if isinstance(one, type)]
    return tuple(one for one in classes if issubclass(one, base) and one is not base)
