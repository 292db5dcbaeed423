"""A person's account: standing, what rules count, and the policy's rules about both, read once."""

from __future__ import annotations

from dataclasses import dataclass, field

from dispatcher.complete import mirrored
from dispatcher.times import SECOND, span
from gig.v1 import policy_pb2 as policy_pb
from gig.v1 import rating_service_pb2 as rating_pb
from ratings.book import ScoreRules
from ratings.standing import Conduct, Level, StandingCause, StandingRule


@dataclass(frozen=True, slots=True)
class Account:
    """``change``: the last decision about the standing. ``ratings_judged``: how many ratings a human has judged; rules
    ask again only on what came after."""

    level: Level = Level.GOOD
    since_us: int = 0
    change: rating_pb.StandingChange | None = None
    decision_id: str = ""
    contest_by_us: int = 0
    conduct: Conduct = field(default_factory=Conduct)
    ratings_judged: int = 0

    def with_conduct(self, conduct: Conduct) -> Account:
        return Account(
            self.level,
            self.since_us,
            self.change,
            self.decision_id,
            self.contest_by_us,
            conduct,
            self.ratings_judged,
        )

    @property
    def barred(self) -> bool:
        """A human has restricted or ended the account."""
        return self.level in (Level.RESTRICTED, Level.ENDED)


GOOD_ACCOUNT = Account()
mirrored(Level, policy_pb.StandingLevel, "STANDING_LEVEL_")
mirrored(StandingCause, policy_pb.StandingCause, "STANDING_CAUSE_")


def level_of(level: Level) -> policy_pb.StandingLevel:
    """The contract's name of a level."""
    named: policy_pb.StandingLevel = policy_pb.StandingLevel.Value(f"STANDING_LEVEL_{level.name}")
    return named


def cause_of(cause: policy_pb.StandingCause) -> StandingCause:
    return StandingCause[policy_pb.StandingCause.Name(cause).removeprefix("STANDING_CAUSE_")]


def half_life_s(policy: policy_pb.RatingPolicy) -> float | None:
    """Return the seconds after which a rating counts half, or None for no decay.

    Old logs hold half-lives of 0 and below: they count as none.
    """
    half_life_us = span(policy.half_life)
    return half_life_us / SECOND if half_life_us > 0 else None


def score_rules_of(policy: policy_pb.RatingPolicy) -> ScoreRules:
    return ScoreRules(
        half_life_s(policy),
        policy.prior_weight,
        policy.prior_mean,
        policy.market_weight,
        policy.leniency_weight,
        policy.leniency_limit,
    )


def standing_rules_of(policy: policy_pb.StandingPolicy) -> tuple[StandingRule, ...]:
    return tuple(
        StandingRule(row.name, cause_of(row.cause), row.threshold, row.min_count, Level(row.level))
        for row in policy.rules
    )
