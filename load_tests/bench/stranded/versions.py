"""Two versions of ``matching``, each in a process of its own: this one, and that of another checkout or revision."""

from __future__ import annotations

import io
import json
import os
import subprocess
import sys
import tarfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import load_tests

ROOT = Path(load_tests.__file__).parents[1]
# What a version consists of.
PACKAGES = ("matching", "geo")


class VersionMissing(Exception):
    """The version to compare with cannot be found; the message says what to pass."""


class Solver:
    """Solves generated rounds in a process."""

    def __init__(self, path: list[Path]) -> None:
        environment = {**os.environ, "PYTHONPATH": os.pathsep.join(map(str, path))}
        self._process = subprocess.Popen(
            [sys.executable, "-m", "load_tests.bench.stranded.worker"],
            cwd=path[0], env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
        )  # fmt: skip

    def solve(self, seed: int) -> dict[str, Any]:
        """Return what the worker answers. Raises RuntimeError where its process has ended."""
        seeds, answers = self._process.stdin, self._process.stdout
        assert seeds is not None, "opened as a pipe"
        assert answers is not None, "opened as a pipe"
        seeds.write(f"{seed}\n")
        seeds.flush()
        line = answers.readline()
        if not line:
            raise RuntimeError(f"the process that solves the rounds ended with code {self._process.wait()}")
        found: dict[str, Any] = json.loads(line)
        return found

    def close(self) -> None:
        """End the process."""
        self._process.communicate()


@contextmanager
def this_version() -> Iterator[Solver]:
    """Start the version that runs this benchmark."""
    with _closing(Solver([ROOT])) as solver:
        yield solver


@contextmanager
def other_version(name: str) -> Iterator[Solver]:
    """Start the version of a checkout's folder or of a git revision. Raises VersionMissing."""
    with TemporaryDirectory() as made:
        folder = Path(made)
        if (Path(name) / PACKAGES[0]).is_dir():
            for package in PACKAGES:
                (folder / package).symlink_to((Path(name) / package).resolve(), target_is_directory=True)
        else:
            _extract(name, folder)
        with _closing(Solver([folder, ROOT])) as solver:
            yield solver


@contextmanager
def _closing(solver: Solver) -> Iterator[Solver]:
    try:
        yield solver
    finally:
        solver.close()


def _extract(revision: str, folder: Path) -> None:
    try:
        archive = subprocess.run(
            ["git", "-C", str(ROOT), "archive", "--format=tar", revision, *PACKAGES], check=True, capture_output=True
        )
    except (OSError, subprocess.CalledProcessError) as fault:
        raise VersionMissing(
            f"--before: {revision!r} is neither a folder that contains {PACKAGES[0]}/ nor a revision in the git "
            "repository of this checkout; pass one of the two"
        ) from fault
    with tarfile.open(fileobj=io.BytesIO(archive.stdout)) as tar:
        tar.extractall(folder, filter="data")
