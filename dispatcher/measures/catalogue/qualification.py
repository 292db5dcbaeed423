"""How people are rated and sorted."""

from __future__ import annotations

from dispatcher.measures.catalogue.measure import (
    Family,
    Reading,
    Value,
    counter,
    each,
    gauge,
    measure,
    only,
    parts,
    ratio,
)
from dispatcher.measures.opinions import entropy_bits

QUALIFICATION = Family.QUALIFICATION
SIDES = ("client", "courier")


@measure(
    15,
    "Ratings given",
    QUALIFICATION,
    "ratings",
    counter(
        "gig_ratings",
        "Ratings given, by who gave them and stars",
        {"rater": "client, courier", "stars": "1 to 5"},
        lambda reading: parts(reading.measures.opinions.given),
    ),
)
def ratings_given(reading: Reading) -> Value:
    """Ratings by each side, and the share of completed jobs that it rated. To rate is work that users do unpaid.

    Formula: ratings of a side; the same / completed jobs
    Source: Casilli, Qualifier, monétiser, automatiser (2017)
    """
    completed = reading.measures.jobs_ended["completed"]
    found: dict[str, float | None] = {}
    for side in SIDES:
        given = sum(reading.measures.opinions.stars(side))
        found[side], found[f"{side} share"] = given, ratio(given, completed)
    return found


@measure(
    16,
    "Rating inflation",
    QUALIFICATION,
    "stars, ratio, bits",
    gauge(
        "gig_rating_inflation",
        "Ratings given by clients: mean stars, share of five stars, entropy in bits",
        {"statistic": "mean_stars, five_star_share, entropy_bits"},
        lambda reading: each(_inflation(reading)),
    ),
)
def rating_inflation(reading: Reading) -> Value:
    """What clients' ratings still tell: their mean, the share of five stars, and the entropy, at most 2.32 bits.

    Formula: mean; share of 5; -sum p log2 p over the five stars
    Source: Filippas, Horton and Golden, Reputation Inflation, EC 2018
    """
    return dict(_inflation(reading)) or None


def _inflation(reading: Reading) -> dict[str, float]:
    counts = reading.measures.opinions.stars("client")
    total = sum(counts)
    if not total:
        return {}
    mean = sum(stars * count for stars, count in enumerate(counts, start=1)) / total
    return {"mean_stars": mean, "five_star_share": counts[4] / total, "entropy_bits": entropy_bits(counts) or 0.0}


@measure(
    17,
    "Rater leniency",
    QUALIFICATION,
    "stars",
    gauge(
        "gig_rater_leniency_sd",
        "Standard deviation over ratings of their raters' leniency, in stars",
        {},
        lambda reading: only(reading.measures.opinions.leniency_sd()),
        people=True,
    ),
    gauge(
        "gig_score_correction",
        "Mean absolute change of couriers' scores when leniency is taken out, in stars",
        {},
        lambda reading: only(reading.figures.correction),
        people=True,
    ),
)
def rater_leniency(reading: Reading) -> Value:
    """How much raters differ, over ratings that count; and by how much taking it out moves the scores of active
    couriers.

    Formula: SD of the leniency known when each rating was given; mean of |score - score without correction|
    Source: the leniency is that of ratings.book, a shrunk mean of what a rater gives beyond the scores
    """
    sd, change = reading.measures.opinions.leniency_sd(), reading.figures.correction
    return None if sd is None else {"sd": sd, "score change": change}


@measure(
    18,
    "Rating pressure",
    QUALIFICATION,
    "ratio",
    gauge(
        "gig_rating_pressure_ratio",
        "Active couriers whose score is within 0.1 stars of a threshold on standing",
        {},
        lambda reading: only(reading.figures.pressure),
        people=True,
    ),
)
def rating_pressure(reading: Reading) -> Value:
    """Of couriers online this week who have a score, those within 0.1 stars of a threshold of the policy's rules.

    Formula: couriers with |score - threshold| <= 0.1 / couriers
    Source: Rosenblat and Stark, Algorithmic Labor and Information Asymmetries, IJoC 10 (2016)
    """
    return reading.figures.pressure


