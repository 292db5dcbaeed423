"""Notify couriers whose positions cannot be used: after several batches in a row, and not too often."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from dispatcher.times import duration
from gig.v1 import courier_service_pb2 as courier_pb

# Batches in a row of which positions are refused, or nothing is newer than what is known, before the courier is
# notified; and how often at most (milliseconds).
NOTICE_AFTER, NOTICE_EVERY_MS = 3, 60_000

_CAUSES = {
    "impossible": "latitude or longitude is not a number, or out of range",
    "offset": "offsets_ms is above 24 hours",
    "too_old": "they are more than 24 hours old by the device's clock",
    "future": "they lie after the server's time: the device's clock is ahead",
    "shape": "the columns of the batch do not fit together",
    "failed": "the server could not take them in",
    "stale": "they are older than the position that is known: the device's clock may be behind",
}

Notify = Callable[[int, courier_pb.Notice], None]


@dataclass(slots=True)
class _Row:
    """Batches in a row that could not be used, and their positions by reason."""

    batches: int = 0
    reasons: Counter[str] = field(default_factory=Counter)
    notified_ms: int | None = None


class RefusalNotices:
    """``notify``: sends a notice to a courier; ``offset_ms``: returns the estimate of a device's clock, or None."""

    def __init__(self, notify: Notify, offset_ms: Callable[[int], int | None]) -> None:
        self._notify, self._offset_ms = notify, offset_ms
        self._rows: dict[int, _Row] = {}

    def clear(self) -> None:
        self._rows.clear()

    def unused(self, number: int, reasons: Mapping[str, int], received_ms: int) -> None:
        """Note a batch of which positions could not be used; notify the courier where it is one too many."""
        row = self._rows.setdefault(number, _Row())
        row.batches += 1
        row.reasons.update(reasons)
        due = row.notified_ms is None or received_ms >= row.notified_ms + NOTICE_EVERY_MS
        if row.batches >= NOTICE_AFTER and due:
            self._notify(number, notice(row.batches, row.reasons, self._offset_ms(number)))
            self._rows[number] = _Row(notified_ms=received_ms)

    def used(self, number: int) -> None:
        """Note a batch that was used as a whole: the row ends."""
        row = self._rows.get(number)
        if row is not None:
            row.batches = 0
            row.reasons.clear()


def notice(batches: int, reasons: Mapping[str, int], offset_ms: int | None) -> courier_pb.Notice:
    """Say which positions are not used, why, and what to do."""
    most = max(reasons, key=lambda reason: reasons[reason])
    causes = "; ".join(f"{count} because {_CAUSES[reason]}" for reason, count in sorted(reasons.items()))
    remedy = (
        "Set the device's date and time automatically."
        if most in ("future", "too_old", "stale")
        else "Update the app, or report the fault to its maker."
    )
    device = courier_pb.DeviceNotice(
        trouble=courier_pb.DEVICE_TROUBLE_POSITIONS_REFUSED,
        unused=[courier_pb.UnusedPositions(reason=reason, count=count) for reason, count in sorted(reasons.items())],
        clock_offset=duration(offset_ms * 1000) if offset_ms is not None else None,
    )
    text = f"Positions in your last {batches} location batches were not used: {causes}. {remedy}"
    return courier_pb.Notice(text=text, device=device)
