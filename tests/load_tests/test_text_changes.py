"""Changed documents: each is a document, and depends on its seed alone."""

from __future__ import annotations

import json

import numpy as np

from load_tests.fuzz.text_changes import ODD_VALUES, members_changed

DOCUMENT = json.dumps({"a": [1, 2.5, "text"], "b": {"c": None}}).encode()


def test_a_changed_document_is_a_document_that_depends_on_its_seed_alone() -> None:
    def changed() -> list[bytes]:
        rng = np.random.default_rng(7)
        return [members_changed(rng, DOCUMENT) for _ in range(3_000)]

    first = changed()
    for document in first:
        json.loads(document)
    assert changed() == first


def test_odd_values_stay_as_they_are_however_many_documents_hold_them() -> None:
    """A list that was put into one document must not reach the next with what was put into it there."""
    before = json.dumps(ODD_VALUES)
    for seed in range(300):
        members_changed(np.random.default_rng(seed), b'{"a": [[], {"b": 1}], "c": {}}')
    assert json.dumps(ODD_VALUES) == before
