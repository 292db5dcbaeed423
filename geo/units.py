"""Fixed-point positions: the log and the live index hold degrees (or planar metres) as integers of 1e-7."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

E7 = 10_000_000

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]


def to_e7(value: float) -> int:
    """Nearest fixed-point value, about 1 cm at the equator."""
    return round(value * E7)


def to_e7_array(values: Floats) -> Ints:
    """Shape (n,), float64 degrees to int64 fixed point."""
    return np.rint(values * E7).astype(np.int64)


def from_e7(value: int) -> float:
    return value / E7


def from_e7_array(values: Ints) -> Floats:
    """Shape (n,), int64 fixed point to float64 degrees."""
    return values / E7


def position_keys(latitude: Floats, longitude: Floats) -> Ints:
    """One whole number for each position, any shape: the same where the fixed-point positions are."""
    keys: Ints = (to_e7_array(latitude) << 32) + to_e7_array(longitude)
    return keys
