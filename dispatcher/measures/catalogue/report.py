"""A log's measures as a report: of a replayed day, or of what a command was given."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from dispatcher.measures.catalogue import CATALOGUE, Measure, Reading
from dispatcher.measures.fold import Measures
from dispatcher.measures.population import figures
from dispatcher.times import SECOND
from gig.v1 import events_pb2 as events_pb


def reading_of(events: Iterable[events_pb.Event]) -> Reading:
    """The measures of a whole log, as of its last event."""
    measures = Measures()
    for event in events:
        measures.fold(event)
    measures.bring_to(measures.time_us)
    return Reading(measures, figures(measures))


def as_data(reading: Reading, chosen: Iterable[Measure] = CATALOGUE) -> dict[str, Any]:
    """The catalogue with its values, for JSON; and contested decisions by week."""
    measures_ = reading.measures
    return {
        "events": measures_.sequence,
        "time": measures_.time_us / SECOND,
        "currency": measures_.currency,
        "policy_version": measures_.policy_version,
        "measures": [
            {
                "number": measure.number,
                "name": measure.name,
                "family": measure.family.value,
                "unit": measure.unit,
                "value": measure.value(reading),
                "formula": measure.formula,
                "source": measure.source,
            }
            for measure in chosen
        ],
        "contests_by_week": {
            week: dict(zip(("opened", "upheld", "overturned"), counts, strict=True))
            for week, counts in measures_.reviews.cohorts.items()
        },
    }
