"""The catalogue of measures, by family: each with its formula, unit, source and metrics."""

from dispatcher.measures.catalogue import automation, governmentality, monetisation, qualification
from dispatcher.measures.catalogue.measure import Family, Kind, Measure, Metric, Reading

CATALOGUE: tuple[Measure, ...] = tuple(
    sorted(
        (*monetisation.MEASURES, *qualification.MEASURES, *automation.MEASURES, *governmentality.MEASURES),
        key=lambda measure: measure.number,
    )
)

__all__ = ["CATALOGUE", "Family", "Kind", "Measure", "Metric", "Reading"]
