"""What the measures need of the policy in force."""

from __future__ import annotations

from dataclasses import dataclass, field

from dispatcher.market.accounts import half_life_s
from gig.v1 import policy_pb2 as policy_pb

REVIEW = policy_pb.STANDING_LEVEL_UNDER_REVIEW


@dataclass(slots=True)
class Terms:
    """``floor_per_hour``: minor units, 0 where the policy names none; ``costs``: minor units a kilometre, by vehicle.

    ``thresholds``: scores below which a rule speaks; ``cut``: the one that leads to a review, else the highest of them.
    ``planar``: positions are metres in a plane.
    """

    version: int = 0
    currency: str = ""
    floor_per_hour: int = 0
    costs: dict[int, float] = field(default_factory=dict)
    thresholds: list[float] = field(default_factory=list)
    cut: float | None = None
    prior_weight: float = 0.0
    market_weight: float = 0.0
    half_life_s: float | None = None
    planar: bool = False


def terms_of(policy: policy_pb.Policy) -> Terms:
    floor, ratings = policy.floor, policy.ratings
    score_rules = [rule for rule in policy.standing.rules if rule.cause == policy_pb.STANDING_CAUSE_SCORE_BELOW]
    cuts = [rule.threshold for rule in score_rules if rule.level == REVIEW] or [rule.threshold for rule in score_rules]
    engaged = floor.engaged.per_hour * floor.engaged.share_basis_points // 10_000
    return Terms(
        version=policy.version,
        currency=policy.currency_code,
        floor_per_hour=policy.work.floor_per_hour or floor.per_online_hour or engaged,
        costs={cost.vehicle_type: cost.per_km_thousandths / 1000 for cost in policy.work.costs},
        thresholds=sorted(rule.threshold for rule in score_rules),
        cut=max(cuts, default=None),
        prior_weight=ratings.prior_weight,
        market_weight=ratings.market_weight,
        half_life_s=half_life_s(ratings),
        planar=policy.travel.HasField("planar"),
    )
