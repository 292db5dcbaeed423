"""Request ids that a source gives to several rows: the first row keeps it, the others are dropped and counted."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow as pa

from load_tests.traces.schema import Tally


class Repeats:
    """The ids of the batches so far, by a hash of 64 bits each."""

    def __init__(self) -> None:
        self._seen: npt.NDArray[np.uint64] = np.zeros(0, np.uint64)

    def without(self, ids: pa.ChunkedArray, keep: npt.NDArray[np.bool_], tally: Tally) -> npt.NDArray[np.bool_]:
        """Return which rows of ``keep`` remain, shape (n,): those whose id is null or was on no kept row before."""
        rows = np.flatnonzero(keep & ids.is_valid().to_numpy(zero_copy_only=False))
        keys = pd.util.hash_array(ids.take(pa.array(rows)).to_numpy(zero_copy_only=False).astype(object))
        series = pd.Series(keys)
        again = series.duplicated().to_numpy() | np.isin(keys, self._seen)
        tally.drop("request_id is that of an earlier row", int(again.sum()))
        self._seen = np.union1d(self._seen, keys)
        left = keep.copy()
        left[rows[again]] = False
        return left
