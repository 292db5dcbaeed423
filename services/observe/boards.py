"""The dashboards' contents: what is asked of Prometheus, and how it is drawn."""

from __future__ import annotations

from dataclasses import dataclass

MARKET = 'market=~"$market"'


@dataclass(frozen=True, slots=True)
class Query:
    expr: str
    legend: str = ""


@dataclass(frozen=True, slots=True)
class Panel:
    """``kind``: lines, stack, or number. ``text``: what it shows, and how to read it."""

    title: str
    text: str
    unit: str
    queries: tuple[Query, ...]
    kind: str = "lines"


@dataclass(frozen=True, slots=True)
class Board:
    uid: str
    title: str
    text: str
    rows: tuple[tuple[str, tuple[Panel, ...]], ...]


def lines(title: str, text: str, unit: str, *queries: Query) -> Panel:
    return Panel(title, text, unit, queries)


def stack(title: str, text: str, unit: str, *queries: Query) -> Panel:
    return Panel(title, text, unit, queries, "stack")


def number(title: str, text: str, unit: str, *queries: Query) -> Panel:
    return Panel(title, text, unit, queries, "number")


def rate(metric: str, by: str, selector: str = "") -> str:
    inside = f"{MARKET}, {selector}" if selector else MARKET
    return f"sum by ({by}) (rate({metric}{{{inside}}}[$__rate_interval]))"


def quantile(share: float, metric: str, by: str = "") -> str:
    groups = f"{by}, le" if by else "le"
    return f"histogram_quantile({share}, sum by ({groups}) (rate({metric}_bucket{{{MARKET}}}[$__rate_interval])))"


def total(metric: str, selector: str = "", by: str = "") -> str:
    return f"sum by ({by}) ({of(metric, selector)})" if by else f"sum({of(metric, selector)})"


def of(metric: str, selector: str = "") -> str:
    inside = f"{MARKET}, {selector}" if selector else MARKET
    return f"{metric}{{{inside}}}"


MARKET_HEALTH = Board(
    "gig-market",
    "Market health",
    "Is everyone served, and is there work for those who wait?",
    (
        (
            "Now",
            (
                number(
                    "Jobs that wait",
                    "Queued or offered.",
                    "short",
                    Query(total("gig_jobs", 'state=~"queued|offered"')),
                ),
                number(
                    "Oldest of them",
                    "An alert fires after 15 minutes.",
                    "s",
                    Query(total("gig_oldest_waiting_job_seconds")),
                ),
                number("Couriers online", "In all states.", "short", Query(total("gig_couriers"))),
                number("Free couriers", "Waiting for work.", "short", Query(total("gig_couriers", 'state="free"'))),
                number("Policy", "Version in force.", "short", Query(total("gig_policy_version"))),
            ),
        ),
        (
            "Demand and supply",
            (
                stack("Live jobs", "By state.", "short", Query(total("gig_jobs", by="state"), "{{state}}")),
                stack("Couriers", "By state.", "short", Query(total("gig_couriers", by="state"), "{{state}}")),
                lines(
                    "Jobs placed",
                    "A second, by kind.",
                    "reqps",
                    Query(rate("gig_jobs_placed_total", "kind"), "{{kind}}"),
                ),
                lines(
                    "Jobs ended",
                    "A second, by what became of them.",
                    "reqps",
                    Query(rate("gig_jobs_ended_total", "state"), "{{state}}"),
                ),
            ),
        ),
        (
            "Waits",
            (
                lines(
                    "Wait for a courier",
                    "From placing to acceptance.",
                    "s",
                    Query(quantile(0.5, "gig_wait_for_accept_seconds"), "half within"),
                    Query(quantile(0.9, "gig_wait_for_accept_seconds"), "nine in ten within"),
                ),
                lines(
                    "Wait for the pickup",
                    "From placing to pickup.",
                    "s",
                    Query(quantile(0.5, "gig_wait_for_pickup_seconds"), "half within"),
                    Query(quantile(0.9, "gig_wait_for_pickup_seconds"), "nine in ten within"),
                ),
                lines(
                    "Areas compared",
                    "Highest over lowest area: 1 is equal.",
                    "short",
                    Query(of("gig_area_disparity_ratio"), "{{of}}"),
                ),
                lines("Wait by area", "By class of zone.", "s", Query(of("gig_area_value", 'of="wait"'), "{{area}}")),
            ),
        ),
    ),
)

