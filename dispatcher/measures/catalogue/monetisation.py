"""What work pays, and what the platform keeps."""

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
from dispatcher.measures.records import P1, P3, PHASES
from dispatcher.measures.work_time import HOURS, Sums
from dispatcher.times import SECOND

MONETISATION = Family.MONETISATION
KIND = {"kind": "ride, delivery"}
PHASE = {"phase": "P1, P2, P2w, P3"}
MINOR_AN_HOUR = "minor units an hour"


def _seconds(reading: Reading) -> dict[str, float]:
    return {name: us / SECOND for name, us in zip(PHASES, reading.figures.sums.phases_us, strict=True)}


@measure(
    1,
    "Courier time",
    MONETISATION,
    "s",
    counter(
        "gig_courier_time_seconds",
        "Time couriers were online: P1 free, P2 to a pickup, P2w waiting there, P3 with a job aboard",
        PHASE,
        lambda reading: each(_seconds(reading)),
    ),
)
def courier_time(reading: Reading) -> Value:
    """Time online, by what it went into. P1 is waiting for work, P2 the way to a pickup, P2w waiting there (P2 is told
    without it), P3 with a job aboard. Of stacked jobs it is the union, each second in the furthest phase.

    Formula: sum over couriers of the seconds in P1, P2, P2w, P3
    Source: New York City Taxi and Limousine Commission, driver pay rules (35 RCNY 59D-22); Uber BV v Aslam [2021] UKSC
    5, for which time logged in is working time
    """
    return _seconds(reading)


@measure(2, "Utilisation", MONETISATION, "ratio")
def utilisation(reading: Reading) -> Value:
    """Share of online time with a job aboard: over all, and by UTC hour of the day where there was any. By hour of the
    calendar it is the recording rule ``gig:utilisation:ratio1h``.

    Formula: P3 / (P1 + P2 + P2w + P3)
    Source: New York City Taxi and Limousine Commission, driver pay rules
    """
    phases, rows = reading.figures.sums.phases_us, reading.measures.time.by_hour_us
    hours: dict[str, float | None] = {"all": ratio(phases[P3], sum(phases))}
    for hour in range(HOURS):
        row = rows[4 * hour : 4 * hour + 4]
        if sum(row):
            hours[f"{hour:02d}h"] = row[P3] / sum(row)
    return hours


@measure(
    3,
    "Unpaid share of time",
    MONETISATION,
    "ratio",
    counter(
        "gig_unpaid_time_seconds",
        "Online time that no line of pay counts: waiting for work, waiting at pickups, ways for jobs that paid nothing",
        {"cause": "waiting_for_work, waiting_at_pickup, cancelled"},
        lambda reading: each(unpaid_s(reading.figures.sums)),
    ),
    gauge(
        "gig_courier_unpaid_share",
        "Unpaid share of time that this share of couriers has at most",
        {"share": "0.1, 0.5, 0.9"},
        lambda reading: dict(zip((("0.1",), ("0.5",), ("0.9",)), reading.figures.unpaid or (), strict=False)),
        people=True,
    ),
)
def unpaid_share(reading: Reading) -> Value:
    """Share of online time that no line of pay counts; a ratio of sums, beside its spread over couriers. P2 is unpaid
    where its job ended without pay, P2w where no line for waiting counts it.

    Formula: (P1 + unpaid P2 + unpaid P2w) / (P1 + P2 + P2w + P3)
    Source: Hara et al., A Data-Driven Analysis of Workers' Earnings on Amazon Mechanical Turk, CHI 2018
    """
    unpaid, online = unpaid_s(reading.figures.sums), _seconds(reading)
    found: dict[str, float | None] = {"all": ratio(sum(unpaid.values()), sum(online.values()))}
    return found | dict(zip(("p10", "p50", "p90"), reading.figures.unpaid or (), strict=False))


def unpaid_s(sums: Sums) -> dict[str, float]:
    """Seconds online that no line of pay counts, by cause."""
    spent = {
        "waiting_for_work": sums.phases_us[P1],
        "waiting_at_pickup": sums.waiting_us,
        "cancelled": sums.cancelled_us,
    }
    return {name: us / SECOND for name, us in spent.items()}


def _hourly(reading: Reading, basis: str) -> Value:
    found = reading.figures.hourly.get(basis)
    return None if found is None else spread(found)


