"""The market at a glance, from its measures: what OversightService/GetMarket answers."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from google.protobuf.duration_pb2 import Duration

from dispatcher.measures import Measures
from dispatcher.measures.histogram import Histogram
from dispatcher.measures.records import P1, P2, P2W, P3
from dispatcher.pricing.amounts import saturated
from dispatcher.pricing.surge import NONE_PERCENT, SCALE
from dispatcher.times import SECOND, duration, timestamp
from geo.cells import cell_name
from gig.v1 import offer_pb2 as offer_pb
from gig.v1 import oversight_service_pb2 as pb
from gig.v1 import types_pb2 as types_pb
from services.host.market_host import MarketHost

SURGE_SHOWN = 100


def market_view(host: MarketHost) -> pb.MarketView:
    measures, now = host.measures, host.clock.now()
    spent = host.reading().figures.sums.phases_us
    offers = dict(measures.offers.outcomes) | {"open": len(measures.offers.open)}
    view = pb.MarketView(
        market_id=host.market_id,
        time=timestamp(now),
        sequence=measures.sequence,
        policy_version=measures.policy_version,
        jobs=_counts(measures.jobs_by_state()),
        couriers=_counts(measures.couriers_by_state()),
        offers=_counts(offers),
        wait_for_accept=_distribution(measures.wait_for_accept),
        wait_for_pickup=_distribution(measures.wait_for_pickup),
        fares=_money(host, measures.money.fares_all()),
        pay=_money(host, measures.money.pay_without_tips()),
        tax=_money(host, measures.money.taxes.total()),
        jobs_placed=sum(measures.jobs_placed.values()),
        courier_free=duration(spent[P1]),
        courier_to_pickup=duration(spent[P2] + spent[P2W]),
        courier_with_job=duration(spent[P3]),
        clock_speed=host.clock.speed,
        decisions=_decisions(measures),
        reviews=_reviews(host),
        surge=_surge(host),
    )
    if measures.last_round:
        last = measures.last_round
        view.last_round.CopyFrom(
            pb.LastRound(
                sequence=last["sequence"],
                time=timestamp(last["time_us"]),
                jobs=last["jobs"],
                couriers=last["couriers"],
                offers=last["offers"],
                held=last["held"],
                bundled=last["bundled"],
                stranded=host.stranded,
                unmatched_gates=[
                    offer_pb.GateCount(gate=f"GATE_{name.upper()}", removed=min(removed, 2**32 - 1))
                    for name, removed in measures.unmatched_gates.items()
                ],
            )
        )
    return view


def _reviews(host: MarketHost) -> pb.ReviewWork:
    work = host.measures.reviews
    hours = work.seconds / 3600
    kappa = work.kappa()
    return pb.ReviewWork(
        opened=work.opened,
        decided=work.decided,
        opinions=work.opinions,
        overturned=work.overturned,
        time_spent=_seconds(work.seconds),
        pay=_money(host, work.pay_minor),
        pay_per_hour=_money(host, round(work.pay_minor / hours) if hours else 0),
        second_opinion_rate=work.second_opinions / work.decided if work.decided else 0.0,
        kappa=kappa,
    )


def _surge(host: MarketHost) -> list[pb.CellSurge]:
    field = host.market.state.surge
    order = np.argsort(-field.percent, kind="stable")
    chosen = order[field.percent[order] != NONE_PERCENT][:SURGE_SHOWN]
    return [
        pb.CellSurge(
            cell=cell_name(int(field.cells[row])),
            multiplier_percent=int(field.percent[row]),
            demand=int(field.demand[row]) / SCALE,
            supply=int(field.supply[row]) / SCALE,
        )
        for row in chosen.tolist()
    ]


def _money(host: MarketHost, minor_units: int) -> types_pb.Money:
    return types_pb.Money(minor_units=saturated(minor_units), currency_code=host.measures.currency)


def _decisions(measures: Measures) -> list[pb.DecisionCount]:
    totals = measures.decisions.totals()
    return [
        pb.DecisionCount(
            kind=kind,
            by_rule=totals[f"{kind}/rule"],
            by_solver=totals[f"{kind}/solver"],
            by_human=totals[f"{kind}/human"],
            automation_rate=rate,
        )
        for kind, rate in measures.decisions.automation_rates().items()
    ]


def _counts(counts: Mapping[str, int]) -> list[pb.StateCount]:
    return [pb.StateCount(state=state, count=count) for state, count in sorted(counts.items())]


def _distribution(histogram: Histogram) -> pb.Distribution:
    return pb.Distribution(
        count=histogram.count,
        mean=_seconds(histogram.mean),
        p50=_seconds(histogram.quantile(0.5)),
        p90=_seconds(histogram.quantile(0.9)),
    )


def _seconds(seconds: float) -> Duration:
    return duration(round(seconds * SECOND))
