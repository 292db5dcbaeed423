"""How long a job is not offered again to a courier who declined it, let its offer time out, or gave it up."""

from __future__ import annotations

from dataclasses import dataclass

from dispatcher.times import LONGEST_US, span
from gig.v1 import policy_pb2 as policy_pb

# Growth over so many times exceeds every longest wait: 1.5 to the power of 64 is above 10^11.
MOST_STEPS = 64


@dataclass(frozen=True, slots=True)
class Exclusion:
    """``until_us``: market time until which the courier is not offered the job; ``times``: how often they declined it,
    let its offer time out, or gave it up."""

    until_us: int
    times: int


def again(offers: policy_pb.OfferPolicy, before: Exclusion | None, now_us: int) -> Exclusion:
    """Return the exclusion after one more time; ``before`` is the one so far, or None."""
    times = 1 if before is None else before.times + 1
    return Exclusion(now_us + wait_us(offers, times), times)


def wait_us(offers: policy_pb.OfferPolicy, times: int) -> int:
    """Return the microseconds to wait after the given number of times, 1 or more.

    Without ``backoff``, as in policies of earlier versions, the wait does not grow.
    """
    first, backoff = span(offers.reoffer_after), offers.backoff
    if times <= 1 or not offers.HasField("backoff"):
        return first
    steps = min(times, MOST_STEPS) - 1
    grown = max(first * backoff.growth**steps, span(backoff.least) * backoff.growth ** (steps - 1))
    return round(min(grown, max(span(backoff.most), first), LONGEST_US))
