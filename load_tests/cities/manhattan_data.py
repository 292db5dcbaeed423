"""Where the data of Manhattan are, which come with the package pyhailing."""

from __future__ import annotations

import importlib.util
from pathlib import Path

# The coordinate system of its zones.
UTM_18N_KM = "+proj=utm +zone=18 +datum=WGS84 +units=km"


def data_folder() -> Path | None:
    """Return the folder of the data, None without the package. The package is not imported: its code needs more
    libraries."""
    spec = importlib.util.find_spec("pyhailing")
    if spec is None or spec.origin is None:
        return None
    folder = Path(spec.origin).parent / "data"
    return folder if (folder / "trips.csv").exists() else None
