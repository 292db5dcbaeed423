"""Market time: integer microseconds since the Unix epoch, and its protobuf forms.

Every time lies in the range of google.protobuf.Timestamp (years 1 to 9999) and every span in that of
google.protobuf.Duration (10,000 years either way). Values beyond, which an old log may hold, saturate at the nearer
end: they are read as that end, and written as it. So a column of times fits into int64, and so does the sum of a time
and up to ten spans.
"""

from __future__ import annotations

from google.protobuf.duration_pb2 import Duration
from google.protobuf.timestamp_pb2 import Timestamp

SECOND = 1_000_000

# The ends of the range of times, and the longest span: whole seconds, and microseconds.
EARLIEST_S, LATEST_S = -62_135_596_800, 253_402_300_799
LONGEST_S = 315_576_000_000
EARLIEST_US, LATEST_US = EARLIEST_S * SECOND, LATEST_S * SECOND + 999_999
LONGEST_US = LONGEST_S * SECOND
# Events happen from 1970 to 2199, in Unix seconds. Measures count the hours and weeks between events: to fold one
# that is millennia from the one before would never end.
FIRST_EVENT_S, END_OF_EVENTS_S = 0, 7_258_118_400


def check_event_time(stamp: Timestamp) -> None:
    """Raise ValueError for a time at which no event can have happened."""
    if not (FIRST_EVENT_S <= stamp.seconds < END_OF_EVENTS_S and 0 <= stamp.nanos < 1_000_000_000):
        raise ValueError("the event's time is out of range: events happen from 1970 to 2199")


def timestamp(micros_: int) -> Timestamp:
    """Return a time as a message, saturated."""
    stamp = Timestamp()
    set_time(stamp, micros_)
    return stamp


def set_time(stamp: Timestamp, micros_: int) -> None:
    """Write a time into a field that is there, without a message in between; saturated."""
    if not EARLIEST_US <= micros_ <= LATEST_US:
        micros_ = EARLIEST_US if micros_ < EARLIEST_US else LATEST_US
    stamp.seconds, stamp.nanos = micros_ // SECOND, micros_ % SECOND * 1000


def set_span(duration_: Duration, micros_: int) -> None:
    """Write a span into a field that is there; saturated."""
    seconds, rest = divmod(min(abs(micros_), LONGEST_US), SECOND)
    sign = -1 if micros_ < 0 else 1
    duration_.seconds, duration_.nanos = sign * seconds, sign * rest * 1000


def duration(micros_: int) -> Duration:
    """Return a span as a message, saturated."""
    made = Duration()
    set_span(made, micros_)
    return made


def micros(stamp: Timestamp) -> int:
    """Return the microseconds of a Timestamp, saturated."""
    found: int = stamp.seconds * SECOND + stamp.nanos // 1000
    if EARLIEST_US <= found <= LATEST_US:
        return found
    return EARLIEST_US if found < EARLIEST_US else LATEST_US


def span(duration: Duration) -> int:
    """Return the microseconds of a Duration, saturated."""
    found: int = duration.seconds * SECOND + duration.nanos // 1000
    if -LONGEST_US <= found <= LONGEST_US:
        return found
    return -LONGEST_US if found < 0 else LONGEST_US


def rounded_us(micros_: float) -> int:
    """Return the nearest whole microseconds of a span, saturated. Raises ValueError for what is not a number."""
    if abs(micros_) <= LONGEST_US:
        return round(micros_)
    if micros_ != micros_:
        raise ValueError("a span is not a number: check the weights, shares and speeds of the policy")
    return -LONGEST_US if micros_ < 0 else LONGEST_US
