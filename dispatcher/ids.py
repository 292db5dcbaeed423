"""Identifiers that the market makes, and encodings of several identifiers as one value.

An identifier is ``<market>-<token>``. The token is random, or a hash keyed with the market's secret, so that the
identifier names its market and nothing else: no other identifier, no time and no sequence.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Iterable

SECRET_BYTES = 32
# Of a token, before its encoding: 80 bits are 16 characters.
TOKEN_BYTES = 10
# Of the keyed hash that identifies a call.
KEY_BYTES = 16
_LENGTH_BYTES = 4


def pack(parts: Iterable[str]) -> bytes:
    """Encode several texts as one value: each behind its length, so that no two lists have the same encoding."""
    encoded = (part.encode() for part in parts)
    return b"".join(len(part).to_bytes(_LENGTH_BYTES, "big") + part for part in encoded)


def unpack(data: bytes) -> tuple[str, ...]:
    """Return the texts that ``pack`` encoded. Raises ValueError."""
    found = []
    start = 0
    while start < len(data):
        begin = start + _LENGTH_BYTES
        start = begin + int.from_bytes(data[start:begin], "big")
        if begin > len(data) or start > len(data):
            raise ValueError("the data end within a part")
        found.append(data[begin:start].decode())
    return tuple(found)


def keyed_hash(secret: bytes, data: bytes, size: int = KEY_BYTES) -> bytes:
    """Return BLAKE2b (RFC 7693) of the data, keyed with the market's secret, in ``size`` bytes."""
    return hashlib.blake2b(data, key=secret, digest_size=size).digest()


def id_of_token(market_id: str, token: bytes) -> str:
    """Return the identifier of a market with a token of TOKEN_BYTES, in Base32 (RFC 4648) in lower case."""
    return f"{market_id}-{base64.b32encode(token).decode().lower()}"


def made_id(market_id: str, secret: bytes, kind: str, sequence: int, index: int = 0) -> str:
    """Return the identifier of the ``index``-th thing of a kind that the event with this sequence makes."""
    return derived_id(market_id, secret, kind, str(sequence), str(index))


def derived_id(market_id: str, secret: bytes, *parts: str) -> str:
    """Return the identifier that always belongs to these texts, and does not reveal them."""
    return id_of_token(market_id, keyed_hash(secret, pack(parts), TOKEN_BYTES))


def market_of(name: str) -> str:
    """Return the market that an identifier names; empty for an identifier of an earlier version."""
    return name.rpartition("-")[0]
