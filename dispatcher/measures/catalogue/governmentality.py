"""How conduct is steered without an order: offers, nudges, waiting, standing, being kept out."""

from __future__ import annotations

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
    spread,
)
from dispatcher.measures.conduct import COHORTS, COMPARED, LEVELS
from dispatcher.measures.records import P2, P3
from dispatcher.measures.work_time import HOUR_US, LONG_DAYS_H, Sums
from dispatcher.times import SECOND

GOVERNMENTALITY = Family.GOVERNMENTALITY
OUTCOMES = ("accepted", "declined", "timed_out", "withdrawn")


@measure(
    29,
    "Offers",
    GOVERNMENTALITY,
    "offers",
    counter(
        "gig_offers",
        "Offers closed, by outcome",
        {"outcome": ", ".join(OUTCOMES)},
        lambda reading: each(reading.measures.offers.outcomes, OUTCOMES),
    ),
    counter("gig_offers_made", "Offers made", {}, lambda reading: {(): reading.measures.offers.made}),
)
def offers(reading: Reading) -> Value:
    """What became of offers.

    Formula: count by outcome
    Source: Kellogg, Valentine and Christin, Algorithms at Work, Academy of Management Annals 14 (2020): restricting and
    recommending
    """
    counts = reading.measures.offers.outcomes
    return {name: float(counts[name]) for name in OUTCOMES} if counts else None


@measure(
    30,
    "Time to answer",
    GOVERNMENTALITY,
    "s",
    histogram(
        "gig_offer_answer_seconds",
        "From an offer to its answer",
        {},
        lambda reading: {(): reading.measures.offers.used},
    ),
    histogram(
        "gig_offer_window_seconds",
        "Time given to answer an offer",
        {},
        lambda reading: {(): reading.measures.offers.given},
    ),
)
def time_to_answer(reading: Reading) -> Value:
    """Seconds that couriers were given for an answer, and seconds that they took.

    Formula: distribution of the offers' windows; distribution of answer - offer, of those accepted or declined
    Source: Rosenblat and Stark 2016; Colorado C.R.S. 8-4-126: 60 s for deliveries
    """
    given, used = spread(reading.measures.offers.given), spread(reading.measures.offers.used)
    return {"given p50": given["p50"], "used mean": used["mean"], "used p50": used["p50"], "used p90": used["p90"]}


@measure(
    31,
    "Information at offer",
    GOVERNMENTALITY,
    "ratio",
    counter(
        "gig_offers_complete",
        "Offers that showed pay, distances, durations and destination",
        {},
        lambda reading: {(): reading.measures.offers.complete},
    ),
)
def information(reading: Reading) -> Value:
    """Offers that showed everything before they were answered. A promise: an alert fires when it falls below 1.

    Formula: offers with pay, distance, duration and area of the destination / offers
    Source: Rosenblat and Stark 2016 on blind acceptance; Colorado C.R.S. 8-4-126
    """
    return ratio(reading.measures.offers.complete, reading.measures.offers.made)


@measure(
    32,
    "After declining",
    GOVERNMENTALITY,
    "s",
    histogram(
        "gig_next_offer_seconds",
        "Free time until the next offer, after a decline and after a completed job",
        {"after": "declined, completed"},
        lambda reading: {(name,): found for name, found in reading.measures.offers.next_after.items()},
    ),
    gauge(
        "gig_decline_penalty_seconds",
        "How much longer the next offer takes after a decline, at like places and hours",
        {},
        lambda reading: only(reading.measures.offers.penalty_s()),
        people=True,
    ),
)
def after_declining(reading: Reading) -> Value:
    """Whether somebody who declines waits longer for the next offer than somebody who completed a job, at the same
    place (cell of five square kilometres) and hour of the day. An association, no proof of a penalty; place is the
    declined pickup's, or the drop-off's.

    Formula: sum over groups of declines x (mean wait after a decline - mean wait after a job) / declines
    Source: the test for hidden penalties that Rosenblat and Stark 2016 ask for
    """
    found = reading.measures.offers
    return {
        "matched difference": found.penalty_s(),
        "after declining (mean)": found.next_after["declined"].mean if found.next_after["declined"].count else None,
        "after a job (mean)": found.next_after["completed"].mean if found.next_after["completed"].count else None,
    }


@measure(
    33,
    "Choice",
    GOVERNMENTALITY,
    "offers/h, ratio",
    counter(
        "gig_courier_with_offer_seconds",
        "Time online with an open offer",
        {},
        lambda reading: {(): reading.figures.sums.with_offer_us / SECOND},
    ),
)
def choice(reading: Reading) -> Value:
    """Offers that a courier gets in an hour online, and the share of online time with an offer to decide on.

    Formula: offers / online hours; time with an open offer / online time
    Source: Kellogg, Valentine and Christin 2020
    """
    sums = reading.figures.sums
    return {
        "offers an hour": ratio(reading.measures.offers.made * HOUR_US, sums.online_us),
        "share with an offer": ratio(sums.with_offer_us, sums.online_us),
    }


