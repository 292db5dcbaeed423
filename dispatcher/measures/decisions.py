"""Decisions about people: by kind, by who decided, under which policy; and whether each says why."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field

from gig.v1 import events_pb2 as events_pb
from gig.v1 import job_pb2 as job_pb
from gig.v1 import offer_pb2 as offer_pb
from gig.v1 import rating_service_pb2 as rating_pb

KINDS = ("offer", "price", "surge", "score", "standing", "exclusion", "contest", "flag")
DECIDERS = ("rule", "solver", "human")
# Policies that are told apart; what older ones decided is one row.
POLICIES_KEPT = 4
OLDER = "older"


def offer_has_reason(offer: offer_pb.Offer) -> bool:
    reason = offer.reason
    # Terms that are nothing are left out: a courier at the door costs nothing.
    costs = bool(reason.terms) or reason.cost == 0
    return bool(offer.policy_version and offer.round_sequence and reason.couriers_considered and costs)


def price_has_reason(job: job_pb.Job) -> bool:
    return bool(job.policy_version and job.fare.lines and job.pay.lines)


def surge_has_reason(body: events_pb.SurgeUpdated) -> bool:
    return bool(body.policy_version) and (
        len(body.cell_deltas) == len(body.demand) == len(body.supply) == len(body.multiplier_percent)
    )


def rating_has_reason(rating: rating_pb.Rating) -> bool:
    """A score names its rating and what came of it; an exclusion its cause too."""
    counted = bool(rating.counted_stars) and bool(rating.score_after)
    return bool(rating.decision_id) and (bool(rating.excluded_because) if rating.cause else counted)


def standing_has_reason(change: rating_pb.StandingChange) -> bool:
    return bool(change.policy_version) and bool(change.reason or (change.rule and change.cause))


@dataclass(slots=True)
class Decisions:
    """``by_policy``: policy's version -> "kind/decider" -> count. ``explained``: those that say why, by kind."""

    by_policy: dict[str, Counter[str]] = field(default_factory=dict)
    explained: Counter[str] = field(default_factory=Counter)
    current: Counter[str] = field(default_factory=Counter)

    def begin_policy(self, version: int) -> None:
        self.current = self.by_policy[str(version)] = Counter()
        kept = [name for name in self.by_policy if name != OLDER]
        if len(kept) > POLICIES_KEPT:
            self.by_policy[OLDER] = self.by_policy.get(OLDER, Counter()) + self.by_policy.pop(kept[0])

    def note(self, kind: str, decider: str, explained: bool) -> None:
        self.current[f"{kind}/{decider}"] += 1
        self.explained[kind] += explained

    def totals(self) -> Counter[str]:
        """ "kind/decider" -> count, under all policies."""
        return sum(self.by_policy.values(), Counter())

    def of_kind(self) -> Counter[str]:
        found: Counter[str] = Counter()
        for name, count in self.totals().items():
            found[name.partition("/")[0]] += count
        return found

    def automation_rates(self) -> dict[str, float]:
        """For each kind of decision the share that no human took part in: (by rule + by solver) / all of the kind.

        After Casilli's question of how much of an automated service is (En attendant les robots, 2019).
        """
        totals = self.totals()
        return {kind: 1 - totals[f"{kind}/human"] / count for kind, count in sorted(self.of_kind().items()) if count}

    def coverage(self) -> float | None:
        """Decisions that say why / all decisions."""
        made = self.totals().total()
        return self.explained.total() / made if made else None

    def relink(self) -> None:
        """After a restore: the present policy's counts are those that grow."""
        versions = [name for name in self.by_policy if name != OLDER]
        self.current = self.by_policy[versions[-1]] if versions else Counter()
