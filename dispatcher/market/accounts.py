"""A person's account: standing, and what rules count."""

from __future__ import annotations

from dataclasses import dataclass, field

from gig.v1 import policy_pb2 as policy_pb
from gig.v1 import rating_service_pb2 as rating_pb
from ratings.standing import Conduct, Level


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

    @property
    def barred(self) -> bool:
        """A human has restricted or ended the account."""
        return self.level in (Level.RESTRICTED, Level.ENDED)


GOOD_ACCOUNT = Account()


def level_of(level: Level) -> policy_pb.StandingLevel:
    """The contract's name of a level."""
    named: policy_pb.StandingLevel = policy_pb.StandingLevel.Value(f"STANDING_LEVEL_{level.name}")
    return named
