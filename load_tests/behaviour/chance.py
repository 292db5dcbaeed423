"""Chance as common random numbers: each draw is a function of the seed, of what it is for, and of who it is about.

Two replays with the same seed under different policies so share every draw that is about the same thing: how patient a
client is, whether a courier would take a job that pays so much. What then differs between them is due to the policies
(Law, Simulation Modeling and Analysis, 5th ed., 2015, chapter 11.2).
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from enum import IntEnum

import numpy as np

from geo.units import Floats, Ints

MASK = (1 << 64) - 1
# 2^-53: 53 random bits as a number from 0 on, below 1.
UNIT = 2.0**-53


class About(IntEnum):
    """What a draw is for. The numbers are part of what makes a replay repeatable: never renumber."""

    SAMPLE = 1
    PATIENCE = 2
    ACCEPTANCE = 3
    ANSWER_DELAY = 4
    SILENCE = 5
    REPOSITIONING = 6
    OUTSIDE_WORK = 7
    OUTSIDE_TIME = 8
    SHIFT = 9
    HOME = 10
    BOARDING = 11
    MULTI_HOMES = 12
    RATING = 13


def draw(seed: int, about: About, *keys: int) -> float:
    """Uniform from 0 on, below 1: a hash of the arguments (finaliser of SplitMix64, Steele, Lea and Flood 2014)."""
    state = _mixed(seed * 0x9E3779B97F4A7C15 + about)
    for key in keys:
        state = _mixed(state + 0x9E3779B97F4A7C15 * (key + 1))
    return (state >> 11) * UNIT


def draws(seed: int, about: About, keys: Ints) -> Floats:
    """The same as ``draw`` for each of the keys, shape (n,)."""
    start = np.uint64(_mixed(seed * 0x9E3779B97F4A7C15 + about))
    with np.errstate(over="ignore"):
        state = start + np.uint64(0x9E3779B97F4A7C15) * (keys.view(np.uint64) + np.uint64(1))
        state = (state ^ (state >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        state = (state ^ (state >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
        state ^= state >> np.uint64(31)
    found: Floats = (state >> np.uint64(11)).astype(np.float64) * UNIT
    return found


def normal_quantiles(shares: Floats | float) -> Floats:
    """Return the values of a standard normal variable below which it lies with these probabilities, of any shape.

    Probabilities of 0 and 1 count as 1e-12 away from them.
    """
    from scipy.special import ndtri

    found: Floats = np.asarray(ndtri(np.clip(shares, 1e-12, 1 - 1e-12)))
    return found


def key_of(name: str) -> int:
    """A number for a name, the same in every process."""
    return int.from_bytes(hashlib.blake2b(name.encode(), digest_size=8).digest(), "big")


def shares_of(names: Sequence[str], seed: int) -> Floats:
    """For each name a number from 0 on, below 1, that depends on nothing but it and the seed."""
    keys = np.array([key_of(name) for name in names], np.uint64)
    return draws(seed, About.SAMPLE, keys.view(np.int64))


def _mixed(state: int) -> int:
    state &= MASK
    state = ((state ^ (state >> 30)) * 0xBF58476D1CE4E5B9) & MASK
    state = ((state ^ (state >> 27)) * 0x94D049BB133111EB) & MASK
    return state ^ (state >> 31)
