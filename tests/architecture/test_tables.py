"""A new event, command, eligibility filter, method or error without its entries stops the import, and is named."""

from __future__ import annotations

import importlib
import importlib.util
import sys
from collections.abc import Callable
from dataclasses import replace
from enum import IntEnum
from pathlib import Path
from typing import Any

import pytest

import matching.problem
from dispatcher import commands, complete, errors, event_kinds
from dispatcher.complete import IncompleteTable
from dispatcher.event_kinds import EVENT_KINDS, Use
from matching.problem import Gate
from services.auth import contract

ROOT = Path(__file__).parents[2]
CHECKING = [
    path.relative_to(ROOT).with_suffix("").as_posix().replace("/", ".")
    for room in ("dispatcher", "services", "load_tests")
    for path in sorted((ROOT / room).rglob("*.py"))
    if "from dispatcher.complete import" in path.read_text("utf-8")
]


@pytest.fixture(scope="module", autouse=True)
def imported() -> None:
    """Import every module that checks a table, so that a test executes the source of one module alone."""
    for name in CHECKING:
        importlib.import_module(name)


def import_again(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Execute the source of a module as its first import does, beside the module that is in use."""
    spec = importlib.util.find_spec(name)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    with monkeypatch.context() as patch:
        patch.setitem(sys.modules, name, module)
        spec.loader.exec_module(module)


class Checks:
    """Stands for a check of tables: lets the ``broken``-th call see a key that the table does not fit."""

    def __init__(self, broken: int | None) -> None:
        self.broken, self.calls, self.unfit = broken, 0, ""

    def wrap(self, check: Callable[..., Any], unfit: Callable[[Any, Any], tuple[Any, Any, str]]) -> Callable[..., Any]:
        def checked(table: Any, keys: Any, what: str, *args: Any, **kwargs: Any) -> Any:
            keys = keys if isinstance(keys, dict) else list(keys)
            if self.calls == self.broken:
                table, keys, self.unfit = unfit(table, keys)
            self.calls += 1
            return check(table, keys, what, *args, **kwargs)

        return checked


def with_new_key(table: Any, keys: Any) -> tuple[Any, Any, str]:
    return table, [*keys, "something_new"], "something_new"


def without_first_key(table: Any, keys: Any) -> tuple[Any, Any, str]:
    gone = next(iter(table))
    return table, [key for key in keys if key != gone], str(gone)


def checks_of(name: str, broken: int | None, monkeypatch: pytest.MonkeyPatch) -> Checks:
    checks = Checks(broken)
    with monkeypatch.context() as patch:
        patch.setattr(complete, "complete", checks.wrap(complete.complete, with_new_key))
        patch.setattr(complete, "known", checks.wrap(complete.known, without_first_key))
        if broken is None:
            import_again(name, patch)
        else:
            with pytest.raises(IncompleteTable) as refused:
                import_again(name, patch)
            assert checks.unfit in str(refused.value)
    return checks


@pytest.mark.parametrize("name", CHECKING)
def test_every_table_that_misses_a_key_stops_the_import_of_its_module(name, monkeypatch) -> None:
    count = checks_of(name, None, monkeypatch).calls
    assert count, "the module checks a table"
    for broken in range(count):
        checks_of(name, broken, monkeypatch)


HANDLED_IN = {
    Use.MEASURES: ("dispatcher.measures.fold",),
    Use.DECISIONS: ("dispatcher.decisions.index", "dispatcher.decisions.explain"),
    Use.TABLES: ("dispatcher.log.projections",),
    Use.ACTIVITY: ("dispatcher.event_subjects",),
    Use.AUDIT: ("dispatcher.log.audit",),
    Use.POSITIONS: ("dispatcher.log.retention",),
    Use.PLAN: ("services.host.applied",),
    Use.STREAM: ("services.host.courier_messages",),
}


@pytest.mark.parametrize("use", Use)
def test_an_event_for_a_part_that_does_not_handle_it_stops_the_import(use, monkeypatch) -> None:
    body = next(body for body, kind in EVENT_KINDS.items() if kind.uses is Use.NONE)
    monkeypatch.setitem(EVENT_KINDS, body, replace(EVENT_KINDS[body], uses=use))
    for name in HANDLED_IN[use]:
        with pytest.raises(IncompleteTable, match=rf"no entry for: {body};"):
            import_again(name, monkeypatch)


def test_a_handler_of_an_event_that_the_contract_does_not_know_stops_the_import(monkeypatch) -> None:
    monkeypatch.delitem(EVENT_KINDS, "policy_set")
    monkeypatch.setattr(event_kinds, "BODIES", [*EVENT_KINDS])
    for name in ("dispatcher.measures.fold", "dispatcher.market.apply.fold", "dispatcher.log.audit"):
        with pytest.raises(IncompleteTable, match="do not exist: policy_set;"):
            import_again(name, monkeypatch)


class New:
    """Stands for a command or an error that no table knows."""


NEW_GATE = IntEnum("Gate", [*((gate.name, gate.value) for gate in Gate), ("MOOD", len(Gate))])


@pytest.mark.parametrize(
    ("source", "attribute", "value", "new", "names"),
    [
        (event_kinds, "BODIES", (*event_kinds.BODIES, "job_danced"), "job_danced", ["dispatcher.market.apply.fold"]),
        (commands, "COMMANDS", (*commands.COMMANDS, New), "New", ["dispatcher.market.market"]),
        (errors, "CONDITIONS", (*errors.CONDITIONS, New), "New", ["services.rpc.errors"]),
        (
            *(matching.problem, "Gate", NEW_GATE, "MOOD"),
            ["dispatcher.market.filter_sentences"],
        ),
        (
            *(contract, "METHODS", {**contract.METHODS, "JobService/Dance": None}, "JobService/Dance"),
            ["services.auth.access"],
        ),
    ],
    ids=["event", "command", "error", "filter", "method"],
)
def test_a_new_name_without_an_entry_stops_the_import(source, attribute, value, new, names, monkeypatch) -> None:
    monkeypatch.setattr(source, attribute, value)
    for name in names:
        with pytest.raises(IncompleteTable, match=new):
            import_again(name, monkeypatch)
