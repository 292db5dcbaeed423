"""The researchers' page is true: every command and every piece of Python on it runs, in order."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

PAGE = Path(__file__).parents[2] / "docs/research.md"
BLOCK = re.compile(r"^```(sh|python)\n(.*?)^```$", re.MULTILINE | re.DOTALL)


@pytest.mark.timeout(240)
def test_every_command_and_every_piece_of_python_on_the_page_runs(tmp_path: Path) -> None:
    blocks = BLOCK.findall(PAGE.read_text("utf-8"))
    assert len(blocks) >= 9
    environment = os.environ | {"PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}", "COLUMNS": "120"}
    python = [text for kind, text in blocks if kind == "python"]
    for kind, text in blocks:
        if kind == "sh":
            command = ["sh", "-ec", text]
        elif text is python[0]:
            continue  # the second one goes on from the first
        else:
            # The parts of a notebook; workers that are spawned import it, and must not run it again.
            script = tmp_path / "notebook.py"
            body = "\n".join(python).replace("\n", "\n    ")
            script.write_text(f'if __name__ == "__main__":\n    {body}\n', "utf-8")
            command = [sys.executable, str(script)]
        done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True)
        assert done.returncode == 0, f"{text}\n{done.stdout}\n{done.stderr}"
    for name in ("compared/report.html", "grid/frontier.html", "calibrated/calibration.html", "hourly.html"):
        assert (tmp_path / name).stat().st_size > 1000
