"""The state of a market, beside the measures: what an operator looks at first."""

from __future__ import annotations

from dispatcher.measures.catalogue.measure import Reading, counter, each, gauge, histogram, only

ACTIVE = ("quoted", "scheduled", "queued", "offered", "assigned", "at_pickup", "picked_up")


def _jobs(reading: Reading) -> dict[str, float]:
    jobs = reading.measures.jobs_by_state()
    return {state: jobs[state] for state in ACTIVE}


STATE_OF_MARKET = (
    gauge("gig_jobs", "Live jobs, by state", {"state": ", ".join(ACTIVE)}, lambda reading: each(_jobs(reading))),
    counter(
        "gig_jobs_placed",
        "Jobs placed, by kind",
        {"kind": "ride, delivery"},
        lambda reading: each(reading.measures.jobs_placed),
    ),
    counter(
        "gig_jobs_ended",
        "Jobs ended, by terminal state",
        {"state": "completed, cancelled, expired, failed, quote_expired, quote_cancelled"},
        lambda reading: each(reading.measures.jobs_ended),
    ),
    gauge(
        "gig_couriers",
        "Couriers online, by state",
        {"state": "free, to_pickup, at_pickup, with_job"},
        lambda reading: each(reading.measures.couriers_by_state()),
    ),
    histogram(
        "gig_wait_for_accept_seconds",
        "From placing to acceptance",
        {},
        lambda reading: {(): reading.measures.wait_for_accept},
        people=False,
    ),
    histogram(
        "gig_wait_for_pickup_seconds",
        "From placing to pickup",
        {},
        lambda reading: {(): reading.measures.wait_for_pickup},
        people=False,
    ),
    counter(
        "gig_rounds",
        "Batch rounds by result; pairs overtaken while solving, held back, bundled; jobs whose search was truncated",
        {"result": "solved, fallback, overtaken, held, bundled, truncated"},
        lambda reading: each(reading.measures.rounds),
    ),
    counter(
        "gig_trips",
        "Completed trips straight from pickup to drop-off, by what the learned travel model did with them",
        {"use": "learned, too_short, too_fast, too_slow"},
        lambda reading: each(reading.measures.trip_uses),
    ),
    counter(
        "gig_progress_flags",
        "Reports of progress that went to a human as implausible, by the check that they failed",
        {"check": "stop_distance, speed"},
        lambda reading: each(reading.measures.flags),
    ),
    gauge(
        "gig_oldest_waiting_job_seconds",
        "Age of the oldest job that waits for a courier",
        {},
        lambda reading: only(_oldest_s(reading)),
    ),
    gauge(
        "gig_policy_version",
        "Version of the policy in force",
        {},
        lambda reading: only(reading.measures.policy_version),
    ),
)


def _oldest_s(reading: Reading) -> float:
    measures = reading.measures
    waiting = (job.placed_us for job in measures.jobs.values() if job.state in ("queued", "offered"))
    return max((measures.time_us - min(waiting, default=measures.time_us)) / 1e6, 0.0)