DISPATCH = Board(
    "gig-dispatch",
    "Dispatch quality",
    "Who is asked, what they answer, and what a round costs.",
    (
        (
            "Offers",
            (
                number(
                    "Acceptance",
                    "Of offers closed in the last hour.",
                    "percentunit",
                    Query(of("gig:acceptance:ratio1h")),
                ),
                number(
                    "Information at offer", "Must be 1.", "percentunit", Query(of("gig:information_at_offer:ratio"))
                ),
                stack(
                    "Offers closed",
                    "A second, by outcome.",
                    "reqps",
                    Query(rate("gig_offers_total", "outcome"), "{{outcome}}"),
                ),
                lines(
                    "Time to answer",
                    "Used, and given.",
                    "s",
                    Query(quantile(0.9, "gig_offer_answer_seconds"), "nine in ten answer within"),
                    Query(quantile(0.5, "gig_offer_window_seconds"), "given"),
                ),
                lines(
                    "Offers in an hour online",
                    "What choice there is.",
                    "short",
                    Query(of("gig:offers_per_online_hour:ratio1h")),
                ),
                lines(
                    "Next offer",
                    "Free time until it comes, nine in ten.",
                    "s",
                    Query(quantile(0.9, "gig_next_offer_seconds", "after"), "after {{after}}"),
                ),
                number(
                    "After a decline",
                    "How much longer the next offer takes at like places and hours. An association.",
                    "s",
                    Query(of("gig_decline_penalty_seconds")),
                ),
                lines(
                    "Best-scored tenth",
                    "Their share of offers, beside their share of online time.",
                    "percentunit",
                    Query(of("gig_best_scored_share"), "{{of}}"),
                ),
            ),
        ),
        (
            "Rounds",
            (
                lines(
                    "Rounds", "A second, by result.", "reqps", Query(rate("gig_rounds_total", "result"), "{{result}}")
                ),
                lines(
                    "Stages of a round",
                    "Nine in ten within.",
                    "s",
                    Query("gig:round_stage_seconds:p90_5m", "{{stage}}"),
                ),
                lines(
                    "Fallbacks",
                    "Rounds decided without the solver.",
                    "reqps",
                    Query(rate("gig_solver_fallbacks_total", "market")),
                ),
                lines(
                    "Attention",
                    "Items that ListAttention shows: set aside, stuck, and out of contact.",
                    "short",
                    Query(of("gig_attention_items"), "{{kind}}"),
                ),
                lines(
                    "Set aside",
                    "A second, by the loop that met what it could not compute.",
                    "reqps",
                    Query(rate("gig_set_aside_total", "loop"), "{{loop}}"),
                ),
                lines(
                    "Deadhead share",
                    "Kilometres without a job aboard.",
                    "percentunit",
                    Query(of("gig:deadhead:ratio1h")),
                ),
                stack(
                    "Trips and the travel model",
                    "Completed trips a second: learned from, or left out as too short, too fast or too slow.",
                    "reqps",
                    Query(rate("gig_trips_total", "use"), "{{use}}"),
                ),
            ),
        ),
        (
            "Nudges",
            (
                lines(
                    "Nudges",
                    "Closed a second, by what was done.",
                    "reqps",
                    Query(rate("gig_nudges_total", "outcome"), "{{outcome}}"),
                ),
                lines(
                    "Earned within 30 minutes",
                    "After following, and after staying; minor units.",
                    "short",
                    Query(of("gig:nudge_earnings:minor"), "{{outcome}}"),
                ),
                number(
                    "Followed",
                    "Of hints that ended without a job.",
                    "percentunit",
                    Query(of("gig:nudges_followed:ratio")),
                ),
            ),
        ),
    ),
)

