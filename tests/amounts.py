"""Amounts as people read them, back to numbers."""

from __future__ import annotations

import re


def number(text: str) -> str:
    """Return an amount without its currency, whose name may hold points."""
    sign, digits = "-" if re.search("[-−]", text) else "", re.search(r"[0-9][0-9,]*(\.[0-9]+)?", text)
    assert digits is not None, text
    return sign + digits[0].replace(",", "")
