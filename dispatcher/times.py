"""Market time: integer microseconds since the Unix epoch, and its protobuf forms."""

from __future__ import annotations

from google.protobuf.duration_pb2 import Duration
from google.protobuf.timestamp_pb2 import Timestamp

SECOND = 1_000_000


def timestamp(micros: int) -> Timestamp:
    return Timestamp(seconds=micros // SECOND, nanos=micros % SECOND * 1000)


def set_time(stamp: Timestamp, micros_: int) -> None:
    """``timestamp`` into a field that is there, without a message in between."""
    stamp.seconds, stamp.nanos = micros_ // SECOND, micros_ % SECOND * 1000


def set_span(duration_: Duration, micros_: int) -> None:
    """The same of a span, which must not be negative."""
    duration_.seconds, duration_.nanos = micros_ // SECOND, micros_ % SECOND * 1000


def micros(stamp: Timestamp) -> int:
    found: int = stamp.seconds * SECOND + stamp.nanos // 1000
    return found


def span(duration: Duration) -> int:
    """Microseconds of a Duration."""
    found: int = duration.seconds * SECOND + duration.nanos // 1000
    return found


def duration(micros_: int) -> Duration:
    seconds, rest = divmod(abs(micros_), SECOND)
    sign = -1 if micros_ < 0 else 1
    return Duration(seconds=sign * seconds, nanos=sign * rest * 1000)
