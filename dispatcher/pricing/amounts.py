"""Bounds of amounts of money, so that no sum leaves int64: each amount of a job is capped, sums of them saturate."""

from __future__ import annotations

# The most that the fare or the pay of a job, one line for waiting, one top-up or the tips of a job may be, minor units.
MOST = 10**12
# Where sums saturate: beyond what three million amounts of MOST come to.
LARGEST_SUM = 2**62


def capped(amount: int, rule: str) -> tuple[int, str]:
    """Return an amount of at most MOST, and the rule that it follows, which says so where it is capped."""
    return (amount, rule) if amount <= MOST else (MOST, f"{rule}, at most {MOST}")


def saturated(amount: int) -> int:
    """Return a sum within LARGEST_SUM either way."""
    return min(max(amount, -LARGEST_SUM), LARGEST_SUM)