PAY_AND_TIME = Board(
    "gig-pay",
    "Pay and time",
    "What work pays, and what the time goes into.",
    (
        (
            "Time",
            (
                stack(
                    "Where couriers' time goes",
                    "Seconds a second.",
                    "short",
                    Query(rate("gig_courier_time_seconds_total", "phase"), "{{phase}}"),
                ),
                lines(
                    "Utilisation",
                    "With a job aboard, of online time.",
                    "percentunit",
                    Query(of("gig:utilisation:ratio1h")),
                ),
                lines(
                    "Unpaid share of time",
                    "No line of pay counts it.",
                    "percentunit",
                    Query(of("gig:unpaid_time:ratio1h")),
                ),
                stack(
                    "Unpaid time",
                    "By cause, seconds a second.",
                    "short",
                    Query(rate("gig_unpaid_time_seconds_total", "cause"), "{{cause}}"),
                ),
                lines(
                    "Hors-travail ratio",
                    "Commanded and unpaid, of commanded time.",
                    "percentunit",
                    Query(of("gig:hors_travail:ratio1h")),
                ),
                lines(
                    "Unpaid share over couriers",
                    "Quantiles.",
                    "percentunit",
                    Query(of("gig_courier_unpaid_share"), "{{share}}"),
                ),
                lines(
                    "Waiting for work",
                    "Spells, nine in ten within.",
                    "s",
                    Query(quantile(0.9, "gig_free_spell_seconds")),
                ),
                lines(
                    "With an offer to decide on",
                    "Share of online time.",
                    "percentunit",
                    Query(of("gig:with_offer:ratio1h")),
                ),
            ),
        ),
        (
            "Pay",
            (
                lines(
                    "Earnings an hour",
                    "Minor units, without tips.",
                    "short",
                    Query(of("gig:earnings_per_online_hour:minor1h"), "online"),
                    Query(of("gig:earnings_per_engaged_hour:minor1h"), "engaged"),
                    Query(of("gig_courier_net_hourly_earnings"), "online, net of cost"),
                ),
                lines(
                    "Mean over couriers, this week",
                    "Minor units an hour.",
                    "short",
                    Query(of("gig_courier_hourly_earnings_mean"), "{{basis}}"),
                ),
                stack(
                    "Pay by line",
                    "Minor units a second.",
                    "short",
                    Query(rate("gig_pay_minor_total", "line"), "{{line}}"),
                ),
                lines(
                    "Share below the policy's floor",
                    "Couriers online an hour or more this week.",
                    "percentunit",
                    Query(of("gig_courier_below_floor_ratio"), "{{basis}}"),
                ),
                lines(
                    "Inequality",
                    "Of hourly earnings: 0 is equal.",
                    "short",
                    Query(of("gig_courier_earnings_gini"), "Gini"),
                    Query(of("gig_courier_earnings_theil"), "Theil"),
                ),
                lines(
                    "Amortised fairness",
                    "Earnings share less time share.",
                    "percentunit",
                    Query(of("gig_courier_fairness_gap"), "{{statistic}}"),
                ),
                lines(
                    "Like jobs, unlike pay",
                    "Coefficient of variation.",
                    "percentunit",
                    Query(of("gig_pay_dispersion"), "per {{per}}"),
                ),
                lines(
                    "Pay follows the work",
                    "R² on time and distance.",
                    "percentunit",
                    Query(of("gig_pay_coupling_r2"), "{{kind}}"),
                ),
            ),
        ),
        (
            "The platform's part",
            (
                lines(
                    "Take rate", "Of fares after tax.", "percentunit", Query(of("gig:take_rate:ratio1h"), "{{kind}}")
                ),
                lines(
                    "Take rate of jobs",
                    "Half of them at most; nine in ten at most.",
                    "percentunit",
                    Query(quantile(0.5, "gig_job_take_rate"), "half"),
                    Query(quantile(0.9, "gig_job_take_rate"), "nine in ten"),
                ),
                lines(
                    "Surge that reaches couriers",
                    "Of what it adds to fares.",
                    "percentunit",
                    Query(of("gig:surge_pass_through:ratio1h")),
                ),
                number(
                    "Losers of the last policy",
                    "Couriers who earn less an hour than before.",
                    "percentunit",
                    Query(of("gig_policy_losers_ratio")),
                ),
                number(
                    "Change of the mean",
                    "Minor units an hour; it may rise while many lose.",
                    "short",
                    Query(of("gig_policy_mean_change")),
                ),
            ),
        ),
    ),
)

