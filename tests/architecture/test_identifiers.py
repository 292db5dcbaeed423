"""No identifier is built by joining others with a sign that ids may hold, and none is taken apart."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PACKAGES = ("dispatcher", "services", "load_tests", "matching", "geo", "ratings")
TAKES_APART = frozenset(
    {"split", "rsplit", "partition", "rpartition", "startswith", "endswith", "removeprefix", "removesuffix"}
)
EARLIER = "reads what earlier versions wrote"
APP = "a request_id, which an app chooses for its own calls and nobody takes apart"
# (file, expression) -> why this one is sound.
ALLOWED = {
    ("dispatcher/ids.py", "f'{market_id}-{base64.b32encode(token).decode().lower()}'"): "a token holds no hyphen",
    ("dispatcher/market/requests.py", "':'.join((request.caller_id, *request.name))"): EARLIER,
    ("dispatcher/decisions/index.py", "f'price:{priced.job_id}'"): EARLIER,
    ("dispatcher/decisions/index.py", "f'surge:{priced.job_id}'"): EARLIER,
    ("dispatcher/decisions/index.py", "f'not-offered:{offer.offer_id}'"): EARLIER,
    ("dispatcher/measures/review_work.py", "review.decision_id.partition(':')"): EARLIER,
    ("dispatcher/deciders.py", "_SEPARATOR.join(record.decided_by_ids)"): "a text for people to read",
    ("dispatcher/log/backup.py", "f'.{market_id}.unfinished.gz'"): "one market's file name, which nobody takes apart",
    (
        "dispatcher/log/backup.py",
        "f'{market_id}-{after + 1:012d}-{last:012d}.log.gz'",
    ): "a file name whose ends have fixed widths",
    (
        "dispatcher/market/rounds.py",
        "', '.join((round_.job_ids[job] for job in assignment.candidates.members(edge)))",
    ): "part of a sentence",
    (
        "load_tests/experiments/counterfactual_command.py",
        "', '.join((f\"{row['courier_id']} {row['difference_minor'] / unit:+.2f}\" for row in rows))",
    ): "part of a sentence",
    ("load_tests/fuzz/steward.py", "f'{request_id}-zones'"): APP,
    ("load_tests/live/opinions.py", "f'{reviewer_id}-{self._clock.micros(self._clock.seconds())}-{count}'"): APP,
    ("load_tests/live/opinions.py", "f'rate-{side}-{job_id}'"): APP,
    ("load_tests/live/opinions.py", "f'contest-{decision_id}'"): APP,
    ("load_tests/live/opinions.py", "f'contest-{decision.decision_id}'"): APP,
    ("load_tests/live/opinions.py", "f'tip-{job_id}'"): APP,
    ("load_tests/load/runner.py", "f'{roster.courier_ids[row]}.{row}'"): APP,
}
# Files whose whole purpose is to read and rewrite what earlier versions wrote.
ALLOWED_FILES = frozenset({"dispatcher/log/erasure.py", "dispatcher/redaction.py"})


def holds_id(node: ast.AST) -> bool:
    """Whether a part of the expression is named as an identifier is."""
    for part in ast.walk(node):
        match part:
            case ast.Attribute(attr=name) | ast.Name(id=name) | ast.Subscript(slice=ast.Constant(value=str(name))):
                if name.endswith(("_id", "_ids", "principal")):
                    return True
    return False


def joins(tree: ast.AST) -> Iterator[ast.expr]:
    """Expressions without a space that join identifiers to other text, and those that take identifiers apart."""
    for node in ast.walk(tree):
        match node:
            case ast.JoinedStr(values=values):
                text = "".join(str(part.value) for part in values if isinstance(part, ast.Constant))
                named = any(isinstance(part, ast.FormattedValue) and holds_id(part.value) for part in values)
                if named and len(values) > 1 and not any(sign.isspace() for sign in text):
                    yield node
            case ast.Call(func=ast.Attribute(attr="join"), args=[joined]) if holds_id(joined):
                yield node
            case ast.Call(func=ast.Attribute(attr=name, value=value)) if name in TAKES_APART and holds_id(value):
                yield node
            case ast.BinOp(op=ast.Add() | ast.Mod(), left=left, right=right):
                texts = [side for side in (left, right) if _is_text(side)]
                if texts and (holds_id(left) or holds_id(right)):
                    yield node


def _is_text(node: ast.expr) -> bool:
    return isinstance(node, ast.JoinedStr) or (isinstance(node, ast.Constant) and isinstance(node.value, str))


def found_in_tree() -> set[tuple[str, str]]:
    return {
        (str(path.relative_to(ROOT)), ast.unparse(node))
        for package in PACKAGES
        for path in sorted((ROOT / package).rglob("*.py"))
        if str(path.relative_to(ROOT)) not in ALLOWED_FILES
        for node in joins(ast.parse(path.read_text("utf-8")))
    }


def test_identifiers_are_joined_nowhere_but_where_a_reason_stands() -> None:
    found = found_in_tree()
    assert not found - set(ALLOWED), "use a tuple, fields of a message, or dispatcher.ids.pack"
    assert not set(ALLOWED) - found, "take this out of the list"


@pytest.mark.parametrize(
    "code",
    [
        "f'{job_id}/{side}'",
        "f'{call.actor_id}:{request_id}'",
        "f'review:{row[\"review_id\"]}'",
        "', '.join(names_ids)",
        "job_id + '/' + side",
        "'%s:%s' % (client_id, number)",
        "decision_id.startswith('not-offered:')",
        "event.request.caller_id.split(':')",
    ],
)
def test_a_join_of_identifiers_is_found(code: str) -> None:
    assert list(joins(ast.parse(code)))


@pytest.mark.parametrize("code", ["(job_id, side)", "f'there is no job {job_id}'", "pack((role, person_id))"])
def test_fields_and_sentences_are_no_joins(code: str) -> None:
    assert not list(joins(ast.parse(code)))
