"""Fixed-point positions: the log and the live index hold degrees (or planar metres) as integers of 1e-7."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

E7 = 10_000_000

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]


# Degrees or metres beyond which a position saturates: differences of two fixed-point values stay within int64.
FARTHEST = 4e11
NOT_A_NUMBER = "a coordinate is not a number"


def to_e7(value: float) -> int:
    """Return the nearest fixed-point value, about 1 cm at the equator. Raises ValueError for what is not a number."""
    if value != value:
        raise ValueError(NOT_A_NUMBER)
    return round(min(max(value, -FARTHEST), FARTHEST) * E7)


def to_e7_array(values: Floats) -> Ints:
    """Return float64 degrees, shape (n,), as int64 fixed point. Raises ValueError for what is not a number."""
    if np.isnan(values).any():
        raise ValueError(NOT_A_NUMBER)
    return np.rint(np.clip(values, -FARTHEST, FARTHEST) * E7).astype(np.int64)


def from_e7(value: int) -> float:
    return value / E7


def from_e7_array(values: Ints) -> Floats:
    """Shape (n,), int64 fixed point to float64 degrees."""
    return values / E7


def position_keys(latitude: Floats, longitude: Floats) -> Ints:
    """One whole number for each position, any shape: the same where the fixed-point positions are."""
    keys: Ints = (to_e7_array(latitude) << 32) + to_e7_array(longitude)
    return keys
