"""The project's SQL lives in files; here they are read by name."""

from __future__ import annotations

from functools import cache
from importlib import resources


@cache
def query(name: str) -> str:
    return resources.files("dispatcher.log").joinpath("queries", f"{name}.sql").read_text("utf-8-sig")


def migrations() -> list[tuple[int, str]]:
    """(number, text) of each migration, in order."""
    files = resources.files("dispatcher.log").joinpath("migrations").iterdir()
    named = sorted((file.name, file) for file in files if file.name.endswith(".sql"))
    return [(int(name.split("_")[0]), file.read_text("utf-8-sig")) for name, file in named]
