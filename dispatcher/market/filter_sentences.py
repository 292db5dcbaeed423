"""Sentences about eligibility filters, one entry for each filter of matching.

Each filter is explained in three places: why a job waits (``ExplainWait``), why a courier got no offer
(``ExplainNoOffer``), and what a proposed plan breaks (``CheckPlan``).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from dispatcher.complete import complete
from matching.plan_check import Constraint
from matching.problem import Gate


@dataclass(frozen=True, slots=True)
class FilterSentences:
    """``wait`` continues a sentence that begins with the number of couriers whom the filter removes. ``no_offer``
    continues "You were not compared:". ``plan``: the constraints of a plan that check the filter, each with a sentence
    that may hold ``amount``; empty where no plan can break it."""

    wait: str
    no_offer: str
    plan: Mapping[Constraint, str] = field(default_factory=dict)


_EXCLUDED = {
    Constraint.EXCLUDED: "client and courier are kept apart, or the courier has declined the job a short while ago"
}
FILTERS: dict[Gate, FilterSentences] = complete(
    {
        Gate.VEHICLE: FilterSentences(
            "drive another vehicle than the job asks for",
            "the job asks for another vehicle than yours",
            {Constraint.VEHICLE: "the courier's vehicle is not one that the job asks for"},
        ),
        Gate.ZONE: FilterSentences(
            "may not enter a zone with their vehicle",
            "a zone's rule keeps your vehicle out",
            {Constraint.ZONE: "a zone keeps the courier's vehicle out"},
        ),
        Gate.CAPACITY: FilterSentences(
            "have too little room",
            "your vehicle had too little room",
            {
                Constraint.CAPACITY_PERSONS: "{amount:g} persons more than there is room for",
                Constraint.CAPACITY_PARCELS: "{amount:g} parcels more than there is room for",
                Constraint.CAPACITY_WEIGHT_G: "{amount:g} grams more than can be carried",
            },
        ),
        Gate.SKILLS: FilterSentences(
            "lack a skill that the job asks for",
            "the job asks for a skill that your profile lacks",
            {Constraint.SKILLS: "the courier lacks {amount:g} of the skills asked for"},
        ),
        Gate.QUEUE: FilterSentences(
            "are behind others in the line of the pickup's zone, or not in it",
            "others were before you in the queue of the pickup's zone",
        ),
        Gate.REACH: FilterSentences(
            "are further away than the market sends anyone",
            "the pickup was further away than the market sends anyone",
            {Constraint.REACH: "the pickup is {amount:.0f} s further than the market's reach"},
        ),
        Gate.BLOCKED: FilterSentences(
            "are kept apart from the client",
            "you and the client are kept apart",
            _EXCLUDED,
        ),
        Gate.DECLINED: FilterSentences(
            "have declined the job, let its offer pass or given it up a short while ago",
            "you had declined it, let its offer pass or given it up, and the policy's wait was not over",
            _EXCLUDED,
        ),
        Gate.DESTINATION: FilterSentences(
            "head for a destination that the job does not lead to",
            "the job does not lead to the destination that you had set",
        ),
        Gate.SHIFT_END: FilterSentences(
            "go home before they could pick it up",
            "your shift ends before you could have picked it up",
            {Constraint.SHIFT_END: "the pickup comes {amount:.0f} s after the end of the shift"},
        ),
        Gate.PROMISE: FilterSentences(
            "could not keep what was promised to this client or to those aboard",
            "you could not have kept what was promised to the client, or to those aboard",
            {
                Constraint.LATEST: "{amount:.0f} s after the latest moment that is possible",
                Constraint.PROMISE: "{amount:.0f} s after the promised time",
                Constraint.RIDE: "the ride takes {amount:.0f} s longer than is allowed",
            },
        ),
        Gate.NEAREST: FilterSentences(
            "are behind nearer ones",
            "as many couriers as are compared were nearer",
        ),
        Gate.TRUNCATED: FilterSentences(
            "were not looked at in the time that a round has",
            "the time that a round has was over before it came to you",
        ),
    },
    Gate,
    "sentences about eligibility filters",
)
# What a plan may break: its filters, and what makes it no plan.
PLAN_SENTENCES: dict[Constraint, str] = complete(
    {
        Constraint.MISSING_STOP: "the plan leaves out a stop that has to be made",
        Constraint.PICKUP_BEFORE_DROPOFF: "the drop-off comes {amount:.0f} s before the pickup",
        **{constraint: text for sentences in FILTERS.values() for constraint, text in sentences.plan.items()},
    },
    Constraint,
    "sentences about what a plan breaks",
)
