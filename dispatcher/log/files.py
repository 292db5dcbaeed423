"""A log as a file: gig.v1.Event messages, each behind its length as a varint; gzip where the name ends in .gz."""

from __future__ import annotations

import gzip
import zlib
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from typing import BinaryIO, cast

from google.protobuf import proto
from google.protobuf.message import DecodeError

from gig.v1 import events_pb2 as events_pb

# Bytes. A round with ten thousand couriers has some hundred thousand.
LARGEST_EVENT = 256 << 20
# Sequences that are skipped, with what skips them.
Skipped = Mapping[int, events_pb.SubjectQuarantined]
NOTHING_SKIPPED: Skipped = {}
QUARANTINE = events_pb.Event.SUBJECT_QUARANTINED_FIELD_NUMBER


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
    """Yield the events of a file, in order, with EventSkipped in the place of those that a later quarantine skips.

    Raises LogFileError where the file is damaged.
    """
    # A pipe can be read once only; an export holds skipped events as such already.
    return read_log_part(path, 0, skipped_in([path]) if path.is_file() else {})


def read_log_part(path: Path, after: int, skipped: Skipped = NOTHING_SKIPPED) -> Iterator[events_pb.Event]:
    """Yield the events of a file whose first one follows event ``after``. ``skipped``: as skipped_in returns it."""
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
            yield put_aside(event, skipped[last]) if last in skipped else event


def put_aside(event: events_pb.Event, quarantine: events_pb.SubjectQuarantined) -> events_pb.Event:
    """Return the event that replaces a skipped one, as `gig log repair` writes it."""
    if event.HasField("event_skipped"):
        return event
    skipped = events_pb.EventSkipped(kind=quarantine.kind, subject_id=quarantine.subject_id, original=event)
    return events_pb.Event(sequence=event.sequence, time=event.time, event_skipped=skipped)


def skipped_in(paths: Iterable[Path]) -> Skipped:
    """Return the quarantines in files, by the sequences that they skip: a quarantine comes after what it skips.

    Reads the outermost tags of each event only. Stops at damage without an error: reading the file reports it.
    """
    found: dict[int, events_pb.SubjectQuarantined] = {}
    for path in paths:
        with (
            open_log(path, "rb") as opened,
            suppress(DecodeError, ValueError, IndexError, EOFError, OSError, zlib.error),
        ):
            file = _Bounded(opened)
            while (size := _length(opened)) is not None:
                body = file.read(size)
                if _has_field(body, QUARANTINE):
                    quarantine = events_pb.Event.FromString(body).subject_quarantined
                    found.update(dict.fromkeys(quarantine.skipped_sequences, quarantine))
    return found


def _length(file: BinaryIO) -> int | None:
    """Read the next varint of a file; None at its end."""
    size = shift = 0
    while byte := file.read(1):
        size |= (byte[0] & 0x7F) << shift
        shift += 7
        if byte[0] < 0x80:
            return size
    return None


def _has_field(body: bytes, number: int) -> bool:
    """Return whether a serialized message itself has this field."""
    place = 0
    while place < len(body):
        tag, place = _varint(body, place)
        if tag >> 3 == number:
            return True
        match tag & 7:
            case 0:
                _, place = _varint(body, place)
            case 1:
                place += 8
            case 2:
                size, place = _varint(body, place)
                place += size
            case 5:
                place += 4
            case _:
                return False
    return False


def _varint(body: bytes, place: int) -> tuple[int, int]:
    """Return the number at a place, and the place behind it."""
    value = shift = 0
    while True:
        byte = body[place]
        place += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value, place
        shift += 7
