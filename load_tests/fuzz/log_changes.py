"""Changes of single fields in the events of a sound log."""

from __future__ import annotations

import gzip
import io
from functools import lru_cache

import numpy as np
from google.protobuf import proto

from gig.v1 import events_pb2 as events_pb
from load_tests.fuzz.mutation import distorted


def events_changed(rng: np.random.Generator, data: bytes) -> bytes:
    """Distort one or two events of a log, leave one out, or put one twice."""
    messages = list(_messages(data))
    for _ in range(int(rng.integers(1, 3))):
        place = int(rng.integers(len(messages)))
        draw = rng.random()
        if draw < 0.8:
            event = events_pb.Event.FromString(messages[place])
            distorted(rng, event)
            messages[place] = event.SerializeToString()
        elif draw < 0.9:
            messages.insert(place, messages[place])
        elif len(messages) > 1:
            del messages[place]
    out = io.BytesIO()
    for message in messages:
        _write(out, message)
    return out.getvalue()


def packed_events_changed(rng: np.random.Generator, data: bytes) -> bytes:
    """As ``events_changed``, of a log in gzip."""
    return gzip.compress(events_changed(rng, gzip.decompress(data)), compresslevel=1)


@lru_cache(maxsize=4)
def _messages(data: bytes) -> tuple[bytes, ...]:
    """Return the events of a log, serialized."""
    file, found = io.BytesIO(data), []
    while (event := proto.parse_length_prefixed(events_pb.Event, file)) is not None:
        found.append(event.SerializeToString())
    return tuple(found)


def _write(out: io.BytesIO, message: bytes) -> None:
    """Write a message behind its length as a varint."""
    size = len(message)
    while size > 0x7F:
        out.write(bytes((size & 0x7F | 0x80,)))
        size >>= 7
    out.write(bytes((size,)))
    out.write(message)
