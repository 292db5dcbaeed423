"""The measures and the service's own signals as Prometheus metrics, read at each scrape."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from prometheus_client.core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
    Metric,
)
from prometheus_client.registry import Collector

from dispatcher.measures.histogram import Histogram
from dispatcher.times import micros
from services.host.dispatch import Dispatch
from services.host.market_host import MarketHost

ACTIVE_JOBS = ("quoted", "scheduled", "queued", "offered", "assigned", "at_pickup", "picked_up")


class MarketCollector(Collector):
    """One market's families. Labels are closed vocabularies: states, phases, outcomes; never a person."""

    def __init__(self, host: MarketHost, dispatch: Dispatch) -> None:
        self._host = host
        self._dispatch = dispatch

    def describe(self) -> Iterable[Metric]:
        return ()

    def collect(self) -> Iterator[Metric]:
        yield from self._measures()
        yield from self._service()

    def _measures(self) -> Iterator[Metric]:
        measures, market = self._host.measures, self._host.market_id
        jobs, states = measures.jobs_by_state(), measures.couriers_by_state()
        yield self._gauge("gig_jobs", "Live jobs, by state", "state", {s: jobs[s] for s in ACTIVE_JOBS})
        yield self._counter("gig_jobs_placed", "Jobs placed, by kind", "kind", measures.jobs_placed)
        yield self._counter("gig_jobs_ended", "Jobs ended, by terminal state", "state", measures.jobs_ended)
        yield self._gauge("gig_couriers", "Couriers online, by state", "state", states)
        yield self._counter("gig_offers", "Offers closed, by outcome", "outcome", measures.offers)
        yield self._counter(
            "gig_courier_time_seconds",
            "Courier time: P1 free, P2 to pickup, P2w waiting there, P3 with job",
            "phase",
            measures.courier_seconds_until(self._host.clock.now()),
        )
        yield self._counter(
            "gig_courier_distance_metres", "Distance by the offers' estimates", "loaded", measures.courier_metres
        )
        decisions = CounterMetricFamily(
            "gig_decisions", "Decisions, by kind and by who decided", labels=["market", "kind", "decider"]
        )
        for decision, count in sorted(measures.decisions.items()):
            decisions.add_metric([market, *decision.split("/")], count)
        yield decisions
        pay = CounterMetricFamily(
            "gig_pay_minor", "Courier pay in minor units, by line", labels=["market", "line", "currency"]
        )
        for line, amount in sorted(measures.pay_minor.items()):
            pay.add_metric([market, line, measures.currency], amount)
        yield pay
        for name, amount in (("fares", measures.fares_minor), ("tax", measures.tax_minor)):
            family = CounterMetricFamily(
                f"gig_{name}_minor", f"Clients' {name} in minor units", labels=["market", "currency"]
            )
            family.add_metric([market, measures.currency], amount)
            yield family
        yield self._histogram("gig_wait_for_accept_seconds", "From placing to acceptance", measures.wait_for_accept)
        yield self._histogram("gig_wait_for_pickup_seconds", "From placing to pickup", measures.wait_for_pickup)
        yield self._histogram("gig_offer_answer_seconds", "From offer to answer", measures.time_to_answer)
        causes = measures.ratings_excluded
        yield self._counter("gig_ratings_excluded", "Ratings that do not count, by cause", "cause", causes)
        yield from self._reviews()
        yield self._counter("gig_rounds", "Batch rounds, and pairs overtaken while solving", "result", measures.rounds)

    def _reviews(self) -> Iterator[Metric]:
        work = self._host.measures.reviews
        counts = {"opened": work.opened, "decided": work.decided, "overturned": work.overturned}
        yield self._counter("gig_reviews", "Reviews by humans, by what became of them", "result", counts)
        yield self._gauge("gig_reviews_open", "Reviews that wait", "", {"": len(self._host.market.state.reviews)})
        now, waiting = self._host.clock.now(), self._host.market.state.reviews.values()
        late = sum(micros(review.answer_by_time) < now for review in waiting)
        yield self._gauge("gig_reviews_overdue", "Reviews that wait beyond their deadline", "", {"": late})
        yield self._counter("gig_review_opinions", "Answers of reviewers", "", {"": work.opinions})
        yield self._counter("gig_review_time_seconds", "Time spent on reviews", "", {"": work.seconds})
        currency = {self._host.measures.currency: work.pay_minor}
        yield self._counter("gig_review_pay_minor", "Reviewers' pay in minor units", "currency", currency)
        second = {"": work.second_opinions}
        yield self._counter("gig_review_second_opinions", "Decided reviews with two opinions or more", "", second)
        kappa = work.kappa()
        if kappa is not None:
            yield self._gauge("gig_review_kappa", "Cohen's kappa of first and second opinions", "", {"": kappa})

    def _service(self) -> Iterator[Metric]:
        host = self._host
        taken = host.locations
        counts = {"accepted": taken.accepted, "refused": taken.refused, "stale": taken.stale, "jump": taken.jumps}
        text = "Pings taken; batches refused; newest pings of batches set aside as stale, or as a jump"
        yield self._counter("gig_locations", text, "result", counts)
        yield self._gauge("gig_courier_streams", "Open courier streams", "", {"": host.sessions.streams()})
        yield self._gauge("gig_log_sequence", "Last event folded into the measures", "", {"": host.measures.sequence})
        yield self._gauge("gig_projection_sequence", "Last event in the tables", "", {"": host.projector.sequence})
        yield self._counter(
            "gig_solver_fallbacks",
            "Rounds decided by an earlier stage or greedily",
            "",
            {"": self._dispatch.rounds_failed},
        )
        yield self._gauge("gig_round_stage_seconds", "Stages of the last round", "stage", self._dispatch.stages_s)

    def _gauge(self, name: str, text: str, label: str, values: dict[str, float] | dict[str, int]) -> Metric:
        return self._filled(GaugeMetricFamily(name, text, labels=_labels(label)), label, values)

    def _counter(self, name: str, text: str, label: str, values: dict[str, float] | dict[str, int]) -> Metric:
        return self._filled(CounterMetricFamily(name, text, labels=_labels(label)), label, values)

    def _filled(
        self, family: GaugeMetricFamily | CounterMetricFamily, label: str, values: dict[str, float] | dict[str, int]
    ) -> Metric:
        for value, number in sorted(values.items()):
            family.add_metric([self._host.market_id, value] if label else [self._host.market_id], number)
        return family

    def _histogram(self, name: str, text: str, histogram: Histogram) -> Metric:
        family = HistogramMetricFamily(name, text, labels=["market"])
        seen, buckets = 0, []
        for edge, count in zip((*histogram.edges, "+Inf"), histogram.counts, strict=True):
            seen += count
            buckets.append((str(edge), seen))
        family.add_metric([self._host.market_id], buckets, histogram.total)
        return family


def _labels(label: str) -> list[str]:
    return ["market", label] if label else ["market"]
