"""What the policy's rules on standing find of a courier: as a change that they may make, and as a sentence."""

from __future__ import annotations

from dispatcher.complete import complete
from dispatcher.market.accounts import Account, cause_of, level_of
from dispatcher.market.state import MarketState
from dispatcher.times import SECOND
from gig.v1 import policy_pb2 as policy_pb
from gig.v1 import rating_service_pb2 as rating_pb
from ratings.standing import Breach, Level, StandingCause, breaches


def found_by_rules(state: MarketState, person_id: str) -> rating_pb.StandingChange | None:
    """The change that the rules call for now, or None. They speak of workers alone, and never beyond a review."""
    account = state.account(person_id)
    if account.level in (Level.UNDER_REVIEW, Level.RESTRICTED, Level.ENDED):
        return None
    found = _breach(state, person_id, account)
    wanted = found.rule.level if found is not None else Level.GOOD
    if wanted == account.level:
        return None
    change = rating_pb.StandingChange(
        person_id=person_id, before=level_of(account.level), after=level_of(wanted), policy_version=state.policy.version
    )
    if found is not None:
        change.rule = found.rule.name
        change.cause = policy_pb.StandingCause.Value(f"STANDING_CAUSE_{found.rule.cause.name}")
        change.value, change.threshold, change.count = found.value, found.rule.threshold, found.count
    else:
        change.reason = "no rule holds any more"
    return change


def _breach(state: MarketState, person_id: str, account: Account) -> Breach | None:
    """The gravest rule that holds; among equals the first."""
    book = state.ratings_of_couriers
    rated = book.rated.get(person_id)
    fresh = (rated.ratings if rated is not None else 0) - account.ratings_judged
    score = book.score(person_id, state.time_us / SECOND, state.score_rules)
    found = breaches(state.standing_rules, score, fresh, account.conduct)
    return max(found, key=lambda breach: breach.rule.level, default=None)


def rule_sentence(change: rating_pb.StandingChange) -> str:
    """The data and the rule that led to a change, as a person reads them."""
    text = _TEXTS[cause_of(change.cause)].format(value=change.value, limit=change.threshold, count=change.count)
    return f"rule {change.rule!r}: {text}"


_TEXTS: dict[StandingCause, str] = complete(
    {
        StandingCause.SCORE_BELOW: "a score of {value:.2f} over {count:.0f} ratings is below {limit:g}",
        StandingCause.RELEASED_SHARE_ABOVE: (
            "{value:.0%} of {count:.1f} accepted jobs were given up before the pickup, more than {limit:.0%}"
        ),
        StandingCause.SAFETY_REPORTS: "{value:.1f} safety reports, {limit:g} or more",
        StandingCause.DECLINED_SHARE_ABOVE: (
            "{value:.0%} of {count:.1f} answered offers were declined, more than {limit:.0%}"
        ),
    },
    StandingCause,
    "sentences about what a rule on standing found",
)
