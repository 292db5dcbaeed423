"""Road networks: opened by their path, and prepared from OpenStreetMap extracts by the engine's own tools."""

from __future__ import annotations

import shutil
import subprocess
import sys
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path

from geo.roads import MISSING, Roads, RoadsError
from geo.travel import TravelTime
from services.settings import SettingsError

PROFILES = ("car", "bicycle", "foot")
STEPS = ("extract", "partition", "customize")


def networks(path: Path | None) -> dict[str, TravelTime]:
    """The road network at a path (without its files' endings), by its name. Raises SettingsError."""
    if path is None:
        return {}
    try:
        return {path.name: Roads(str(path))}
    except RoadsError as fault:
        raise SettingsError(f"roads: {fault}") from fault


def prepare(extract: Path, out: Path, profile: str, progress: Callable[[str], None]) -> None:
    """Write the files of the network ``out`` from an extract (.osm, .osm.bz2 or .osm.pbf). Raises RoadsError."""
    found = find_spec("osrm")
    if found is None or found.origin is None:
        raise RoadsError(MISSING)
    if not extract.is_file():
        raise RoadsError(f"{extract}: no such file; extracts of OpenStreetMap are files like city.osm.pbf")
    lua = Path(found.origin).parent / "share" / "profiles" / f"{profile}.lua"
    out.parent.mkdir(parents=True, exist_ok=True)
    # The engine names its files after the extract: it is given one that is named as the network is.
    endings = "".join(extract.suffixes[-2:]) if extract.name.endswith((".osm.pbf", ".osm.bz2")) else extract.suffix
    named = out.with_name(out.name + endings)
    same = named.exists() and named.samefile(extract)
    if not same:
        shutil.copyfile(extract, named)
    try:
        for step in STEPS:
            progress(step)
            of = ["-p", str(lua), str(named)] if step == "extract" else [f"{out}.osrm"]
            done = subprocess.run(
                [sys.executable, "-m", "osrm", step, *of], capture_output=True, text=True, check=False
            )
            if done.returncode:
                lines = [line for line in (done.stderr + done.stdout).splitlines() if line.strip()]
                raise RoadsError(f"{extract}: the engine's {step} failed: {lines[-1] if lines else done.returncode}")
    finally:
        if not same:
            named.unlink()