@measure(
    34,
    "Waiting for work",
    GOVERNMENTALITY,
    "s",
    histogram(
        "gig_free_spell_seconds", "Spells of waiting for work", {}, lambda reading: {(): reading.measures.time.spells}
    ),
)
def waiting_for_work(reading: Reading) -> Value:
    """How long couriers wait from being free to the next acceptance, or to going offline.

    Formula: distribution of the lengths of P1 spells
    Source: New York City Taxi and Limousine Commission, P1 time
    """
    return spread(reading.measures.time.spells)


@measure(
    35,
    "Nudges",
    GOVERNMENTALITY,
    "nudges, minor units",
    counter("gig_nudges_sent", "Hints where surge is", {}, lambda reading: {(): reading.measures.nudges.sent}),
    counter(
        "gig_nudges",
        "Hints that are closed, by what was done",
        {"outcome": "followed, not_followed, took_job, went_offline"},
        lambda reading: each(reading.measures.nudges.closed, ("followed", "not_followed")),
    ),
    counter(
        "gig_nudge_earnings_minor",
        "Earned within 30 minutes after following a hint, or not, in minor units",
        {"outcome": "followed, not_followed"},
        lambda reading: {(name,): reading.measures.nudges.earned[name][1] for name in COMPARED},
    ),
    counter(
        "gig_nudge_followers",
        "Hints whose 30 minutes are over",
        {"outcome": "followed, not_followed"},
        lambda reading: {(name,): reading.measures.nudges.earned[name][0] for name in COMPARED},
    ),
)
def nudges(reading: Reading) -> Value:
    """Hints where surge is: sent, followed, and what those who followed earned within 30 minutes, beside those who did
    not (who took a job on the way is in neither).

    Formula: count; followed / (followed + not followed); earnings / closed hints, by outcome
    Source: Scheiber, How Uber Uses Psychological Tricks (2017); Kellogg, Valentine and Christin 2020: recommending
    """
    found = reading.measures.nudges
    followed, stayed = found.closed["followed"], found.closed["not_followed"]
    values: dict[str, float | None] = {"sent": found.sent, "followed share": ratio(followed, followed + stayed)}
    for name in COMPARED:
        count, earned = found.earned[name]
        values[f"earned after, {name}"] = ratio(earned, count)
    return values


@measure(
    36,
    "Steering spread",
    GOVERNMENTALITY,
    "ratio",
    gauge(
        "gig_best_scored_share",
        "Of the best-scored tenth of couriers: their share of offers, and of online time",
        {"of": "offers, online_time"},
        lambda reading: dict(zip((("offers",), ("online_time",)), reading.figures.steering or (), strict=False)),
        people=True,
    ),
)
def steering(reading: Reading) -> Value:
    """Whether offers go to the best-scored: the share of offers of the best-scored tenth of couriers, beside their
    share of online time.

    Formula: offers of the best tenth / offers; online time of the best tenth / online time
    Source: Rosenblat and Stark 2016
    """
    found = reading.figures.steering
    return None if found is None else {"offers": found[0], "online time": found[1]}


@measure(
    37,
    "Churn and exits",
    GOVERNMENTALITY,
    "ratio",
    counter(
        "gig_courier_followed",
        "Couriers whose 28 days are over, by what they followed on",
        {"cohort": ", ".join(COHORTS)},
        lambda reading: {(name,): reading.measures.exits.followed[name] for name in COHORTS},
    ),
    counter(
        "gig_courier_exits",
        "Of those, couriers who were not seen again",
        {"cohort": ", ".join(COHORTS)},
        lambda reading: {(name,): reading.measures.exits.gone[name] for name in COHORTS},
    ),
)
def exits(reading: Reading) -> Value:
    """Couriers who were not online again within 28 days of a decision about their standing, of the end of a bad week
    (below the policy's floor), or of any other week; and how many are being followed.

    Formula: not seen for 28 days / couriers followed for 28 days, by cohort
    Source: the attrition that Hall and Krueger 2018 describe, by what went before
    """
    found, pending = reading.measures.exits, reading.measures.exits.pending()
    values: dict[str, float | None] = {}
    for name in COHORTS:
        values[name] = ratio(found.gone[name], found.followed[name])
        values[f"{name}, followed now"] = pending[name]
    return values


@measure(
    38,
    "Standing",
    GOVERNMENTALITY,
    "accounts",
    gauge(
        "gig_accounts",
        "Accounts by standing; in good standing, of couriers seen in the last five weeks",
        {"standing": "good, watch, under_review, restricted, ended"},
        lambda reading: each(_levels(reading)),
    ),
    counter(
        "gig_standing_changes",
        "Changes of standing, by what it became, why, and who decided",
        {
            "standing": "good, watch, under_review, restricted, ended",
            "cause": "the rule's, or human",
            "decider": "rule, human",
        },
        lambda reading: parts(reading.measures.accounts.changes),
    ),
)
def standing(reading: Reading) -> Value:
    """Accounts in each standing, and changes by humans and by rules; rules can note and ask, only humans restrict or
    end.

    Formula: count by standing; changes by decider
    Source: Kellogg, Valentine and Christin 2020: replacing; Directive (EU) 2024/2831, article 10
    """
    changes = reading.measures.accounts.changes
    values: dict[str, float | None] = dict(_levels(reading))
    for decider in ("rule", "human"):
        values[f"changes by {decider}"] = sum(n for name, n in changes.items() if name.endswith(f"/{decider}"))
    return values


