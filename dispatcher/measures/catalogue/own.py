"""A worker's own measures: those of the catalogue that can be about one person, by the same formulas and records."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from dispatcher.measures.catalogue import CATALOGUE, Measure, Reading
from dispatcher.measures.catalogue.governmentality import commanded_s
from dispatcher.measures.catalogue.measure import ratio
from dispatcher.measures.catalogue.monetisation import unpaid_s
from dispatcher.measures.fold import Measures
from dispatcher.measures.opinions import one_stars_to_cut
from dispatcher.measures.records import P3, PHASES, CourierRecord, Totals
from dispatcher.measures.work_time import HOUR_US, Sums
from dispatcher.times import SECOND

# The part of a measure that is a sum of money: an int, exact.
MINOR_UNITS = "minor_units"
# By part: P1, this week, accepted, ...; "all" where there is but one. None: nothing of the kind yet.
Values = Mapping[str, float | None]


@dataclass(frozen=True, slots=True)
class OwnMeasure:
    """``market``: of everyone together, where there is such a value; absent for fewer than ten people."""

    measure: Measure
    values: Values
    market: Values


def own_measures(reading: Reading, courier_id: str) -> list[OwnMeasure]:
    """In the catalogue's order; nothing for somebody who was not online in the last five weeks."""
    measures = reading.measures
    record = measures.couriers.get(courier_id)
    if record is None:
        return []
    alone = Sums()
    alone.add(record)
    return [
        OwnMeasure(measure, values, _same_of_market(measure, reading, values))
        for measure in CATALOGUE
        if measure.number in OWN and (values := OWN[measure.number](alone, record, measures))
    ]


def _same_of_market(measure: Measure, reading: Reading, values: Values) -> Values:
    if measure.number in SUMS:
        return {}
    found = measure.value(reading)
    if not isinstance(found, Mapping):
        found = {"all": found}
    named = {"this week": found.get("mean", found.get("all"))} | dict(found)
    return {name: named[name] for name in values if named.get(name) is not None}


# Of these the market's value is a sum over people, with which nobody compares themselves.
SUMS = frozenset({1, 8, 15, 29, 40})


def _time(alone: Sums, _record: CourierRecord, _measures: Measures) -> Values:
    return {name: us / SECOND for name, us in zip(PHASES, alone.phases_us, strict=True)}


def _utilisation(alone: Sums, _record: CourierRecord, _measures: Measures) -> Values:
    return {"all": ratio(alone.phases_us[P3], alone.online_us)}


def _unpaid(alone: Sums, _record: CourierRecord, _measures: Measures) -> Values:
    return {"all": ratio(sum(unpaid_s(alone).values()) * SECOND, alone.online_us)}


def _by_period(record: CourierRecord, earned: Callable[[Totals], float], us: Callable[[Totals], int]) -> Values:
    """Earnings an hour: of the week from Monday, and since the records began."""
    periods = {"this week": record.since(record.week), "since the start": record.totals()}
    return {name: ratio(earned(part), us(part) / HOUR_US) for name, part in periods.items()}


def _online(_alone: Sums, record: CourierRecord, _measures: Measures) -> Values:
    return _by_period(record, lambda part: part.earned, lambda part: part.online_us)


def _engaged(_alone: Sums, record: CourierRecord, _measures: Measures) -> Values:
    return _by_period(record, lambda part: part.earned, lambda part: part.engaged_us)


def _net(_alone: Sums, record: CourierRecord, measures: Measures) -> Values:
    per_km = measures.terms.costs.get(record.vehicle, 0.0)
    return _by_period(record, lambda part: part.earned - part.metres / 1000 * per_km, lambda part: part.online_us)


def _top_up(_alone: Sums, record: CourierRecord, _measures: Measures) -> Values:
    added = record.pay.get("top_up", 0)
    return {MINOR_UNITS: added, "share": ratio(added, record.earned)}


def _ratings(_alone: Sums, record: CourierRecord, _measures: Measures) -> Values:
    return {"received": float(record.ratings), "score": record.score} if record.ratings else {}


def _offers(_alone: Sums, record: CourierRecord, _measures: Measures) -> Values:
    return {name: float(count) for name, count in record.offers.items() if count}


def _choice(alone: Sums, record: CourierRecord, _measures: Measures) -> Values:
    return {
        "offers an hour": ratio(record.offers_made * HOUR_US, alone.online_us),
        "share with an offer": ratio(alone.with_offer_us, alone.online_us),
    }


def _displaced(alone: Sums, _record: CourierRecord, _measures: Measures) -> Values:
    return {"waiting at pickup": alone.waiting_us / SECOND, "cancelled": alone.cancelled_us / SECOND}


def _hors_travail(alone: Sums, _record: CourierRecord, _measures: Measures) -> Values:
    commanded = commanded_s(alone)
    return {"all": ratio(commanded["false"], sum(commanded.values()))}


def _fragility(_alone: Sums, record: CourierRecord, measures: Measures) -> Values:
    if measures.terms.cut is None or not record.ratings:
        return {}
    return {"one-star ratings": float(one_stars_to_cut(record, measures.terms, measures.time_us))}


OWN: Mapping[int, Callable[[Sums, CourierRecord, Measures], Values]] = {
    1: _time,
    2: _utilisation,
    3: _unpaid,
    4: _online,
    5: _engaged,
    6: _net,
    8: _top_up,
    15: _ratings,
    29: _offers,
    33: _choice,
    40: _displaced,
    41: _hors_travail,
    43: _fragility,
}
