"""A log as a file: gig.v1.Event messages, each behind its length as a varint; gzip where the name ends in .gz."""

from __future__ import annotations

import gzip
import zlib
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import BinaryIO, cast

from google.protobuf import proto
from google.protobuf.message import DecodeError

from gig.v1 import events_pb2 as events_pb

# Bytes. A round with ten thousand couriers has some hundred thousand.
LARGEST_EVENT = 256 << 20


class LogFileError(ValueError):
    """A file that is not a log, or is cut off; the message says where."""


def open_log(path: Path, mode: str) -> BinaryIO:
    return cast(BinaryIO, gzip.open(path, mode) if path.suffix == ".gz" else path.open(mode))


class _Bounded:
    """Reads no piece that is larger than any event: a damaged length would ask for all the memory that there is."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file

    def read(self, size: int) -> bytes:
        if size > LARGEST_EVENT:
            raise ValueError(f"a message of {size} bytes")
        return self._file.read(size)


def write_event(file: BinaryIO, event: events_pb.Event) -> None:
    proto.serialize_length_prefixed(event, file)


def write_log(path: Path, events: Iterable[events_pb.Event]) -> int:
    """Write all events; returns how many."""
    count = 0
    with open_log(path, "wb") as file:
        for event in events:
            write_event(file, event)
            count += 1
    return count


def read_log(path: Path) -> Iterator[events_pb.Event]:
    """The events of a file, in order. Raises LogFileError where it is damaged."""
    return read_log_part(path, 0)


def read_log_part(path: Path, after: int) -> Iterator[events_pb.Event]:
    """Of a file that begins behind the event ``after``."""
    last = after
    with open_log(path, "rb") as opened:
        file = cast(BinaryIO, _Bounded(opened))
        while True:
            try:
                event = proto.parse_length_prefixed(events_pb.Event, file)
            except (DecodeError, ValueError, EOFError, OSError, zlib.error) as fault:
                raise LogFileError(f"{path}: damaged after event {last}: {fault}") from fault
            if event is None:
                return
            if event.sequence != last + 1:
                raise LogFileError(f"{path}: event {event.sequence} follows event {last}")
            last = event.sequence
            yield event