RATING = Board(
    "gig-rating",
    "Rating and standing",
    "How people are rated and sorted, and what comes of it.",
    (
        (
            "Ratings",
            (
                lines(
                    "Jobs rated",
                    "Of completed jobs, by who rates.",
                    "percentunit",
                    Query(of("gig:jobs_rated:ratio1h"), "{{rater}}"),
                ),
                lines(
                    "Inflation",
                    "Mean stars; entropy in bits, at most 2.32.",
                    "short",
                    Query(of("gig_rating_inflation", 'statistic=~"mean_stars|entropy_bits"'), "{{statistic}}"),
                ),
                lines(
                    "Five stars",
                    "Share of clients' ratings.",
                    "percentunit",
                    Query(of("gig_rating_inflation", 'statistic="five_star_share"')),
                ),
                lines(
                    "Raters differ",
                    "Leniency's SD, and what taking it out changes; stars.",
                    "short",
                    Query(of("gig_rater_leniency_sd"), "leniency"),
                    Query(of("gig_score_correction"), "change of scores"),
                ),
                stack(
                    "Excluded ratings",
                    "A second, by cause.",
                    "reqps",
                    Query(rate("gig_ratings_excluded_total", "cause"), "{{cause}}"),
                ),
                lines(
                    "Under pressure",
                    "Couriers within 0.1 stars of a threshold.",
                    "percentunit",
                    Query(of("gig_rating_pressure_ratio")),
                ),
                lines(
                    "Bad ratings to the cut",
                    "Ratings of one star.",
                    "short",
                    Query(of("gig_threshold_fragility_ratings"), "{{statistic}}"),
                ),
                lines(
                    "Ratings with a consequence",
                    "By whom they are about.",
                    "percentunit",
                    Query(of("gig:rating_consequence:ratio"), "{{rated}}"),
                ),
            ),
        ),
        (
            "Standing",
            (
                stack(
                    "Accounts not in good standing",
                    "",
                    "short",
                    Query(of("gig_accounts", 'standing!="good"'), "{{standing}}"),
                ),
                lines(
                    "Changes of standing",
                    "Since the log began.",
                    "short",
                    Query(
                        total("gig_standing_changes_total", by="standing, decider"),
                        "{{standing}} by {{decider}}",
                    ),
                ),
                lines("Locked out", "Of that and all online time.", "percentunit", Query(of("gig:lockout:ratio"))),
                lines(
                    "Short notice",
                    "Lockouts known for under 72 hours.",
                    "percentunit",
                    Query(of("gig:lockout_short_notice:ratio")),
                ),
                lines(
                    "Exits",
                    "Not seen for 28 days, by what went before.",
                    "percentunit",
                    Query(of("gig:exits:ratio"), "{{cohort}}"),
                ),
                lines(
                    "Long days",
                    "Spells online, since the log began.",
                    "short",
                    Query(of("gig_long_spells_total"), "{{at_least}}"),
                ),
            ),
        ),
    ),
)

