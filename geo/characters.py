"""Which characters a text may hold: what people can see or need, and nothing that hides, reorders or controls."""

from __future__ import annotations

import re

# C0 and C1 controls, DEL, and surrogates, which are no characters on their own.
_CONTROLS = r"\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\ud800-\udfff"
_LAYOUT = r"\t\n\r"
# Zero-width space, word joiner and other invisible operators, byte order mark, interlinear annotations, tags. The
# joiners U+200C and U+200D and the marks U+200E, U+200F and U+061C are needed to write emoji, Persian and Hebrew.
_INVISIBLE = r"\u200b\u2060-\u2064\u206a-\u206f\ufeff\ufff9-\ufffb\U000e0000-\U000e007f"
# Line and paragraph separators; embeddings, overrides and isolates, which show a text in another order than it has.
_REORDERING = r"\u2028\u2029\u202a-\u202e\u2066-\u2069"
_NONCHARACTERS = r"\ufdd0-\ufdef" + "".join(f"\\U{plane:04x}fffe\\U{plane:04x}ffff" for plane in range(17))

_REFUSED = re.compile(f"[{_CONTROLS}{_INVISIBLE}{_REORDERING}{_NONCHARACTERS}]")
_REFUSED_IN_A_LINE = re.compile(f"[{_CONTROLS}{_LAYOUT}{_INVISIBLE}{_REORDERING}{_NONCHARACTERS}]")


def is_clean(text: str) -> bool:
    """Return whether a text of one line holds only characters that it may."""
    return text.isprintable() or _REFUSED_IN_A_LINE.search(text) is None


def is_clean_multiline(text: str) -> bool:
    """The same of a text that may hold line breaks and tabs."""
    return text.isprintable() or _REFUSED.search(text) is None


def text_fault(text: str, multiline: bool = False) -> str:
    """Return what is wrong with the characters of a text, or an empty string."""
    found = (_REFUSED if multiline else _REFUSED_IN_A_LINE).search(text)
    if found is None:
        return ""
    return f"must not hold the character U+{ord(found[0]):04X} (place {found.start()}): remove it"
