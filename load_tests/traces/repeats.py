"""Request ids that a source gives to several rows: the first row keeps it, the others are dropped and counted."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from load_tests.traces.schema import Tally

Keys = npt.NDArray[np.uint64]


class Repeats:
    """The ids of the batches so far, by a hash of 64 bits each.

    Those of the first batch are hashed when there is a second one: most traces are one batch.
    """

    def __init__(self) -> None:
        self._seen: Keys | None = None
        self._first: pa.ChunkedArray | None = None

    def without(self, ids: pa.ChunkedArray, keep: npt.NDArray[np.bool_], tally: Tally) -> npt.NDArray[np.bool_]:
        """Return which rows of ``keep`` remain, shape (n,): those whose id is null or was on no kept row before."""
        rows = np.flatnonzero(keep & ids.is_valid().to_numpy(zero_copy_only=False))
        taken = ids.take(pa.array(rows))
        again = np.ones(rows.size, bool)
        codes = taken.combine_chunks().dictionary_encode().indices.to_numpy()
        again[np.unique(codes, return_index=True)[1]] = False
        again |= self._seen_before(taken)
        tally.drop("request_id is that of an earlier row", int(again.sum()))
        left = keep.copy()
        left[rows[again]] = False
        return left

    def _seen_before(self, ids: pa.ChunkedArray) -> npt.NDArray[np.bool_]:
        """Return which of the ids were in an earlier batch, shape (n,), and keep them for later batches."""
        if self._first is None:
            self._first = ids
            return np.zeros(len(ids), bool)
        seen = _keys(self._first) if self._seen is None else self._seen
        keys = _keys(ids)
        self._seen = np.union1d(seen, keys)
        return np.isin(keys, seen)


def _keys(ids: pa.ChunkedArray) -> Keys:
    import polars as pl

    return pl.Series(ids).hash().to_numpy()
