"""Texts that match a pattern of the contract: sequences of characters and character classes with counts."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cache

# What an open count (`*`, `+`, `{2,}`) stands for at most.
OPEN = 64
_PART = re.compile(
    r"(?P<set>\[\^?(?:\\.|[^\]\\])+\]|\\.|[^\\\[\](){}|*+?^$])(?:\{(?P<low>[0-9]+)(?P<to>,)?(?P<high>[0-9]*)\}|(?P<sign>[*+?]))?"
)
_PRINTABLE = [chr(code) for code in (*range(0x61, 0x7B), *range(0x30, 0x3A), *range(0x20, 0x7F))]


@dataclass(frozen=True, slots=True)
class Part:
    """Characters that may stand there, and how many of them."""

    characters: tuple[str, ...]
    low: int
    high: int


@cache
def parts_of(pattern: str) -> tuple[Part, ...] | None:
    """Return the parts of a pattern, or None where it uses anything but classes and counts."""
    body = pattern.removeprefix("^").removeprefix("\\A").removesuffix("$").removesuffix("\\z")
    parts, at = [], 0
    for match in _PART.finditer(body):
        single = re.compile(match["set"])
        characters = tuple(dict.fromkeys(character for character in _PRINTABLE if single.fullmatch(character)))
        if match.start() != at or not characters:
            return None
        parts.append(Part(characters, *_count(match)))
        at = match.end()
    if at != len(body):
        return None
    return tuple(parts)


def _count(match: re.Match[str]) -> tuple[int, int]:
    if match["sign"]:
        return {"*": (0, OPEN), "+": (1, OPEN), "?": (0, 1)}[match["sign"]]
    if match["low"] is None:
        return 1, 1
    low = int(match["low"])
    if not match["to"]:
        return low, low
    return low, int(match["high"]) if match["high"] else low + OPEN


def shortest(pattern: str) -> str | None:
    """Return the shortest text that matches, or None where the pattern is not understood."""
    parts = parts_of(pattern)
    return None if parts is None else "".join(part.characters[0] * part.low for part in parts)


def longest(pattern: str) -> str | None:
    """Return the longest text that matches, or None where the pattern is not understood."""
    parts = parts_of(pattern)
    return None if parts is None else "".join(part.characters[0] * part.high for part in parts)
