"""Find the items that make an operation fail, so that it can serve all others.

The search knows nothing about items or clocks: it yields the items of the next attempt and receives the exception of
that attempt, or None where it succeeded. The caller decides how to make an attempt and how long the search may take.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Generator, Hashable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import islice
from typing import Generic, TypeVar

T = TypeVar("T", bound=Hashable)

# Pairs that are tried in order to find one that works.
MOST_SEEDS = 32


@dataclass(slots=True)
class Isolated(Generic[T]):
    """``kept``: items that an attempt served together. ``failed``: items that fail beside the kept ones, each with its
    exception. ``undecided``: items that the search had no time for."""

    kept: list[T] = field(default_factory=list)
    failed: dict[T, Exception] = field(default_factory=dict)
    undecided: list[T] = field(default_factory=list)


Search = Generator[tuple[T, ...], Exception | None, Isolated[T]]


def always() -> bool:
    return True


def isolating(
    items: Sequence[T],
    suspects: Collection[T] = (),
    base: Sequence[T] = (),
    in_time: Callable[[], bool] = always,
) -> Search[T]:
    """Search by halves, accumulating: each group is attempted together with all that is kept already.

    Combinations that fail are found like single items: the last one of the combination is left out. With f failing
    items among n the search takes O(f log n) attempts. ``suspects``, items that failed before, are attempted after the
    others. ``base``: items that are known to work together. The search ends early when ``in_time`` returns False.
    """
    found: Isolated[T] = Isolated(list(base))
    suspected = set(suspects)
    for group in (
        [item for item in items if item not in suspected],
        [item for item in items if item in suspected],
    ):
        yield from _serve(found, group, None, in_time)
    return found


def _serve(
    found: Isolated[T], group: list[T], fault: Exception | None, in_time: Callable[[], bool]
) -> Generator[tuple[T, ...], Exception | None, None]:
    """Keep as many of the group as can be served; ``fault``: how kept items and group are known to fail together."""
    if not group:
        return
    if fault is None:
        if not in_time():
            found.undecided += group
            return
        fault = yield (*found.kept, *group)
        if fault is None:
            found.kept += group
            return
    if len(group) == 1:
        found.failed[group[0]] = fault
        return
    left, right = group[: len(group) // 2], group[len(group) // 2 :]
    kept_before = len(found.kept)
    yield from _serve(found, left, None, in_time)
    left_is_kept = len(found.kept) == kept_before + len(left)
    # With the whole left half kept, the right half is exactly what has just failed.
    yield from _serve(found, right, fault if left_is_kept else None, in_time)


def isolating_pairs(
    ones: Sequence[T], others: Sequence[T], suspects: Collection[T] = (), in_time: Callable[[], bool] = always
) -> Search[T]:
    """Search among two kinds of items of which the operation needs both, such as jobs and couriers.

    An item of one kind may fail only beside items of the other kind. The search therefore begins with a pair that
    works: each item that fails with all partners then fails beside this pair.
    """
    suspected = set(suspects)
    base: tuple[T, ...] = ()
    for pair in islice(
        _pairs([o for o in ones if o not in suspected], [o for o in others if o not in suspected]), MOST_SEEDS
    ):
        if not in_time():
            break
        if (yield pair) is None:
            base = pair
            break
    # Without such a pair, the larger side comes first: fewer items are left out.
    first, second = (ones, others) if len(ones) >= len(others) else (others, ones)
    rest = [item for item in (*first, *second) if item not in base]
    found = yield from isolating(rest, suspects, base, in_time)
    if base and len(found.failed) > 1:
        sides = frozenset(ones), frozenset(others)
        replaceable = [item for item in base if any(item in side and len(side & {*found.kept}) > 1 for side in sides)]
        yield from _exchange(found, replaceable, in_time)
    return found


def _pairs(ones: Sequence[T], others: Sequence[T]) -> Iterator[tuple[T, ...]]:
    if not ones or not others:
        return
    for shift in range(len(others)):
        for place, one in enumerate(ones):
            yield one, others[(place + shift) % len(others)]


def _exchange(
    found: Isolated[T], base: Sequence[T], in_time: Callable[[], bool]
) -> Generator[tuple[T, ...], Exception | None, None]:
    """Leave out one of the first pair instead of all that failed, where that serves more.

    ``base``: those of the pair that are not the last of their kind.
    """
    for item in base:
        trial = (*(kept for kept in found.kept if kept != item), *found.failed)
        if in_time() and (yield trial) is None:
            fault = next(iter(found.failed.values()))
            found.kept, found.failed = list(trial), {item: fault}
            return