@measure(
    4,
    "Hourly earnings, online",
    MONETISATION,
    MINOR_AN_HOUR,
    gauge(
        "gig_courier_hourly_earnings_mean",
        "Mean over couriers of this week's earnings an hour, without tips, in minor units",
        {"basis": "online, engaged", "currency": "ISO 4217"},
        lambda reading: {
            (basis, reading.measures.currency): found.mean for basis, found in reading.figures.hourly.items()
        },
        people=True,
    ),
    histogram(
        "gig_courier_hourly_earnings",
        "Earnings an hour of couriers' weeks that are over, without tips, in minor units",
        {"basis": "online, engaged", "currency": "ISO 4217"},
        lambda reading: {
            ("online", reading.measures.currency): reading.measures.weeks.online,
            ("engaged", reading.measures.currency): reading.measures.weeks.engaged,
        },
    ),
)
def hourly_online(reading: Reading) -> Value:
    """Earnings without tips for each hour online, by courier and week from Monday: of the running week.

    Formula: earnings / (P1 + P2 + P2w + P3), by courier and week
    Source: Hara et al. 2018: the unpaid time counts
    """
    return _hourly(reading, "online")


@measure(5, "Hourly earnings, engaged", MONETISATION, MINOR_AN_HOUR)
def hourly_engaged(reading: Reading) -> Value:
    """Earnings without tips for each hour from acceptance to completion, by courier and week: of the running week.
    Higher than on online time by what is waited: read it beside measures 3 and 4.

    Formula: earnings / (P2 + P2w + P3), by courier and week
    Source: California Business and Professions Code 7453 (Proposition 22)
    """
    return _hourly(reading, "engaged")


@measure(
    6,
    "Net of cost",
    MONETISATION,
    MINOR_AN_HOUR,
    gauge(
        "gig_courier_net_hourly_earnings",
        "This week's earnings less what driving costs, an hour online, in minor units",
        {"currency": "ISO 4217"},
        lambda reading: {} if reading.figures.net is None else {(reading.measures.currency,): reading.figures.net},
        people=True,
    ),
)
def net_of_cost(reading: Reading) -> Value:
    """Earnings without tips, less the policy's cost for each kilometre, for each hour online: of the running week, a
    ratio of sums. Kilometres are those of the offers, and the straight ways between the log's positions while waiting.

    Formula: (earnings - km x cost a km) / (P1 + P2 + P2w + P3)
    Source: Parrott and Reich, An Earnings Standard for New York City's App-based Drivers, 2018
    """
    return reading.figures.net


@measure(
    7,
    "Share below floor",
    MONETISATION,
    "ratio",
    gauge(
        "gig_courier_below_floor_ratio",
        "Of couriers online an hour or more this week, those who earn less than the policy's floor",
        {"basis": "gross, net"},
        lambda reading: each(reading.figures.below_floor),
        people=True,
    ),
)
def below_floor(reading: Reading) -> Value:
    """Couriers whose earnings an hour online (gross), or net of cost, are under the floor that the policy names, of
    those online for an hour or more this week. Top-ups that a shift's end will bring are not in it before.

    Formula: couriers under the floor / couriers online for an hour or more
    Source: Fairwork, principle 1: fair pay
    """
    return dict(reading.figures.below_floor) or None


@measure(
    8,
    "Floor top-up",
    MONETISATION,
    "minor units",
    counter(
        "gig_pay_minor",
        "Couriers' pay in minor units, by line",
        {
            "line": "base, distance, time, waiting, surge, tip, cancellation, adjustment, minimum, top_up",
            "currency": "ISO 4217",
        },
        lambda reading: {
            (line, reading.measures.currency): amount for line, amount in reading.measures.money.pay.items()
        },
    ),
)
def floor_top_up(reading: Reading) -> Value:
    """What guarantees have added to pay; and its share of all pay without tips.

    Formula: sum of the lines top_up; the same / pay without tips
    Source: the guarantees of Proposition 22 and of the meal delivery instances of Reyes et al. 2018
    """
    money = reading.measures.money
    return {"minor_units": money.pay["top_up"], "share": ratio(money.pay["top_up"], money.pay_without_tips())}


