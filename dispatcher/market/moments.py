"""Times and spans as people read them in sentences."""

from __future__ import annotations

from datetime import UTC, datetime

from dispatcher.times import SECOND


def span_text(micros_: int) -> str:
    """Return a span of microseconds in hours, minutes and seconds."""
    minutes, seconds = divmod(micros_ // SECOND, 60)
    hours, minutes = divmod(minutes, 60)
    if hours:
        return f"{hours} h {minutes} min"
    return f"{minutes} min {seconds} s" if minutes else f"{seconds} s"


def moment_text(micros_: int) -> str:
    """Return the time of day (UTC) of a market time in microseconds."""
    try:
        return datetime.fromtimestamp(micros_ / SECOND, UTC).strftime("%H:%M:%S UTC")
    except (ValueError, OverflowError, OSError):
        return "a time beyond the calendar"
