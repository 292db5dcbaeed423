"""Changes of single values in sound text: numbers, texts and cells. Most files can still be read."""

from __future__ import annotations

import json
import re
from copy import deepcopy
from typing import Any

import numpy as np

from load_tests.fuzz.mutation import NUMBERS, TOKENS

QUOTED = re.compile(rb'"[^"\\\n]*"')
# What a value becomes: as often a little different as something that no sound file holds.
ODD_SHARE = 0.3
FACTORS = (0.0, -1.0, 0.5, 0.9, 0.999, 1.001, 1.1, 2.0, 10.0, 1e3, 1e6, 1e18)
ODD_VALUES: tuple[Any, ...] = (
    *(None, True, False, "", "x", "é🚲", 0, -1, 0.5, 2**31, 2**63, -(2**70), 1e308, 1e-308, [], {}, [[]], {"a": 1}),
    *([1, 2], "1.0", " 7 ", "NaN", "2026-05-01T10:00:00 UTC"),
)


def another_number(rng: np.random.Generator, text: bytes) -> bytes:
    """Return a number near the one in the text, in the same notation; now and then one far away."""
    value = float(text) * FACTORS[int(rng.integers(3, 9))] if rng.random() < 0.8 else float(text)
    if rng.random() < 0.2:
        value = float(text) * FACTORS[int(rng.integers(len(FACTORS)))] + float(rng.integers(-2, 3))
    if b"." not in text:
        return str(int(np.clip(value, -9e17, 9e17))).encode()
    digits = len(text.partition(b".")[2])
    return f"{value:.{digits}f}".encode()


def number_changed(rng: np.random.Generator, data: bytes) -> bytes:
    """Change one number somewhere in a text."""
    found = list(NUMBERS.finditer(data))
    if not found:
        return data
    one = found[int(rng.integers(len(found)))]
    return data[: one.start()] + another_number(rng, one.group()) + data[one.end() :]


def text_changed(rng: np.random.Generator, data: bytes) -> bytes:
    """Put one quoted text of a document in the place of another."""
    found = list(QUOTED.finditer(data))
    if not found:
        return number_changed(rng, data)
    one, other = (found[int(rng.integers(len(found)))] for _ in range(2))
    return data[: one.start()] + other.group() + data[one.end() :]


def values_changed(rng: np.random.Generator, data: bytes) -> bytes:
    """Change one or two values of any text: numbers mostly."""
    for _ in range(int(rng.integers(1, 3))):
        data = (number_changed if rng.random() < 0.8 else text_changed)(rng, data)
    return data


def cells_changed(rng: np.random.Generator, data: bytes) -> bytes:
    """Change one to three cells of a CSV, its separator, or its rows."""
    separator = max((b",", b";", b"\t"), key=data.partition(b"\n")[0].count)
    rows = [line.split(separator) for line in data.rstrip(b"\n").split(b"\n")]
    body = rows[1:]
    for _ in range(int(rng.integers(1, 4)) if body else 0):
        row = body[int(rng.integers(len(body)))]
        column = int(rng.integers(len(row)))
        other = body[int(rng.integers(len(body)))]
        draw = rng.random()
        if draw < ODD_SHARE:
            token = TOKENS[int(rng.integers(len(TOKENS)))]
            row[column] = token.replace(separator, b"").replace(b"\n", b"").replace(b'"', b"")
        elif draw < 0.5 and column < len(other):
            row[column] = other[column]
        elif NUMBERS.fullmatch(row[column]):
            row[column] = another_number(rng, row[column])
    if body and rng.random() < 0.1:
        rows.append(list(body[int(rng.integers(len(body)))]))
    if rng.random() < 0.1:
        separator = (b",", b";", b"\t", b"|")[int(rng.integers(4))]
    mark = b"\xef\xbb\xbf" if rng.random() < 0.05 else b""
    ending = b"\r\n" if rng.random() < 0.1 else b"\n"
    return mark + ending.join(separator.join(row) for row in rows) + ending


def members_changed(rng: np.random.Generator, data: bytes) -> bytes:
    """Change one or two members of a JSON document: numbers, or any value for an odd one."""
    if rng.random() < 0.5:
        return number_changed(rng, data)
    document = json.loads(data)
    for _ in range(int(rng.integers(1, 3))):
        holder, key = _member(rng, document)
        value = holder[key]
        if isinstance(value, float | int) and not isinstance(value, bool) and rng.random() < 0.7:
            holder[key] = value + float(rng.normal(0, 0.001)) if isinstance(value, float) else value + 1
        elif rng.random() < 0.1 and isinstance(holder, dict):
            del holder[key]
        else:
            # A copy: the next change may be made inside it.
            holder[key] = deepcopy(ODD_VALUES[int(rng.integers(len(ODD_VALUES)))])
        if not document:
            break
    return json.dumps(document).encode()


def _member(rng: np.random.Generator, document: Any) -> tuple[Any, Any]:
    """Return a list or object somewhere in a document, and the key of one of its values."""
    holder, value = document, document
    key: Any = None
    while isinstance(value, list | dict) and value and (key is None or rng.random() < 0.95):
        holder = value
        keys = list(value) if isinstance(value, dict) else range(len(value))
        key = keys[int(rng.integers(len(keys)))]
        value = holder[key]
    return holder, key


def lines_wrapped(rng: np.random.Generator, data: bytes) -> bytes:
    """Wrap the body of a PEM file at another width, with other line ends and words around it; sometimes with other
    letters in it."""
    first, *body, last = data.strip().split(b"\n")
    letters = bytearray(b"".join(body))
    if rng.random() < 0.4:
        letters[int(rng.integers(len(letters)))] = b"ABCabc019+/="[int(rng.integers(12))]
    width = int(rng.integers(16, 77))
    wrapped = [bytes(letters[start : start + width]) for start in range(0, len(letters), width)]
    ending = (b"\n", b"\r\n")[int(rng.integers(2))]
    words = (b"", b" ", b"\n\n")[int(rng.integers(3))]
    return words.join((b"", ending.join((first, *wrapped, last)))) + ending + words
