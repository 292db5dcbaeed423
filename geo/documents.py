"""Zone documents as files, and their size limit. Settings use the limit, so this module imports no library."""

from __future__ import annotations

from pathlib import Path

from geo.faults import ZoneError

# Bytes of a document in UTF-8, in a file and in a call.
MOST_BYTES = 4 << 20


def read_document(path: Path) -> str:
    """Return the text of a file. Raises ZoneError for one that is too large, empty or not UTF-8, OSError."""
    with path.open("rb") as file:
        data = file.read(MOST_BYTES + 1)
    if len(data) > MOST_BYTES:
        raise ZoneError(too_large(path.stat().st_size))
    if not data:
        raise ZoneError('the file is empty: a document without zones is {"type": "FeatureCollection", "features": []}')
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as fault:
        raise ZoneError(f"the document is not in UTF-8: {fault}") from fault


def too_large(size: int) -> str:
    """Return the sentence for a document of ``size`` bytes, which is above the limit."""
    return f"the document has {size:,} bytes: at most {MOST_BYTES:,} are read; draw the zones with fewer points"
