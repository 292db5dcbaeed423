"""Ratings that do not count, because their cause lay outside the rated person's control: each with its reason."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum


class Cause(Enum):
    LATE_PREPARATION = "late_preparation"
    LATE_ASSIGNMENT = "late_assignment"
    APP_FAULT = "app_fault"
    SAFETY_REPORT = "safety_report"
    RETALIATION = "retaliation"
    OTHER = "other"


@dataclass(frozen=True, slots=True)
class ExclusionRules:
    """Waits in seconds, None: never. ``tags``: of the rater, each with the cause that it names."""

    preparation_wait_s: float | None
    assignment_wait_s: float | None
    outage_s: float | None
    tags: dict[str, Cause]
    retaliation_stars: int


@dataclass(frozen=True, slots=True)
class Circumstances:
    """Of the job: seconds that the courier waited at the pickup for the goods, that nobody accepted it, that the
    service was away; what the other side gave before, None if nothing."""

    waited_at_pickup_s: float
    waited_for_accept_s: float
    away_s: float
    others_stars: int | None


@dataclass(frozen=True, slots=True)
class Exclusion:
    cause: Cause
    reason: str


def exclusion(
    stars: int, tags: list[str], of_courier: bool, seen: Circumstances, rules: ExclusionRules
) -> Exclusion | None:
    """Why a rating does not count, or None. A safety report comes first: a human must look at it."""
    named = [(tag, rules.tags[tag]) for tag in tags if tag in rules.tags]
    for tag, cause in named:
        if cause is Cause.SAFETY_REPORT:
            return Exclusion(cause, f"tagged {tag!r}: a human looks at it before it counts")
    others = seen.others_stars
    if others is not None and max(stars, others) <= rules.retaliation_stars:
        return Exclusion(Cause.RETALIATION, f"{stars} stars in answer to {others}")
    if stars >= 5:
        return None  # what went wrong did not cost anything
    for tag, cause in named:
        return Exclusion(cause, f"tagged {tag!r}, which is not the worker's doing")
    if rules.outage_s is not None and seen.away_s >= rules.outage_s:
        return Exclusion(Cause.APP_FAULT, f"the service was away for {seen.away_s:.0f} s during the job")
    if not of_courier:
        return None
    if rules.preparation_wait_s is not None and seen.waited_at_pickup_s >= rules.preparation_wait_s:
        wait = f"the courier waited {seen.waited_at_pickup_s:.0f} s at the pickup for the goods"
        return Exclusion(Cause.LATE_PREPARATION, wait)
    if rules.assignment_wait_s is not None and seen.waited_for_accept_s >= rules.assignment_wait_s:
        return Exclusion(Cause.LATE_ASSIGNMENT, f"the job waited {seen.waited_for_accept_s:.0f} s for a courier")
    return None