@measure(
    9,
    "Take rate",
    MONETISATION,
    "ratio",
    counter(
        "gig_job_fares_minor",
        "What clients paid for jobs, in minor units",
        KIND | {"currency": "ISO 4217"},
        lambda reading: _money(reading, "fares"),
    ),
    counter(
        "gig_job_taxes_minor",
        "Tax inside those fares, in minor units",
        KIND | {"currency": "ISO 4217"},
        lambda reading: _money(reading, "taxes"),
    ),
    counter(
        "gig_job_pay_minor",
        "What couriers got for those jobs, without tips, in minor units",
        KIND | {"currency": "ISO 4217"},
        lambda reading: _money(reading, "job_pay"),
    ),
    histogram(
        "gig_job_take_rate",
        "Take rate of each completed job",
        {},
        lambda reading: {(): reading.measures.money.take_rates},
    ),
)
def take_rate(reading: Reading) -> Value:
    """What the platform keeps of the fares after tax: over all jobs that ended (a ratio of sums), and its spread over
    completed jobs (whose mean is a mean of ratios).

    Formula: (fare - tax - pay) / (fare - tax)
    Source: take rates differ job by job where fare and pay are set apart (upfront pricing)
    """
    money = reading.measures.money
    net = money.fares.total() - money.taxes.total()
    rates: dict[str, float | None] = {"all": ratio(net - money.job_pay.total(), net)}
    return rates | {f"jobs {name}": value for name, value in spread(money.take_rates).items()}


def _money(reading: Reading, name: str) -> dict[tuple[str, ...], float]:
    currency = reading.measures.currency
    return {(kind, currency): amount for kind, amount in getattr(reading.measures.money, name).items()}


@measure(
    10,
    "Surge pass-through",
    MONETISATION,
    "ratio",
    counter(
        "gig_surge_minor",
        "What surge charged clients and paid couriers of completed jobs, in minor units",
        {"side": "charged, paid", "currency": "ISO 4217"},
        lambda reading: {
            (side, reading.measures.currency): amount for side, amount in reading.measures.money.surge.items()
        },
    ),
)
def surge_pass_through(reading: Reading) -> Value:
    """Of what surge adds to fares, the part that reaches couriers.

    Formula: sum of (pay - pay without surge) / sum of (fare - fare without surge), over completed jobs
    Source: Garg and Nazerzadeh, Driver Surge Pricing, Management Science 68 (2022)
    """
    surge = reading.measures.money.surge
    return ratio(surge["paid"], surge["charged"])


@measure(
    11,
    "Price dispersion",
    MONETISATION,
    "ratio",
    gauge(
        "gig_pay_dispersion",
        "Coefficient of variation of pay for like jobs",
        {"per": "km, minute"},
        lambda reading: dict(
            zip((("km",), ("minute",)), reading.measures.money.dispersion.variation() or (), strict=False)
        ),
        people=True,
    ),
)
def price_dispersion(reading: Reading) -> Value:
    """How much pay a kilometre, and a minute with the job aboard, differs between like jobs: of one kind, from one
    area, completed in one hour, of one length within a factor of two. Pooled within groups.

    Formula: sqrt(sum over jobs of (x / mean of its group - 1)^2 / (jobs - groups)), x = pay / km, pay / minutes
    Source: Dubal, On Algorithmic Wage Discrimination, Columbia Law Review 123 (2023)
    """
    found = reading.measures.money.dispersion.variation()
    return None if found is None else {"per km": found[0], "per minute": found[1]}


@measure(
    12,
    "Deadhead share",
    MONETISATION,
    "ratio",
    counter(
        "gig_courier_distance_metres",
        "Driven by couriers: waiting for work (straight ways between positions), to pickups and with jobs (as offered)",
        {"loaded": "true, false", "phase": "P1, P2, P3"},
        lambda reading: parts(_metres(reading)),
    ),
)
def deadhead(reading: Reading) -> Value:
    """Share of the kilometres driven without a job aboard.

    Formula: (km in P1 + km in P2) / all km
    Source: Cramer and Krueger, Disruptive Change in the Taxi Business, AER 106 (2016)
    """
    metres = _metres(reading)
    whole = sum(metres.values())
    return ratio(whole - metres["true/P3"], whole)


def _metres(reading: Reading) -> dict[str, float]:
    driven = reading.measures.time.metres
    return {
        "false/P1": reading.measures.whereabouts.total_m,
        "false/P2": driven[1],
        "true/P3": driven[P3],
    }


