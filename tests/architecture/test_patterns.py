"""Regular expressions are matched whole: `$` accepts a trailing newline in Python, and `match` reads a prefix only."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
FOLDERS = ("dispatcher", "geo", "load_tests", "matching", "ratings", "services", "tests")
FILES = [*sorted(path for folder in FOLDERS for path in (ROOT / folder).rglob("*.py")), ROOT / "hatch_build.py"]


def faults(tree: ast.AST) -> Iterator[tuple[int, str]]:
    """(line, fault) of each call that matches less than a whole text."""
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and node.module == "re":
            yield node.lineno, "import re as a module, so that its calls can be checked"
        if not isinstance(node, ast.Call) or not isinstance(node.func, ast.Attribute):
            continue
        of_re = isinstance(node.func.value, ast.Name) and node.func.value.id == "re"
        if node.func.attr == "match":
            yield node.lineno, "use fullmatch, or search where a part is wanted"
        elif of_re and node.args and _ends_in_dollar(node.args[0]) and "MULTILINE" not in ast.unparse(node):
            yield node.lineno, r"use fullmatch without $, or \Z"


def _ends_in_dollar(pattern: ast.expr) -> bool:
    if isinstance(pattern, ast.JoinedStr):
        pattern = pattern.values[-1]
    text = pattern.value if isinstance(pattern, ast.Constant) else None
    if isinstance(text, bytes):
        text = text.decode("latin-1")
    return isinstance(text, str) and text.endswith("$") and not text.endswith("\\$")


def test_no_pattern_in_the_tree_is_matched_in_part() -> None:
    found = [
        f"{path.relative_to(ROOT)}:{line}: {fault}"
        for path in FILES
        for line, fault in faults(ast.parse(path.read_text("utf-8")))
    ]
    assert found == []


@pytest.mark.parametrize(
    "code",
    [
        're.match("a", text)',
        "PATTERN.match(text)",
        'self._pattern.match(text) or "x"',
        're.compile(r"^a$")',
        're.search(rf"{part}a$", text)',
        're.compile(b"a$")',
        "from re import match",
    ],
)
def test_each_way_to_match_in_part_is_found(code) -> None:
    assert list(faults(ast.parse(code)))


@pytest.mark.parametrize(
    "code", ['re.fullmatch("a", text)', 're.compile("^a$", re.MULTILINE)', r're.compile("a\\$")', "match(text)"]
)
def test_whole_matches_pass(code) -> None:
    assert not list(faults(ast.parse(code)))
