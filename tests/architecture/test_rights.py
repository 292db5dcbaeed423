"""The page of rights names calls that exist and tests that are there."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from services.rpc.services import SERVICERS

ROOT = Path(__file__).parents[2]
ROWS = [
    [cell.strip() for cell in line.strip("|").split("|")]
    for line in (ROOT / "docs/rights.md").read_text("utf-8").splitlines()
    if line.startswith("| ") and not line.startswith("| right")
]
METHODS = {f"{service.name}/{method.name}" for service, _ in SERVICERS for method in service.methods}


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row[0][:50])
def test_each_right_has_a_source_a_call_and_a_test(row: list[str]) -> None:
    right, source, calls, test = row
    assert right
    assert source
    for call in re.findall(r"`(\w+/\w+)`", calls):
        assert call in METHODS
    assert "`" in calls
    path, _, name = test.partition("::")
    assert f"def {name}(" in (ROOT / path).read_text("utf-8")