@measure(
    13,
    "Inequality",
    MONETISATION,
    "index",
    gauge(
        "gig_courier_earnings_gini",
        "Gini coefficient of this week's hourly earnings",
        {},
        lambda reading: only(reading.figures.gini),
        people=True,
    ),
    gauge(
        "gig_courier_earnings_theil",
        "Theil index of this week's hourly earnings",
        {},
        lambda reading: only(reading.figures.theil),
        people=True,
    ),
)
def inequality(reading: Reading) -> Value:
    """How unequal hourly earnings are between couriers online for an hour or more this week: 0 is equal.

    Formula: Gini = sum over pairs of |x - y| / (2 n^2 mean); Theil = mean of (x / mean) ln(x / mean)
    Source: Gini 1912; Theil 1967; Bokányi and Hannák, Scientific Reports 10 (2020), for ride-hailing
    """
    found = {"gini": reading.figures.gini, "theil": reading.figures.theil}
    return found if found["gini"] is not None else None


@measure(
    14,
    "Amortised fairness",
    MONETISATION,
    "ratio",
    gauge(
        "gig_courier_fairness_gap",
        "Over couriers: share of all earnings less share of all online time, since records began",
        {"statistic": "max, sd"},
        lambda reading: each(_gaps(reading)),
        people=True,
    ),
)
def amortised_fairness(reading: Reading) -> Value:
    """How far what couriers get in the long run is from what they give: the largest gap, and the standard deviation.

    Formula: max and SD over couriers of |earnings share - online-time share|, cumulated
    Source: Sühr et al., Two-Sided Fairness for Repeated Matchings in Two-Sided Markets, KDD 2019
    """
    return dict(_gaps(reading)) or None


def _gaps(reading: Reading) -> dict[str, float]:
    most, sd = reading.figures.fairness_max, reading.figures.fairness_sd
    return {} if most is None or sd is None else {"max": most, "sd": sd}


@measure(
    44,
    "Losers' share",
    MONETISATION,
    "ratio",
    gauge(
        "gig_policy_losers_ratio",
        "Couriers who earn less an hour than under the policy before",
        {},
        lambda reading: only(reading.figures.losers),
        people=True,
    ),
    gauge(
        "gig_policy_mean_change",
        "Change of mean hourly earnings since the policy before, minor units",
        {},
        lambda reading: only(reading.figures.mean_change),
        people=True,
    ),
)
def losers(reading: Reading) -> Value:
    """Of couriers online for half an hour or more under the policy in force and under the one before, those who earn
    less an hour online; beside the mean's change, which can rise while many lose.

    Formula: couriers with (earnings / online time) after < before / couriers compared; mean after - mean before
    Source: the audit of Shipt's pay by its workers (Calacci and Pentland 2022): the mean rose while nearly half lost
    """
    figures = reading.figures
    return None if figures.losers is None else {"share": figures.losers, "mean change": figures.mean_change}


@measure(
    46,
    "Fare-pay coupling",
    MONETISATION,
    "R²",
    gauge(
        "gig_pay_coupling_r2",
        "Share of the variance of pay without surge that time and distance with the job aboard explain",
        KIND,
        lambda reading: each(_coupling(reading)),
        people=True,
    ),
)
def coupling(reading: Reading) -> Value:
    """How far a job's pay, surge apart, follows from the work: R² of least squares on minutes and kilometres with the
    job aboard. Upfront prices let it fall.

    Formula: R² of pay = a + b minutes + c km, over completed jobs of a kind
    Source: Binns et al., Not Even Nice Work If You Can Get It: a longitudinal study of Uber's algorithmic pay (2025)
    """
    return dict(_coupling(reading)) or None


def _coupling(reading: Reading) -> dict[str, float]:
    found = {kind: sums.r_squared() for kind, sums in reading.measures.money.coupling.items()}
    return {kind: value for kind, value in found.items() if value is not None}


MEASURES = (
    courier_time,
    utilisation,
    unpaid_share,
    hourly_online,
    hourly_engaged,
    net_of_cost,
    below_floor,
    floor_top_up,
    take_rate,
    surge_pass_through,
    price_dispersion,
    deadhead,
    inequality,
    amortised_fairness,
    losers,
    coupling,
)
