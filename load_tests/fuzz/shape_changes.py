"""Changes of single coordinates and attributes in sound shapefiles, alone or in an archive."""

from __future__ import annotations

import io
import struct
import zipfile
from collections.abc import Mapping

import numpy as np

from load_tests.fuzz.text_changes import number_changed, values_changed

# Bytes before the first record's coordinates: the file's header, the record's, type, box and counts.
FIRST_POINTS = 100 + 8 + 4 + 32 + 8 + 4


def shapes_changed(rng: np.random.Generator, data: bytes) -> bytes:
    """Move some coordinates of a .shp file's first record; sometimes to where none can be."""
    changed = bytearray(data)
    doubles = max((len(data) - FIRST_POINTS) // 8, 0)
    for _ in range(int(rng.integers(1, 4)) if doubles else 0):
        at = FIRST_POINTS + 8 * int(rng.integers(doubles))
        (value,) = struct.unpack_from("<d", changed, at)
        moved = value * float(rng.uniform(0.9999, 1.0001))
        struct.pack_into(
            "<d", changed, at, moved if rng.random() < 0.8 else (0.0, 1e300, float("nan"))[int(rng.integers(3))]
        )
    return bytes(changed)


def part_changed(rng: np.random.Generator, name: str, data: bytes) -> bytes:
    """Change one file of a shapefile as its kind allows."""
    if name.endswith(".shp"):
        return shapes_changed(rng, data)
    if name.endswith(".dbf"):
        head, rest = data[:97], data[97:]
        return head + number_changed(rng, rest)[: len(rest)].ljust(len(rest))
    if name.endswith(".prj"):
        return values_changed(rng, data)
    return data


def archive_changed(rng: np.random.Generator, data: bytes) -> bytes:
    """Change one file in an archive."""
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        files: Mapping[str, bytes] = {name: archive.read(name) for name in archive.namelist()}
    chosen = [*files][int(rng.integers(len(files)))]
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        for name, content in files.items():
            archive.writestr(name, part_changed(rng, name, content) if name == chosen else content)
    return out.getvalue()
