"""Text files are read as UTF-8 with or without a byte order mark, which some editors write."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PACKAGES = ("dispatcher", "geo", "load_tests", "matching", "ratings", "services")
MODULES = sorted(path for package in PACKAGES for path in (ROOT / package).rglob("*.py"))


def readings(tree: ast.AST) -> Iterator[tuple[int, str]]:
    """Yield the line and the codec of each call that reads a text file."""
    for node in ast.walk(tree):
        if not isinstance(node, ast.Call) or not isinstance(node.func, ast.Attribute):
            continue
        constants = [argument.value for argument in node.args if isinstance(argument, ast.Constant)]
        keywords = {word.arg: getattr(word.value, "value", None) for word in node.keywords}
        if node.func.attr == "read_text":
            yield node.lineno, str(keywords.get("encoding", constants[0] if constants else ""))
        if node.func.attr == "open" and "encoding" in keywords:
            mode = str(keywords.get("mode", constants[0] if constants else "r"))
            if "r" in mode:
                yield node.lineno, str(keywords["encoding"])


@pytest.mark.parametrize("package", PACKAGES)
def test_every_text_file_is_read_with_or_without_a_byte_order_mark(package: str) -> None:
    wrong = [
        f"{path.relative_to(ROOT)}:{line}: {codec!r}"
        for path in MODULES
        if path.is_relative_to(ROOT / package)
        for line, codec in readings(ast.parse(path.read_text("utf-8")))
        if codec != "utf-8-sig"
    ]
    assert not wrong, "read text files with the codec utf-8-sig"
