"""The researchers' page is true: every command and every piece of Python on it runs, in order."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

PAGE = Path(__file__).parents[2] / "docs/research.md"
SECTION = re.compile(r"^## (\d+)\. ", re.MULTILINE)
BLOCK = re.compile(r"^```(sh|python)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
# The sections run in parallel, in an empty folder each: a chain holds the sections whose files its last ones read.
CHAINS: dict[str, tuple[tuple[int, ...], tuple[str, ...]]] = {
    "compare": (
        (1, 2, 3, 4, 6, 7),
        ("compared/report.html", "hourly.html", "what-if/report.html", "calibrated/calibration.html"),
    ),
    "sweep": ((1, 5, 8), ("grid/frontier.html", "searched/frontier.html")),
}


def sections() -> dict[int, list[tuple[str, str]]]:
    """Return the blocks of each numbered section, in order: (language, text)."""
    parts = SECTION.split(PAGE.read_text("utf-8"))
    return {int(number): BLOCK.findall(text) for number, text in zip(parts[1::2], parts[2::2], strict=True)}


def run_section(blocks: list[tuple[str, str]], folder: Path) -> None:
    """Run the commands of a section, then its Python as one script."""
    environment = os.environ | {"PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}", "COLUMNS": "120"}
    commands = [["sh", "-ec", text] for kind, text in blocks if kind == "sh"]
    python = "\n".join(text for kind, text in blocks if kind == "python")
    if python:
        # Spawned workers import the script and must not run it again.
        script = folder / "notebook.py"
        body = python.replace("\n", "\n    ")
        script.write_text(f'if __name__ == "__main__":\n    {body}\n', "utf-8")
        commands.append([sys.executable, str(script)])
    for command in commands:
        done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True)
        assert done.returncode == 0, f"{command[-1]}\n{done.stdout}\n{done.stderr}"


def test_every_block_of_the_page_belongs_to_a_chain() -> None:
    found = sections()
    in_sections = [block for blocks in found.values() for block in blocks]
    assert in_sections == BLOCK.findall(PAGE.read_text("utf-8"))
    assert len(in_sections) >= 9
    assert {number for numbers, _ in CHAINS.values() for number in numbers} == set(found)


@pytest.mark.timeout(240)
@pytest.mark.parametrize("chain", CHAINS)
def test_every_command_and_every_piece_of_python_on_the_page_runs(chain: str, tmp_path: Path) -> None:
    numbers, files = CHAINS[chain]
    found = sections()
    for number in numbers:
        run_section(found[number], tmp_path)
    for name in files:
        assert (tmp_path / name).stat().st_size > 1000
