"""The extreme values of a field: the last ones that its rules allow, and the first ones that they do not."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from google.protobuf.message import Message

from dispatcher.market.limits import dropoff_horizon_us, longest_shift_us
from load_tests.contract.fields import FieldPath
from load_tests.contract.patterns import longest, parts_of, shortest
from load_tests.contract.rules import (
    INTEGER_RANGES,
    SECOND_NS,
    TIMESTAMP,
    Range,
    Text,
    choices_of,
    counts_of,
    next_number,
    range_of,
    text_of,
    time_type,
)
from load_tests.fuzz.sound import fuzzed_policy

# What a text must not hold, wherever it stands.
CONTROLS = ("\x00", "\x1b", "\x7f", "\u0085")
WIDE = "\U0001f6b2"
# Longer than any text without a limit should be.
UNBOUNDED_TEXT = 100_000
# Just beyond what nanoseconds may be, on either side.
BAD_NANOS = (10**9, -1)
# Limits of times from the market's time on, under the policy that ordinary people are served by.
_POLICY = fuzzed_policy()
FROM_NOW = {
    "gig.v1.JobSpec.pickup_after": _POLICY.jobs.schedule_horizon.ToNanoseconds(),
    "gig.v1.JobSpec.dropoff_before": dropoff_horizon_us(_POLICY) * 1000,
    "gig.v1.GoOnline.shift_end": longest_shift_us(_POLICY) * 1000,
}
# The market's clock is known about so well.
MARGIN_NS = 1800 * SECOND_NS


@dataclass(frozen=True, slots=True)
class Change:
    """A field and the value that it gets.

    ``inside``: the contract allows the value. ``nanos``: of a time or a span, set beside the seconds that it has.
    ``from_now``: the value is so many nanoseconds after the market's time when the message is sent.
    """

    path: FieldPath
    value: Any
    inside: bool
    nanos: int | None = None
    from_now: bool = False

    def apply(self, message: Message, now_ns: int) -> None:
        """Set the field in place."""
        if self.from_now:
            self.path.set(message, now_ns + self.value)
        elif self.nanos is not None:
            time = getattr(self.path.holder(message), self.path.last.name)
            time.SetInParent()
            time.nanos = self.nanos
        else:
            self.path.set(message, self.value)

    def __str__(self) -> str:
        value = repr(self.value) if self.nanos is None else f"nanos {self.nanos}"
        if self.from_now:
            value = f"now + {self.value / SECOND_NS:g} s"
        return f"{self.path.name} = {value if len(value) <= 60 else f'{value[:40]}… ({len(value)} characters)'}"


def changes_of(path: FieldPath) -> Iterator[Change]:
    """Yield the changes of one field, those inside its bounds first."""
    field = path.last
    if field.is_repeated:
        yield from _lists(path)
        return
    limits, text = range_of(field), text_of(field)
    if limits is not None:
        yield from _times(path, limits) if time_type(field) else _numbers(path, limits)
    elif text is not None:
        yield from (Change(path, value, inside) for value, inside in texts(text))
    elif field.enum_type is not None:
        choices = choices_of(field)
        yield Change(path, choices[-1], True)
        if 0 not in choices:
            yield Change(path, 0, False)
        yield Change(path, max(value.number for value in field.enum_type.values) + 1, False)


def _numbers(path: FieldPath, limits: Range) -> Iterator[Change]:
    yield Change(path, limits.low, True)
    yield Change(path, limits.high, True)
    whole = isinstance(limits.low, int)
    low, high = INTEGER_RANGES.get(path.last.cpp_type, (-float("inf"), float("inf")))
    below, above = next_number(limits.low, -1, int(whole)), next_number(limits.high, 1, int(whole))
    if limits.bounded_below and below >= low:
        yield Change(path, below, False)
    if limits.bounded_above and above <= high:
        yield Change(path, above, False)
    if not whole:
        yield from (Change(path, value, False) for value in (float("nan"), float("inf"), -float("inf")))


def _times(path: FieldPath, limits: Range) -> Iterator[Change]:
    """The ends that the type sets are extremes too; values beyond them are invalid."""
    yield Change(path, limits.low, True)
    yield Change(path, limits.high, True)
    if time_type(path.last) == TIMESTAMP:
        yield Change(path, 0, True, from_now=True)
        yield from _about_the_limit(path)
    yield Change(path, int(limits.low) - 1, False)
    yield Change(path, int(limits.high) + 1, False)
    yield from (Change(path, None, False, nanos) for nanos in BAD_NANOS)


def _about_the_limit(path: FieldPath) -> Iterator[Change]:
    """Times at the limit that the policy sets from the market's time on."""
    limit_ns = FROM_NOW.get(path.last.full_name)
    if limit_ns is not None:
        yield Change(path, limit_ns - MARGIN_NS, True, from_now=True)
        yield Change(path, limit_ns + MARGIN_NS, False, from_now=True)


def texts(limits: Text) -> Iterator[tuple[str, bool]]:
    """Yield (text, whether the limits allow it)."""
    if limits.pattern:
        for found in (shortest(limits.pattern), longest(limits.pattern)):
            if found is not None:
                yield found, True
        parts = parts_of(limits.pattern)
        if parts:
            yield (longest(limits.pattern) or "") + parts[-1].characters[0], False
        yield from ((control, False) for control in CONTROLS)
        return
    most = limits.most or (limits.most_bytes or 4 * UNBOUNDED_TEXT) // 4
    yield WIDE * most, True
    yield "x" * most, True
    if limits.least:
        yield "x" * (limits.least - 1), False
    if limits.most:
        yield WIDE * (most + 1), False
    yield from ((f"{'x' * max(limits.least, 1)}{control}", False) for control in CONTROLS)


def _lists(path: FieldPath) -> Iterator[Change]:
    """One item at its extremes; as many items as may be, and one more."""
    field, (_, most) = path.last, counts_of(path.last)
    text, limits = text_of(field), range_of(field)
    if field.enum_type is not None:
        choices = choices_of(field)
        yield Change(path, [*choices], True)
        yield Change(path, [choices[0], choices[0]], False)
        yield Change(path, [max(choices) + 1], False)
    elif text is not None:
        yield from (Change(path, [value], inside) for value, inside in texts(text))
        if most is not None:
            yield Change(path, [f"item_{path.last.number}_{number}" for number in range(most)], True)
            yield Change(path, [f"item_{number}" for number in range(most + 1)], False)
    elif limits is not None and not time_type(field):
        yield from (Change(path, [change.value], change.inside) for change in _numbers(path, limits))
