"""What a policy's rules make of an account: note it for watching, or ask a human. No rule can do more."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import Enum, IntEnum


class Level(IntEnum):
    GOOD = 1
    WATCH = 2
    UNDER_REVIEW = 3
    # By a named human only.
    RESTRICTED = 4
    ENDED = 5


# The most that a rule may do.
RULE_LIMIT = Level.UNDER_REVIEW


class StandingCause(Enum):
    SCORE_BELOW = "score_below"
    RELEASED_SHARE_ABOVE = "released_share_above"
    SAFETY_REPORTS = "safety_reports"
    DECLINED_SHARE_ABOVE = "declined_share_above"


@dataclass(frozen=True, slots=True)
class StandingRule:
    name: str
    cause: StandingCause
    threshold: float
    min_count: int
    level: Level

    def __post_init__(self) -> None:
        if self.level not in (Level.WATCH, Level.UNDER_REVIEW):
            raise ValueError(f"a rule cannot set the level {self.level.name}: only a human may")


@dataclass(frozen=True, slots=True)
class Conduct:
    """Counts of what somebody did, each decayed to ``as_of_s`` with the half-life of ratings."""

    accepted: float = 0.0
    released: float = 0.0
    declined: float = 0.0
    answered: float = 0.0
    safety_reports: float = 0.0
    as_of_s: float = 0.0

    def with_one_more(self, at_s: float, half_life_s: float | None, **counts: float) -> Conduct:
        kept = 1.0 if half_life_s is None else 0.5 ** ((at_s - self.as_of_s) / half_life_s)
        more = counts.get
        return Conduct(
            self.accepted * kept + more("accepted", 0.0),
            self.released * kept + more("released", 0.0),
            self.declined * kept + more("declined", 0.0),
            self.answered * kept + more("answered", 0.0),
            self.safety_reports * kept + more("safety_reports", 0.0),
            at_s,
        )


@dataclass(frozen=True, slots=True)
class Breach:
    """A rule that holds against somebody: what it compared, and over how many ratings, jobs or offers."""

    rule: StandingRule
    value: float
    count: float


def breaches(rules: Iterable[StandingRule], score: float, ratings: int, conduct: Conduct) -> list[Breach]:
    """Every rule that holds, in the order of the policy."""
    found = []
    for rule in rules:
        value, count = _measured(rule.cause, score, ratings, conduct)
        below = rule.cause is StandingCause.SCORE_BELOW
        broken = value < rule.threshold if below else value > rule.threshold
        if rule.cause is StandingCause.SAFETY_REPORTS:
            broken = value >= rule.threshold
        if broken and count >= rule.min_count and count > 0:
            found.append(Breach(rule, value, count))
    return found


def _measured(cause: StandingCause, score: float, ratings: int, conduct: Conduct) -> tuple[float, float]:
    """(value, how many it is made of)."""
    if cause is StandingCause.SCORE_BELOW:
        return score, float(ratings)
    if cause is StandingCause.SAFETY_REPORTS:
        return conduct.safety_reports, conduct.safety_reports
    if cause is StandingCause.RELEASED_SHARE_ABOVE:
        part, whole = conduct.released, conduct.accepted
    else:
        part, whole = conduct.declined, conduct.answered
    return (part / whole if whole else 0.0), whole
