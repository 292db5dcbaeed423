"""The command line starts fast: it lists its commands without importing them, and a command imports what it needs."""

from __future__ import annotations

import json
import re
import subprocess
import sys
import tomllib
from importlib.metadata import version
from pathlib import Path

import pytest
import typer.main
from typer.testing import CliRunner

import load_tests
from services.cli.extras import RESEARCH
from services.cli.main import COMMANDS, app
from tests.architecture.test_dependencies import declared, distribution, distributions

ROOT = Path(__file__).parents[2]
CLI = CliRunner()
LINES = {name: line for name, (_, line) in COMMANDS.items()} | load_tests.COMMAND_HELP
HEAVY = (
    *("numpy", "pandas", "polars", "scipy", "shapely", "ortools", "highspy", "pyarrow", "plotly", "optuna"),
    *("grpc", "aiohttp", "asyncpg", "babel", "h3", "protovalidate", "prometheus_client", "load_tests.traces"),
)
# Runs a command as the script `gig` does, and then prints the modules that are imported.
IMPORTED = """
import json, sys
from services.__main__ import main
try:
    main()
except SystemExit as end:
    print(json.dumps(sorted(sys.modules)), file=sys.stderr)
    raise
"""
# Prints the exit code and the messages of commands where the libraries of the extra are not installed.
WITHOUT_RESEARCH = """
import json, sys
from typer.testing import CliRunner
from services.cli.extras import RESEARCH
from services.cli.main import app

class Absent:
    def find_spec(self, name, path=None, target=None):
        if name in RESEARCH:
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)

sys.meta_path.insert(0, Absent())
ended = {}
for name in sys.argv[1:]:
    result = CliRunner().invoke(app(), [name, "--help"])
    ended[name] = result.exit_code, result.stderr
print(json.dumps(ended))
"""


def plain(text: str) -> str:
    """Return the text without the codes of colours, which some machines ask for."""
    return re.sub(r"\x1b\[[\d;]*m", "", text)


def python(program: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", program, *arguments], cwd=ROOT, capture_output=True, text=True, check=False
    )


def test_every_command_is_listed_with_its_line_at_the_width_of_a_small_terminal() -> None:
    listed = CLI.invoke(app(), ["--help"], env={"COLUMNS": "80", "TERMINAL_WIDTH": "80"})
    assert listed.exit_code == 0
    rows = dict(re.findall(r"^│ (\S+) +(\S.*?) +│$", plain(listed.output), re.MULTILINE))
    assert LINES.items() <= rows.items()
    assert set(typer.main.get_command(app()).list_commands(None)) == set(LINES)  # type: ignore[attr-defined]


@pytest.mark.parametrize("name", ["replya", "zones-check", ""])
def test_an_unknown_command_is_reported_as_such(name: str) -> None:
    ended = CLI.invoke(app(), [name])
    assert ended.exit_code == 2
    assert f"No such command '{name}'" in plain(ended.stderr)


def test_a_misspelt_command_is_answered_with_the_nearest_one() -> None:
    assert "Did you mean 'replay'" in plain(CLI.invoke(app(), ["replya"]).stderr)


def test_the_version_is_that_of_the_installed_package() -> None:
    printed = CLI.invoke(app(), ["--version"])
    assert (printed.exit_code, printed.stdout) == (0, f"gig-dispatch {version('gig-dispatch')}\n")


@pytest.mark.parametrize("command", ["--help", "--version", "token"])
def test_a_light_command_imports_none_of_the_heavy_libraries(command: str, tmp_path: Path) -> None:
    more = ("client", "ann", "--data-dir", str(tmp_path)) if command == "token" else ()
    ended = python(IMPORTED, command, *more)
    assert ended.returncode == 0, ended.stderr
    imported = set(json.loads(ended.stderr))
    assert imported.isdisjoint(HEAVY)
    if command != "token":
        assert {name for name in imported if name.startswith("services.cli.")} == {
            f"services.cli.{name}" for name in ("extras", "failures", "lazy", "main")
        }


def test_without_the_research_extra_a_command_that_needs_it_says_what_installs_it() -> None:
    ended = python(WITHOUT_RESEARCH, *LINES)
    assert ended.returncode == 0, ended.stderr
    codes = {name: tuple(found) for name, found in json.loads(ended.stdout).items()}
    needing = {name for name, (code, _) in codes.items() if code}
    assert needing == {"behaviour", "bench", "calibrate", "counterfactual", "fuzz", "load", "replay", "sweep", "trace"}
    for name in needing:
        code, said = codes[name]
        assert code == 1
        assert re.fullmatch(
            r"gig: this command needs (\w+), which is not installed\. Run: pip install 'gig-dispatch\[research\]'\n",
            plain(said),
        ), said


def test_the_research_extra_installs_the_libraries_that_the_message_is_about() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    research = declared(project["optional-dependencies"]["research"])
    assert {distribution(name) for library in RESEARCH for name in distributions()[library]} == research
