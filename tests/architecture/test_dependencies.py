"""Each package imports only the libraries that its installation brings."""

from __future__ import annotations

import ast
import re
import sys
import tomllib
from collections.abc import Iterator, Mapping
from functools import cache
from importlib.metadata import packages_distributions
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))
PACKAGES = ("dispatcher", "geo", "load_tests", "matching", "ratings", "services")
GENERATED = ("buf", "gig")
# Libraries of single files: the generator of dashboards (group dev), road networks (extra roads), and a program that
# another simulator's Python runs.
APART = {
    "services/observe/grafana.py": {"grafana_foundation_sdk"},
    "geo/roads.py": {"osrm"},
    "load_tests/bench/peers/maassim_day.py": {"MaaSSim", "dotmap", "pandas"},
}


def distribution(text: str) -> str:
    """Return the normalised name of a distribution or a requirement."""
    return re.split(r"[^\w.-]", text, maxsplit=1)[0].lower().replace("_", "-")


@cache
def distributions() -> Mapping[str, list[str]]:
    """Return the installed distributions of each top-level module."""
    return packages_distributions()


def declared(requirements: list[str]) -> set[str]:
    return {distribution(text) for text in requirements}


def imported(path: Path) -> Iterator[str]:
    """Yield the full names of the modules that a file imports, at any place in it."""
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            yield node.module


def test_the_lock_that_make_setup_installs_holds_every_declared_library() -> None:
    locked = re.findall(r"^([\w.-]+)==", (ROOT / "requirements.lock").read_text("utf-8"), re.MULTILINE)
    project = PROJECT["project"]
    wanted = (
        project["dependencies"] + project["optional-dependencies"]["research"] + PROJECT["dependency-groups"]["dev"]
    )
    assert declared(wanted) <= set(locked)


@pytest.mark.parametrize("package", PACKAGES)
def test_every_library_that_is_imported_is_declared(package: str) -> None:
    allowed = declared(PROJECT["project"]["dependencies"])
    if package == "load_tests":
        allowed |= declared(PROJECT["project"]["optional-dependencies"]["research"])
    for path in sorted((ROOT / package).rglob("*.py")):
        name = path.relative_to(ROOT).as_posix()
        for module in imported(path):
            library = module.partition(".")[0]
            if library in sys.stdlib_module_names or library in (*PACKAGES, *GENERATED, *APART.get(name, ())):
                continue
            assert allowed & {distribution(found) for found in distributions()[library]}, (
                f"{name} imports {module}: declare it"
            )
