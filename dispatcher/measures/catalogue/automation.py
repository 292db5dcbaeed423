"""What machines decide, what humans still do, and what is harvested."""

from __future__ import annotations

from dispatcher.measures.areas import SMALLEST_GROUP
from dispatcher.measures.catalogue.measure import (
    Family,
    Reading,
    Value,
    counter,
    each,
    gauge,
    histogram,
    measure,
    only,
    parts,
    ratio,
)
from dispatcher.times import SECOND

AUTOMATION = Family.AUTOMATION
KINDS = "offer, price, surge, score, standing, exclusion, contest, flag"
OUTCOMES = ("opened", "upheld", "overturned")


@measure(
    22,
    "Decisions",
    AUTOMATION,
    "decisions",
    counter(
        "gig_decisions",
        "Decisions about people, by kind, by who decided, and under which policy",
        {"kind": KINDS, "decider": "rule, solver, human", "policy": "version in force; the last four, and older"},
        lambda reading: {
            (*name.split("/"), policy): count
            for policy, counts in reading.measures.decisions.by_policy.items()
            for name, count in counts.items()
        },
    ),
)
def decisions(reading: Reading) -> Value:
    """Decisions about people by kind and by who took them: a rule of the policy, the solver, or a human.

    Formula: count by kind and decider
    Source: Directive (EU) 2024/2831, articles 9 to 11
    """
    return {name: float(count) for name, count in sorted(reading.measures.decisions.totals().items())} or None


@measure(23, "Automation rate", AUTOMATION, "ratio")
def automation_rate(reading: Reading) -> Value:
    """Share of the decisions of each kind that no human took part in. As a recording rule it is
    ``gig:automation_rate:ratio1h``.

    Formula: (decisions by rule + by solver) / decisions, by kind
    Source: Casilli, En attendant les robots (2019), on Facebook's M, which never answered more than 30 % by itself
    """
    return dict(reading.measures.decisions.automation_rates()) or None


@measure(
    24,
    "Review work",
    AUTOMATION,
    "tasks, s, minor units",
    counter(
        "gig_reviews",
        "Reviews by humans, by what became of them",
        {"result": "opened, decided, overturned"},
        lambda reading: each(_reviews(reading)),
    ),
    counter("gig_review_opinions", "Answers of reviewers", {}, lambda reading: {(): reading.measures.reviews.opinions}),
    counter(
        "gig_review_time_seconds", "Time spent on reviews", {}, lambda reading: {(): reading.measures.reviews.seconds}
    ),
    counter(
        "gig_review_pay_minor",
        "Reviewers' piece pay in minor units",
        {"currency": "ISO 4217"},
        lambda reading: {(reading.measures.currency,): reading.measures.reviews.pay_minor},
    ),
    counter(
        "gig_review_second_opinions",
        "Decided reviews with two opinions or more",
        {},
        lambda reading: {(): reading.measures.reviews.second_opinions},
    ),
    gauge("gig_reviews_open", "Reviews that wait", {}, lambda reading: {(): len(reading.measures.reviews.open)}),
    histogram(
        "gig_review_seconds",
        "Time spent on each answer",
        {},
        lambda reading: {(): reading.measures.reviews.times} if _enough_reviewers(reading) else {},
    ),
)
def review_work(reading: Reading) -> Value:
    """The platform's own micro-work: answers of human reviewers, the time that they took, what they paid, and what that
    is an hour.

    Formula: count; sum of seconds; sum of piece pay; pay / hours
    Source: Hara et al. 2018: crowd work near 2 USD an hour
    """
    work = reading.measures.reviews
    return {
        "answers": work.opinions,
        "seconds": work.seconds,
        "pay": work.pay_minor,
        "pay an hour": ratio(work.pay_minor * 3600, work.seconds),
    }


def _reviews(reading: Reading) -> dict[str, float]:
    work = reading.measures.reviews
    return {"opened": work.opened, "decided": work.decided, "overturned": work.overturned}


def _enough_reviewers(reading: Reading) -> bool:
    return len(reading.measures.reviews.reviewers) >= SMALLEST_GROUP


def _contests(reading: Reading) -> dict[str, float]:
    """Every outcome of each kind that was ever contested: a kind whose decisions are all upheld has a rate of zero."""
    counts = reading.measures.reviews.contests
    kinds = {name.partition("/")[0] for name in counts}
    return {f"{kind}/{outcome}": counts[f"{kind}/{outcome}"] for kind in sorted(kinds) for outcome in OUTCOMES}


