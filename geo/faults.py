"""The faults of a document's features, collected so that one answer names them all."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping

# Faults that an answer names; more are counted.
MOST_NAMED = 20

# Names feature ``index`` in a message.
Where = Callable[[int], str]


class ZoneError(ValueError):
    """A zone document that cannot be used.

    ``faults`` holds a sentence for each fault, the first MOST_NAMED of them; ``count`` says how many there are.
    """

    def __init__(self, *faults: str) -> None:
        self.faults, self.count = faults[:MOST_NAMED], len(faults)
        super().__init__("; ".join(self.sentences))

    def __reduce__(self) -> tuple[Callable[..., ZoneError], tuple[object, ...]]:
        return _rebuilt, (self.faults, self.count)

    @property
    def sentences(self) -> tuple[str, ...]:
        """The faults, and how many more there are."""
        more = self.count - len(self.faults)
        return (*self.faults, f"and {more} more faults") if more else self.faults


def _rebuilt(faults: tuple[str, ...], count: int) -> ZoneError:
    return ZoneError(*faults, *[""] * (count - len(faults)))


class Faults:
    """Faults by feature. ``where`` names a feature."""

    def __init__(self, where: Where) -> None:
        self._where = where
        self._found: dict[int, list[str]] = {}

    def add(self, index: int, fault: str) -> None:
        """Note a fault of feature ``index``. One that begins with "has" is the rest of a sentence about it."""
        joint = " " if fault.startswith("has ") else ": "
        self._found.setdefault(index, []).append(f"{self._where(index)}{joint}{fault}")

    def add_all(self, faults: Mapping[int, str]) -> None:
        for index, fault in faults.items():
            self.add(index, fault)

    def refuse(self, more: Iterable[str] = ()) -> None:
        """Raise ZoneError for the faults by feature and then ``more``, where there are any."""
        found = [fault for _, faults in sorted(self._found.items()) for fault in faults]
        found += more
        if found:
            raise ZoneError(*found)
