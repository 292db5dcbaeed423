"""The service's own state as Prometheus metrics, read at each scrape."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

import asyncpg
import numpy as np
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.metrics_core import Metric as Exposed
from prometheus_client.registry import Collector

from dispatcher.times import micros
from services.host import attention
from services.host.dispatch import Dispatch
from services.host.locations import JUMP, STALE
from services.host.market_host import MarketHost

QUANTILES = (0.5, 0.9, 0.99)


class ServiceCollector(Collector):
    """Intake, streams, log and tables, solver, database pool. ``clock_speed`` 1, unless this is a demonstration."""

    def __init__(self, host: MarketHost, dispatch: Dispatch, pool: asyncpg.Pool) -> None:
        self._host, self._dispatch, self._pool = host, dispatch, pool

    def describe(self) -> Iterable[Exposed]:
        """Nothing is read for it."""
        return ()

    def collect(self) -> Iterator[Exposed]:
        host = self._host
        taken = host.positions.intake
        counts = {"accepted": taken.accepted, "refused": taken.refused}
        counts |= {"stale": taken.reasons[STALE], "jump": taken.reasons[JUMP]}
        text = "Pings taken; batches with refused pings; newest pings of batches set aside as stale, or as a jump"
        yield self._counter("gig_locations", text, counts, "result")
        text = "Positions that were not used, by reason"
        yield self._counter("gig_positions_unused", text, taken.reasons, "reason")
        yield self._counter("gig_location_batches_sorted", "Batches that came unordered", {"": taken.unordered})
        text = "Since couriers online were last heard of: what this share of them has at most"
        yield self._gauge("gig_ping_age_seconds", text, self._ages(), "share")
        yield self._gauge("gig_courier_streams", "Open courier streams", {"": host.sessions.streams()})
        takeovers = {"taken_over": host.sessions.taken_over, "kept_off": host.sessions.kept_off}
        text = "Connections of a courier whose stream was open already: took over from it, or were kept off"
        yield self._counter("gig_courier_takeovers", text, takeovers, "result")
        yield self._gauge("gig_job_watches", "Open watches of jobs", {"": host.watches.count()})
        yield self._gauge("gig_log_sequence", "Last event that is durable", {"": host.measures.sequence})
        lag = host.measures.sequence - host.projector.sequence
        yield self._gauge("gig_projection_lag_events", "Durable events that the tables do not show yet", {"": lag})
        yield self._gauge("gig_log_pending_events", "Events on their way to the log", {"": host.pending()})
        yield self._gauge("gig_snapshot_lag_events", "Events since the last snapshot", {"": self._unsaved()})
        text = "Rounds decided by an earlier stage or greedily"
        yield self._counter("gig_solver_fallbacks", text, {"": self._dispatch.rounds_failed})
        yield self._gauge("gig_reviews_overdue", "Reviews that wait beyond their deadline", {"": self._overdue()})
        text = "Items that ListAttention shows, by kind"
        yield self._gauge("gig_attention_items", text, attention.counts(host), "kind")
        text = "How often anything was set aside because it could not be computed, by the loop that met it"
        yield self._counter("gig_set_aside", text, host.quarantine.counts, "loop")
        size, idle = self._pool.get_size(), self._pool.get_idle_size()
        connections = {"idle": idle, "busy": size - idle}
        yield self._gauge("gig_database_connections", "Connections of the pool", connections, "state")
        yield self._gauge("gig_market_accepting", "1 while the market takes calls", {"": int(host.accepting)})
        yield self._gauge("gig_clock_speed", "Market seconds in a wall second", {"": host.clock.speed})

    def _ages(self) -> dict[str, float]:
        host = self._host
        numbers = np.array([host.market.state.numbers[name] for name in host.measures.online], np.int64)
        if not numbers.size:
            return {}
        heard_ms = np.array([host.positions.index.last_ms(number) for number in numbers.tolist()], np.float64)
        ages = np.quantile(np.maximum(host.clock.now() / 1000 - heard_ms, 0.0) / 1000, QUANTILES)
        return {str(share): float(age) for share, age in zip(QUANTILES, ages, strict=True)}

    def _unsaved(self) -> int:
        return max(self._host.market.sequence - self._host.snapshot_sequence, 0)

    def _overdue(self) -> int:
        now = self._host.clock.now()
        return sum(micros(review.answer_by_time) < now for review in self._host.market.state.reviews.values())

    def _gauge(self, name: str, text: str, values: Mapping[str, float], label: str = "") -> Exposed:
        return self._filled(GaugeMetricFamily(name, text, labels=_labels(label)), values, label)

    def _counter(self, name: str, text: str, values: Mapping[str, float], label: str = "") -> Exposed:
        return self._filled(CounterMetricFamily(name, text, labels=_labels(label)), values, label)

    def _filled(
        self, family: GaugeMetricFamily | CounterMetricFamily, values: Mapping[str, float], label: str
    ) -> Exposed:
        for value, number in values.items():
            family.add_metric([self._host.market_id, value] if label else [self._host.market_id], number)
        return family


def _labels(label: str) -> list[str]:
    return ["market", label] if label else ["market"]