@measure(
    25,
    "Reversal rate",
    AUTOMATION,
    "ratio",
    counter(
        "gig_contests",
        "Contested decisions, by the decision's kind and by outcome",
        {"kind": KINDS, "outcome": ", ".join(OUTCOMES)},
        lambda reading: parts(_contests(reading)),
    ),
    histogram(
        "gig_contest_answer_seconds",
        "From a contest to its answer in writing",
        {},
        lambda reading: {(): reading.measures.reviews.replies},
    ),
)
def reversal_rate(reading: Reading) -> Value:
    """Of contested decisions that were answered, those overturned; with those still pending, and the time to an answer.
    By week of the contest in ``gig measures --json``.

    Formula: overturned / (overturned + upheld)
    Source: Directive (EU) 2024/2831, article 11: an answer within two weeks
    """
    work = reading.measures.reviews
    overturned, upheld = work.contests_by("overturned"), work.contests_by("upheld")
    return {
        "rate": ratio(overturned, overturned + upheld),
        "pending": work.contests_by("opened") - overturned - upheld,
        "answer s (mean)": work.replies.mean if work.replies.count else None,
    }


@measure(
    26,
    "Agreement",
    AUTOMATION,
    "Cohen's kappa",
    gauge(
        "gig_review_kappa",
        "Cohen's kappa of first and second opinions",
        {},
        lambda reading: only(reading.measures.reviews.kappa()),
    ),
)
def agreement(reading: Reading) -> Value:
    """Whether two reviewers, who do not see each other's answer, come to the same: 1 always, 0 as by chance. Absent
    while there are no second opinions, or while all opinions are alike.

    Formula: (p_o - p_e) / (1 - p_e), p_o the share that agrees, p_e what chance would give
    Source: Cohen, A Coefficient of Agreement for Nominal Scales, 1960
    """
    return reading.measures.reviews.kappa()


@measure(
    27,
    "Explanation coverage",
    AUTOMATION,
    "ratio",
    counter(
        "gig_decisions_explained",
        "Decisions that say completely why, by kind",
        {"kind": KINDS},
        lambda reading: each(reading.measures.decisions.explained),
    ),
)
def explanation_coverage(reading: Reading) -> Value:
    """Decisions whose event holds a complete reason: inputs, rule or terms, policy version. A promise: an alert fires
    when it falls below 1.

    Formula: decisions with a complete reason / decisions
    Source: Directive (EU) 2024/2831, article 11; GDPR article 15(1)(h)
    """
    return reading.measures.decisions.coverage()


@measure(
    28,
    "Data harvested",
    AUTOMATION,
    "points, events, s",
    counter(
        "gig_location_points",
        "Positions of couriers on the log",
        {},
        lambda reading: {(): reading.measures.harvest.count},
    ),
    counter("gig_log_events", "Events on the log", {}, lambda reading: {(): reading.measures.sequence}),
    gauge(
        "gig_location_points_age_seconds",
        "Mean age of the positions on the log",
        {},
        lambda reading: only(reading.measures.harvest.mean_age_s(reading.measures.time_us)),
    ),
    gauge("gig_log_age_seconds", "Age of the log's first event", {}, lambda reading: {(): _age_s(reading)}),
)
def data_harvested(reading: Reading) -> Value:
    """Positions and events that are held for each job that was paid, and how old they are.

    Formula: positions / completed jobs; events / completed jobs; mean age of positions; age of the first event
    Source: Casilli, En attendant les robots (2019): traces train machines
    """
    measures = reading.measures
    completed = measures.jobs_ended["completed"]
    return {
        "points a job": ratio(measures.harvest.count, completed),
        "events a job": ratio(measures.sequence, completed),
        "points' mean age": measures.harvest.mean_age_s(measures.time_us),
        "oldest": _age_s(reading),
    }


def _age_s(reading: Reading) -> float:
    return (reading.measures.time_us - reading.measures.first_us) / SECOND


@measure(
    45,
    "Meaningful review",
    AUTOMATION,
    "ratio",
    counter(
        "gig_reviews_meaningful",
        "Decided reviews that were real ones",
        {},
        lambda reading: {(): reading.measures.reviews.meaningful},
    ),
)
def meaningful_review(reading: Reading) -> Value:
    """Of decided reviews, those in which every reviewer was shown the evidence, took ten seconds or more, wrote a
    reason of fifteen characters or more, and could overturn the decision.

    Formula: meaningful reviews / decided reviews
    Source: Amsterdam Court of Appeal, 4 April 2023, ECLI:NL:GHAMS:2023:793: no mere symbolic act
    """
    work = reading.measures.reviews
    return ratio(work.meaningful, work.decided)


MEASURES = (
    decisions,
    automation_rate,
    review_work,
    reversal_rate,
    agreement,
    explanation_coverage,
    data_harvested,
    meaningful_review,
)