@measure(
    19,
    "Excluded ratings",
    QUALIFICATION,
    "ratings",
    counter(
        "gig_ratings_excluded",
        "Ratings that do not count, by cause",
        {"cause": "late_preparation, late_assignment, app_fault, safety_report, retaliation, other, review"},
        lambda reading: each(reading.measures.opinions.excluded),
    ),
)
def excluded_ratings(reading: Reading) -> Value:
    """Ratings that were set aside, by cause: what the worker could not help, or what a human found.

    Formula: count by cause
    Source: the policy's ratings.exclusions
    """
    return {cause: float(count) for cause, count in reading.measures.opinions.excluded.items()} or None


@measure(
    20,
    "Asymmetry",
    QUALIFICATION,
    "ratio",
    counter(
        "gig_ratings_with_consequence",
        "Ratings that a rule on standing answered, by whom they were about",
        {"rated": "client, courier"},
        lambda reading: {(side,): reading.measures.opinions.with_consequence[side] for side in SIDES},
    ),
)
def asymmetry(reading: Reading) -> Value:
    """Whether ratings bite on one side only: of each side's ratings, those after which a rule changed the account's
    standing. The quotient of the two is absent while no client's rating had a consequence.

    Formula: (consequences for couriers / ratings of couriers) / (consequences for clients / ratings of clients)
    Source: Rosenblat et al., Discriminating Tastes, Policy and Internet 9 (2017)
    """
    opinions = reading.measures.opinions
    of_couriers = ratio(opinions.with_consequence["courier"], sum(opinions.stars("client")))
    of_clients = ratio(opinions.with_consequence["client"], sum(opinions.stars("courier")))
    quotient = ratio(of_couriers, of_clients) if of_couriers is not None and of_clients else None
    return {"couriers": of_couriers, "clients": of_clients, "quotient": quotient}


@measure(
    21,
    "Area disparity",
    QUALIFICATION,
    "ratio",
    gauge(
        "gig_area_disparity_ratio",
        "Highest over lowest area",
        {"of": "wait, cancelled, score, hourly_earnings"},
        lambda reading: {
            (name,): value for name, value in reading.measures.areas.disparity().items() if value is not None
        },
        people=True,
    ),
    gauge(
        "gig_area_value",
        "By class of zone: wait for a pickup (s), share cancelled, stars, earnings an engaged hour (minor units)",
        {"of": "wait, cancelled, score, hourly_earnings", "area": "the zones' classes, at most 50"},
        lambda reading: {
            (name, area): value
            for name, values in reading.measures.areas.values().items()
            for area, value in values.items()
            if not area[0].isdigit() and area[0] != "-"
        },
        people=True,
    ),
)
def area_disparity(reading: Reading) -> Value:
    """How different areas are served and pay, by the pickup: areas are the classes of zones, where those are drawn,
    else H3 cells of about five square kilometres. Areas where fewer than ten couriers worked are left out.

    Formula: max / min over areas of mean wait for a pickup, share cancelled, mean stars, pay an engaged hour
    Source: Ge, Knittel et al., Racial and Gender Discrimination in TNCs, NBER 22776 (2016); Graham et al. 2017
    """
    return dict(reading.measures.areas.disparity())


@measure(
    43,
    "Threshold fragility",
    QUALIFICATION,
    "ratings",
    gauge(
        "gig_threshold_fragility_ratings",
        "Ratings of one star that would take an active courier below the cut",
        {"statistic": "median, lowest_tenth"},
        lambda reading: dict(zip((("median",), ("lowest_tenth",)), reading.figures.fragility or (), strict=False)),
        people=True,
    ),
)
def fragility(reading: Reading) -> Value:
    """How few bad ratings would take a courier below the score that leads to a review: median over active couriers with
    a score, and the lowest tenth.

    Formula: least n with (score x weight + n) / (weight + n) < cut, weight = prior + decayed ratings
    Source: follows from the score's own formula, in ratings.book
    """
    found = reading.figures.fragility
    return None if found is None else {"median": found[0], "lowest tenth": found[1]}


MEASURES = (
    ratings_given,
    rating_inflation,
    rater_leniency,
    rating_pressure,
    excluded_ratings,
    asymmetry,
    area_disparity,
    fragility,
)