DECISIONS = Board(
    "gig-decisions",
    "Decisions by machine and by human",
    "Who decides, whether they say why, and who may ask again.",
    (
        (
            "Who decides",
            (
                number(
                    "Explanation coverage", "Must be 1.", "percentunit", Query(of("gig:explanation_coverage:ratio"))
                ),
                stack(
                    "Decisions",
                    "A second, by who decided.",
                    "reqps",
                    Query(rate("gig_decisions_total", "decider"), "{{decider}}"),
                ),
                lines(
                    "Automation rate",
                    "Without a human, by kind.",
                    "percentunit",
                    Query(of("gig:automation_rate:ratio1h"), "{{kind}}"),
                ),
                lines(
                    "Decisions by kind", "A second.", "reqps", Query(rate("gig_decisions_total", "kind"), "{{kind}}")
                ),
            ),
        ),
        (
            "Reviews are work",
            (
                number("Reviews that wait", "", "short", Query(total("gig_reviews_open"))),
                number("Beyond their deadline", "Must be 0.", "short", Query(total("gig_reviews_overdue"))),
                lines("Reviews", "Since the log began.", "short", Query(of("gig_reviews_total"), "{{result}}")),
                lines(
                    "A reviewer's hour",
                    "Piece pay for an hour of reading, minor units.",
                    "short",
                    Query(of("gig:reviewer_pay_per_hour:minor")),
                ),
                lines(
                    "Reversal rate",
                    "Contested decisions that were wrong.",
                    "percentunit",
                    Query(of("gig:reversal_rate:ratio")),
                ),
                lines(
                    "Contests", "By kind and outcome.", "short", Query(of("gig_contests_total"), "{{kind}} {{outcome}}")
                ),
                lines(
                    "Time to an answer", "Nine in ten within.", "s", Query(quantile(0.9, "gig_contest_answer_seconds"))
                ),
                lines(
                    "Progress flags",
                    "Implausible reports that a human looks at, a second, by the check that they failed.",
                    "reqps",
                    Query(rate("gig_progress_flags_total", "check"), "{{check}}"),
                ),
                lines("Agreement", "Cohen's kappa.", "short", Query(of("gig_review_kappa"))),
                lines(
                    "Meaningful reviews",
                    "More than a signature.",
                    "percentunit",
                    Query(of("gig:meaningful_review:ratio")),
                ),
            ),
        ),
        (
            "What is harvested",
            (
                lines("Positions for each job", "On the log.", "short", Query(of("gig:location_points_per_job:ratio"))),
                lines("Age of positions", "Mean.", "s", Query(of("gig_location_points_age_seconds"))),
                lines("Events", "A second.", "reqps", Query(rate("gig_log_events_total", "market"))),
            ),
        ),
    ),
)

INTERNALS = Board(
    "gig-service",
    "Service internals",
    "Whether the service keeps up.",
    (
        (
            "Calls",
            (
                lines("Calls", "A second, by method.", "reqps", Query("gig:grpc_calls:rate5m", "{{method}}")),
                lines(
                    "Errors",
                    "Share of calls, by method.",
                    "percentunit",
                    Query("gig:grpc_errors:ratio5m", "{{method}}"),
                ),
                lines("Duration", "99 in 100 within.", "s", Query("gig:grpc_call_seconds:p99_5m", "{{method}}")),
                lines(
                    "Turned away",
                    "A second, by the limit that was reached.",
                    "reqps",
                    Query(rate("gig_refused_total", "limit"), "{{limit}}"),
                ),
                lines(
                    "Streams and watches",
                    "Open now.",
                    "short",
                    Query(of("gig_courier_streams"), "courier streams"),
                    Query(of("gig_job_watches"), "watches of jobs"),
                ),
            ),
        ),
        (
            "Log and tables",
            (
                lines("Appends", "99 in 100 within.", "s", Query("gig:log_append_seconds:p99_5m")),
                lines(
                    "Events an append",
                    "Mean.",
                    "short",
                    Query(
                        "sum(rate(gig_log_append_events_sum[$__rate_interval]))"
                        " / sum(rate(gig_log_append_events_count[$__rate_interval]))"
                    ),
                ),
                lines(
                    "Behind",
                    "Events.",
                    "short",
                    Query(of("gig_log_pending_events"), "on their way to the log"),
                    Query(of("gig_projection_lag_events"), "not in the tables yet"),
                    Query(of("gig_snapshot_lag_events"), "since the last snapshot"),
                ),
                lines("Database connections", "", "short", Query(of("gig_database_connections"), "{{state}}")),
            ),
        ),
        (
            "Process",
            (
                lines("Event loop lag", "99 in 100 within.", "s", Query("gig:event_loop_lag_seconds:p99_5m")),
                lines(
                    "Pings",
                    "A second, by what became of them.",
                    "reqps",
                    Query(rate("gig_locations_total", "result"), "{{result}}"),
                ),
                lines(
                    "Age of pings",
                    "Quantiles over couriers online.",
                    "s",
                    Query(of("gig_ping_age_seconds"), "{{share}}"),
                ),
                lines("Accepting", "1 while the market takes calls.", "short", Query(of("gig_market_accepting"))),
                lines("Clock", "Market seconds in a second.", "short", Query(of("gig_clock_speed"))),
            ),
        ),
    ),
)

BOARDS = (MARKET_HEALTH, DISPATCH, PAY_AND_TIME, RATING, DECISIONS, INTERNALS)
