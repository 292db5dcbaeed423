"""No modules import each other, directly or over others, neither for their code nor for their types."""

from __future__ import annotations

from collections.abc import Mapping

import grimp

ROOMS = ("dispatcher", "geo", "load_tests", "matching", "ratings", "services")


def in_cycles(imports: Mapping[str, set[str]]) -> dict[str, set[str]]:
    """Return the modules that are in a cycle or between two, each with its imports among them."""
    left = {module: imported & imports.keys() for module, imported in imports.items()}
    while True:
        used = set().union(*left.values())
        kept = {module: imported & left.keys() for module, imported in left.items() if imported and module in used}
        if kept == left:
            return left
        left = {module: imported & kept.keys() for module, imported in kept.items()}


def test_modules_that_import_each_other_are_found() -> None:
    imports = {"a": {"b"}, "b": {"c"}, "c": {"a", "d"}, "d": {"e"}, "e": {"numpy"}, "f": {"a"}}
    assert in_cycles(imports) == {"a": {"b"}, "b": {"c"}, "c": {"a"}}
    assert in_cycles({"a": {"b"}, "b": set()}) == {}


def test_no_modules_import_each_other() -> None:
    graph = grimp.build_graph(*ROOMS, exclude_type_checking_imports=False)
    imports = {module: set(graph.find_modules_directly_imported_by(module)) for module in graph.modules}
    assert in_cycles(imports) == {}, "move what these modules share into a module that imports none of them"
