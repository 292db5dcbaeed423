"""How often a connection of a courier may take over from one that is open, so that two phones do not end each other's
streams again and again."""

from __future__ import annotations

from dataclasses import dataclass, field

# Take-overs in a row that are free: by another phone, and by the same one, whose earlier connection may be dead without
# the server knowing it.
FREE_OTHER, FREE_SAME = 1, 10
# Seconds until the next take-over after the free ones, doubled after each further one in a row.
FIRST_BACKOFF_S, LONGEST_BACKOFF_S = 30.0, 600.0
# A row ends after so many seconds without a take-over.
CALM_S = 1200.0


@dataclass(slots=True)
class Row:
    """Take-overs of one kind in a row. ``free``: how many come without a wait."""

    free: int
    count: int = 0
    last_s: float = 0.0

    def wait_s(self, now_s: float) -> float:
        """Return the seconds until the next take-over is allowed; 0 where it is allowed now."""
        passed_s = now_s - self.last_s
        if self.count < self.free or passed_s >= CALM_S:
            return 0.0
        doublings = min(self.count - self.free, 10)
        return max(min(FIRST_BACKOFF_S * 2.0**doublings, LONGEST_BACKOFF_S) - passed_s, 0.0)

    def add(self, now_s: float) -> None:
        self.count = 1 if now_s - self.last_s >= CALM_S else self.count + 1
        self.last_s = now_s


@dataclass(slots=True)
class Takeovers:
    """Of one courier."""

    by_other: Row = field(default_factory=lambda: Row(FREE_OTHER))
    by_same: Row = field(default_factory=lambda: Row(FREE_SAME))

    def row(self, *, same_session: bool) -> Row:
        return self.by_same if same_session else self.by_other
