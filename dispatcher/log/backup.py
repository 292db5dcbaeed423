"""Backups: a folder of log files, each with the events since the one before; the last file may always be followed.

``main-000000000001-000000050000.log.gz`` holds events 1 to 50,000 of the market ``main``. State, tables, statements and
measures are projections of the log: nothing else has to be kept.
"""

from __future__ import annotations

import os
import re
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from dispatcher.log.files import LogFileError, open_log, read_log_part, skipped_in, write_event
from gig.v1 import events_pb2 as events_pb

_NAME = re.compile(r"(?P<market>[A-Za-z0-9._-]{1,64})-(?P<first>[0-9]{12})-(?P<last>[0-9]{12})\.log\.gz")


class BackupError(ValueError):
    """A folder that is no whole backup; the message says what is wrong with which file."""


@dataclass(frozen=True, slots=True)
class Part:
    path: Path
    market_id: str
    first: int
    last: int


def parts_of(folder: Path, market_id: str = "") -> list[Part]:
    """In order, of the one market that the folder holds, or of the one that is named. Raises BackupError."""
    found = []
    for path in sorted(folder.iterdir()) if folder.is_dir() else []:
        match = _NAME.fullmatch(path.name)
        if match and market_id in ("", match["market"]):
            found.append(Part(path, match["market"], int(match["first"]), int(match["last"])))
    markets = sorted({part.market_id for part in found})
    if len(markets) > 1:
        raise BackupError(f"{folder} holds backups of several markets: {', '.join(markets)}; name one with --market")
    last = 0
    for part in found:
        if part.first != last + 1 or part.last < part.first:
            raise BackupError(f"{part.path} begins with event {part.first}, and event {last} is the one before it")
        last = part.last
    return found


async def write_part(
    folder: Path, market_id: str, after: int, events: AsyncIterator[events_pb.Event], told: Callable[[int], None]
) -> Part | None:
    """One more file with these events, which follow the event ``after``; None where there are none. It has its name
    once it is whole and on the disk."""
    folder.mkdir(parents=True, exist_ok=True)
    unfinished = folder / f".{market_id}.unfinished.gz"
    last = after
    with open_log(unfinished, "wb") as file:
        async for event in events:
            write_event(file, event)
            last = event.sequence
            told(last)
    _sync(unfinished)
    if last == after:
        unfinished.unlink()
        return None
    part = Part(folder / f"{market_id}-{after + 1:012d}-{last:012d}.log.gz", market_id, after + 1, last)
    unfinished.rename(part.path)
    _sync(folder)
    return part


def events_of(parts: list[Part]) -> Iterator[events_pb.Event]:
    """All events of a backup, in order. Raises BackupError where a file is damaged, or is not what its name says."""
    skipped = skipped_in(part.path for part in parts)
    for part in parts:
        sequence = part.first - 1
        try:
            for event in read_log_part(part.path, sequence, skipped):
                sequence = event.sequence
                yield event
        except LogFileError as fault:
            raise BackupError(str(fault)) from fault
        if sequence != part.last:
            raise BackupError(f"{part.path}: ends with event {sequence}, not {part.last}")


def _sync(path: Path) -> None:
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
