"""Ratings: who gives how many stars, which do not count, what correcting raters does, who is near a threshold."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from math import ceil, log2

from dispatcher.measures.records import CourierRecord
from dispatcher.measures.terms import Terms
from dispatcher.times import SECOND
from gig.v1 import job_pb2 as job_pb
from gig.v1 import policy_pb2 as policy_pb
from gig.v1 import rating_service_pb2 as rating_pb

CAUSES = {
    number: name.removeprefix("EXCLUSION_CAUSE_").lower() for name, number in policy_pb.ExclusionCause.items() if number
}
CLIENT = job_pb.ACTOR_CLIENT
BY_RATINGS = (policy_pb.STANDING_CAUSE_SCORE_BELOW, policy_pb.STANDING_CAUSE_SAFETY_REPORTS)
STARS = range(1, 6)
# How near to a threshold counts as pressure.
NEAR_STARS = 0.1


@dataclass(slots=True)
class Opinions:
    """``given``: "client/5": five stars from a client. ``excluded``: by cause. ``leniency``: count, sum and sum of
    squares of the raters' leniencies, of ratings that count. ``with_consequence``: ratings of a side that a rule on
    standing answered. ``corrections``: stars that clients' ratings were corrected by in sum, and how many count."""

    given: Counter[str] = field(default_factory=Counter)
    excluded: Counter[str] = field(default_factory=Counter)
    leniency: list[float] = field(default_factory=lambda: [0.0, 0.0, 0.0])
    with_consequence: Counter[str] = field(default_factory=Counter)
    corrections: list[float] = field(default_factory=lambda: [0.0, 0.0])

    def rate(self, rating: rating_pb.Rating, rated: CourierRecord | None, terms: Terms, now_us: int) -> None:
        by_client = rating.rater == CLIENT
        self.given[f"{'client' if by_client else 'courier'}/{rating.stars}"] += 1
        if rating.cause:
            self.excluded[CAUSES[rating.cause]] += 1
            return
        lenient, by = self.leniency, rating.leniency
        lenient[0] += 1
        lenient[1] += by
        lenient[2] += by * by
        if by_client:
            correction = rating.counted_stars - rating.stars
            self.corrections[0] += correction
            self.corrections[1] += 1
            if rated is not None:
                kept = decay(rated, terms, now_us)
                rated.weight = rated.weight * kept + 1
                rated.corrected = rated.corrected * kept + correction
                rated.ratings += 1
                rated.rated_us = now_us
                rated.score = rating.score_after

    def revise(self, rating: rating_pb.Rating, rated: CourierRecord | None, terms: Terms, now_us: int) -> None:
        """By a human: it counts no more, or after all."""
        sign = -1 if rating.cause else 1
        if rating.cause:
            self.excluded[CAUSES[rating.cause]] += 1
        if rating.rater != CLIENT:
            return
        correction = sign * (rating.counted_stars - rating.stars)
        self.corrections[0] += correction
        self.corrections[1] += sign
        if rated is not None:
            kept = decay(rated, terms, now_us)
            since = (now_us - rating.rate_time.seconds * SECOND) / SECOND
            aged = 1.0 if terms.half_life_s is None else 0.5 ** (since / terms.half_life_s)
            rated.weight = max(rated.weight * kept + sign * aged, 0.0)
            rated.corrected = rated.corrected * kept + correction * aged
            rated.ratings += sign
            rated.rated_us = now_us
            rated.score = rating.score_after

    def stars(self, side: str) -> list[int]:
        """Ratings by the side, of one star to five."""
        return [self.given[f"{side}/{stars}"] for stars in STARS]

    def leniency_sd(self) -> float | None:
        """Standard deviation over ratings of their raters' leniency, in stars."""
        count, total, squares = self.leniency
        return max(squares / count - (total / count) ** 2, 0.0) ** 0.5 if count else None

    def correction_of(self, courier: CourierRecord, terms: Terms, now_us: int) -> float:
        """By how much the raters' leniency, taken out, has moved a courier's score, in stars.

        With k the prior's weight and m the market's mean: (k (m - m') + sum of w (c - stars)) / (k + sum of w).
        """
        weight = courier.weight * decay(courier, terms, now_us)
        corrected = courier.corrected * decay(courier, terms, now_us)
        total, count = self.corrections
        mean = total / (terms.market_weight + count) if terms.market_weight + count else 0.0
        whole = terms.prior_weight + weight
        return (terms.prior_weight * mean + corrected) / whole if whole else 0.0


def decay(courier: CourierRecord, terms: Terms, now_us: int) -> float:
    """What a rating of the courier's last rating's time weighs now."""
    if terms.half_life_s is None or not courier.rated_us:
        return 1.0
    return float(0.5 ** ((now_us - courier.rated_us) / SECOND / terms.half_life_s))


def one_stars_to_cut(courier: CourierRecord, terms: Terms, now_us: int) -> int:
    """Further ratings of one star that would take the score below the cut; 0 where it is there already."""
    assert terms.cut is not None, "the caller has looked"
    if terms.cut <= 1 or courier.score < terms.cut:
        return 0
    whole = terms.prior_weight + courier.weight * decay(courier, terms, now_us)
    # The score then is (score * whole + n) / (whole + n): below the cut for every n above this.
    limit = (courier.score - terms.cut) * whole / (terms.cut - 1)
    return max(ceil(limit), 1) if ceil(limit) != limit else int(limit) + 1


def entropy_bits(counts: list[int]) -> float | None:
    """Shannon entropy of a distribution given as counts; at most log2(5) = 2.32 for stars."""
    total = sum(counts)
    return -sum(count / total * log2(count / total) for count in counts if count) if total else None