def _levels(reading: Reading) -> dict[str, float]:
    levels, couriers = reading.measures.accounts.levels, reading.measures.couriers
    counts = dict.fromkeys(LEVELS.values(), 0.0)
    for level in levels.values():
        counts[LEVELS[level]] += 1
    counts["good"] = len(couriers) - sum(person in couriers for person in levels)
    return counts


@measure(
    39,
    "Long days",
    GOVERNMENTALITY,
    "spells",
    counter(
        "gig_long_spells",
        "Online spells that lasted so many hours or more",
        {"at_least": "8h, 10h, 12h"},
        lambda reading: {(f"{hours}h",): reading.measures.time.long_days[f"{hours}h"] for hours in LONG_DAYS_H},
    ),
)
def long_days(reading: Reading) -> Value:
    """Spells online of 8, 10 and 12 hours or more, counted as they end.

    Formula: count of (offline - online) >= h hours
    Source: limits on daily driving time, such as those of Regulation (EC) 561/2006 and of New York City for app drivers
    """
    return {f"{hours}h": float(reading.measures.time.long_days[f"{hours}h"]) for hours in LONG_DAYS_H}


@measure(40, "Displaced risk", GOVERNMENTALITY, "s")
def displaced_risk(reading: Reading) -> Value:
    """Time that couriers lose where others are late or change their minds: waiting at pickups that no line pays, and
    ways for jobs that were cancelled after departure and paid nothing. Its metric is ``gig_unpaid_time_seconds_total``.

    Formula: sum of unpaid P2w; sum of P2 of jobs that ended without pay
    Source: Shapiro, Between autonomy and control, New Media and Society 20 (2018)
    """
    sums = reading.figures.sums
    return {"waiting at pickup": sums.waiting_us / SECOND, "cancelled": sums.cancelled_us / SECOND}


@measure(
    41,
    "Hors-travail ratio",
    GOVERNMENTALITY,
    "ratio",
    counter(
        "gig_commanded_time_seconds",
        "Time at the platform's command, by whether a line of pay counts it",
        {"paid": "true, false"},
        lambda reading: each(commanded_s(reading.figures.sums)),
    ),
)
def hors_travail(reading: Reading) -> Value:
    """Put to work, and out of work's status: of the time at the platform's command, the part that no line of pay
    counts. Commanded is the time inside an offer's window or in a queue while free, the way to a pickup, waiting there,
    and with a job aboard; lines of pay count the last, and waiting where a line for it does. A construct of this
    project's.

    Formula: (P1 in offer windows and queues + P2 + unpaid P2w) / (P1 in offer windows and queues + P2 + P2w + P3)
    Source: after Casilli, En attendant les robots (2019): put to work, and out of work's status
    """
    commanded = commanded_s(reading.figures.sums)
    return ratio(commanded["false"], sum(commanded.values()))


def commanded_s(sums: Sums) -> dict[str, float]:
    """Seconds at the platform's command, by whether a line of pay counts them."""
    unpaid = sums.commanded_us + sums.phases_us[P2] + sums.waiting_us
    paid = sums.phases_us[2] - sums.waiting_us + sums.phases_us[P3]
    return {"true": paid / SECOND, "false": unpaid / SECOND}


@measure(
    42,
    "Lockout",
    GOVERNMENTALITY,
    "ratio",
    counter(
        "gig_lockout_seconds",
        "Time for which active accounts were restricted or ended, 28 days each at most",
        {},
        lambda reading: {(): reading.measures.accounts.locked_until(reading.measures.time_us) / SECOND},
    ),
    counter(
        "gig_lockouts",
        "Active accounts that were restricted or ended, by how long before they knew that it might be",
        {"notice": "under_72h, 72h_or_more"},
        lambda reading: {(name,): reading.measures.accounts.notices[name] for name in ("under_72h", "72h_or_more")},
    ),
)
def lockout(reading: Reading) -> Value:
    """Time for which people who were at work in the 28 days before are kept from going online, as a share of that and
    all online time; and the share who knew of it for less than 72 hours, from when the review was opened. Markets here
    lock nobody out but by a human's decision.

    Formula: locked out / (locked out + online); lockouts with under 72 h notice / lockouts
    Source: New York City Taxi and Limousine Commission, lockout rules of 2025
    """
    accounts, online = reading.measures.accounts, reading.figures.sums.online_us
    locked = accounts.locked_until(reading.measures.time_us)
    return {
        "share of time": ratio(locked, locked + online),
        "under 72 h notice": ratio(accounts.notices["under_72h"], accounts.notices.total()),
    }


MEASURES = (
    offers,
    time_to_answer,
    information,
    after_declining,
    choice,
    waiting_for_work,
    nudges,
    steering,
    exits,
    standing,
    long_days,
    displaced_risk,
    hors_travail,
    lockout,
)
