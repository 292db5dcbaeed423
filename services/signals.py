"""The service's own distributions: how long its parts take. Declared here once, observed where the work is done."""

from __future__ import annotations

from prometheus_client import CollectorRegistry, Histogram

QUICK_S = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5)


class Signals:
    """``append``: a group commit; ``stages``: of a round, by its stage; ``loop_lag``: how late the event loop
    wakes."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self.append = Histogram(
            "gig_log_append_seconds", "Appending a batch of events to the log", registry=registry, buckets=QUICK_S
        )
        self.appended = Histogram(
            "gig_log_append_events",
            "Events in a batch that is appended",
            registry=registry,
            buckets=(1, 2, 5, 10, 25, 50, 100, 250, 1000, 5000),
        )
        self.stages = Histogram(
            "gig_round_stage_seconds", "Stages of batch rounds", ["stage"], registry=registry, buckets=QUICK_S
        )
        self.loop_lag = Histogram(
            "gig_event_loop_lag_seconds", "How late the event loop wakes", registry=registry, buckets=QUICK_S
        )
