"""The page of bounds says what the contract says."""

from __future__ import annotations

from pathlib import Path

from services.rpc import bounds

PAGE = Path(__file__).parents[2] / "docs/bounds.md"


def test_the_page_of_bounds_is_that_of_the_contract() -> None:
    assert PAGE.read_text("utf-8") == bounds.markdown(), "write it: python -m services.rpc.bounds > docs/bounds.md"


def test_every_field_has_its_bound_in_words() -> None:
    assert [field for field, words in bounds.bounds().items() if not words] == []
