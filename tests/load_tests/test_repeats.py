"""Of the requests with one id the first is kept, wherever a source's batches end."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
from hypothesis import given, settings
from hypothesis import strategies as st

from load_tests.traces.repeats import Repeats
from load_tests.traces.schema import Tally

Batch = list[tuple[str | None, bool]]


@settings(max_examples=50)
@given(st.lists(st.lists(st.tuples(st.none() | st.sampled_from("abcde"), st.booleans()), max_size=6), max_size=4))
def test_the_first_row_of_an_id_is_kept_and_the_others_are_counted(batches: list[Batch]) -> None:
    repeats, tally = Repeats(), Tally()
    seen: set[str] = set()
    dropped = 0
    for batch in batches:
        expected = []
        for request_id, is_usable in batch:
            repeated = is_usable and request_id in seen
            if is_usable and request_id is not None:
                seen.add(request_id)
            dropped += repeated
            expected.append(is_usable and not repeated)
        ids = pa.chunked_array([[request_id for request_id, _ in batch]], pa.string())
        usable = np.array([is_usable for _, is_usable in batch], bool)
        assert repeats.without(ids, usable, tally).tolist() == expected
    assert tally.dropped.total() == dropped
