"""A log for others to study: every name of a person becomes a keyed hash, and what people wrote is taken out.

The same key gives the same names, so that logs of one market can be joined; without the key nobody can try out whose
name a hash may be. Positions and times stay: who knows where somebody was and when may still find them.
"""

from __future__ import annotations

import hashlib
from typing import TypeVar

from google.protobuf.message import Message

from dispatcher.messages import parts
from dispatcher.redaction import NAMES_PEOPLE

Record = TypeVar("Record", bound=Message)

# Fields that hold what people wrote.
WORDS = frozenset({"reason", "end_reason", "statement", "answer", "comment", "label", "excluded_because"})
REMOVED = "(removed)"
# The market's secret, with which its hashes could be tried out.
SECRET = "secret"
# blake2b takes keys of up to 64 bytes; shorter than 16, a key could be tried out.
SHORTEST_KEY, LONGEST_KEY = 16, 64
DIGEST_BYTES = 10


class KeyUnfit(ValueError):
    """A key that is too short or too long."""


class Pseudonyms:
    def __init__(self, key: bytes) -> None:
        """Raises KeyUnfit."""
        if not SHORTEST_KEY <= len(key) <= LONGEST_KEY:
            raise KeyUnfit(f"the key must have {SHORTEST_KEY} to {LONGEST_KEY} bytes, not {len(key)}")
        self._key = key
        self._known: dict[str, str] = {}

    def name(self, person_id: str) -> str:
        """BLAKE2b with the key (RFC 7693), 80 bits of it."""
        if person_id not in self._known:
            digest = hashlib.blake2b(person_id.encode(), key=self._key, digest_size=DIGEST_BYTES)
            self._known[person_id] = f"p-{digest.hexdigest()}"
        return self._known[person_id]

    def rewrite(self, record: Record) -> Record:
        """The record itself, changed in place."""
        for part in parts(record):
            self.rewrite(part)
        for field, value in record.ListFields():
            if field.name == SECRET:
                record.ClearField(field.name)
            elif field.name in NAMES_PEOPLE and field.is_repeated:
                value[:] = [self.name(person_id) for person_id in value]
            elif field.name in NAMES_PEOPLE:
                setattr(record, field.name, self._renamed(field.name, value))
            elif field.name in WORDS and field.type == field.TYPE_STRING:
                setattr(record, field.name, REMOVED)
        return record

    def _renamed(self, field: str, text: str) -> str:
        if field == "key":  # of a request: hides caller and request_id as one
            return self.name(text)
        return ", ".join(map(self.name, text.split(", ")))
