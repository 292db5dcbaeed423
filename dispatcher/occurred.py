"""When something on the log happened: at the time of its event, or earlier where a courier reported it late."""

from __future__ import annotations

from typing import Any

from google.protobuf.timestamp_pb2 import Timestamp

from dispatcher.event_kinds import bodies_with
from dispatcher.times import micros
from gig.v1 import events_pb2 as events_pb
from gig.v1 import job_pb2 as job_pb

# Bodies of events that hold ``occurred``.
STEPS = bodies_with("occurred")


def occurred_time(body: Any, event_time: Timestamp) -> Timestamp:
    """Return the time that counts for a body with the field ``occurred``. ``event_time``: of its event."""
    found: Timestamp = body.occurred.time if body.HasField("occurred") else event_time
    return found


def occurred_us(body: Any, event_us: int) -> int:
    """Return the same in Unix microseconds; never after the event, which an old or foreign log may claim."""
    return min(micros(body.occurred.time), event_us) if body.HasField("occurred") else event_us


def event_occurred_us(event: events_pb.Event, kind: str) -> int:
    """Return the time that counts for any event, in Unix microseconds. ``kind``: the name of its body."""
    at_us = micros(event.time)
    return occurred_us(getattr(event, kind), at_us) if kind in STEPS else at_us


def known_end_us(job: job_pb.Job) -> int:
    """Return when the end of a job was known, in Unix microseconds: the report, where it came later than the end."""
    return micros(job.end_report_time if job.HasField("end_report_time") else job.end_time)
