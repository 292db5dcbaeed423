"""The catalogue as a page of the documentation, made from the code, so that it cannot drift."""

from __future__ import annotations

from dispatcher.measures.catalogue import CATALOGUE
from dispatcher.measures.catalogue.market import STATE_OF_MARKET
from dispatcher.measures.catalogue.measure import Family, Kind, Measure, Metric

HEAD = """# Measures

What is measured of work, in four families after Casilli's *Qualifier, monétiser, automatiser* (2017). Everything is
computed from the event log by one projection, which the metrics, `gig measures`, replays and each worker's own page
share. `gig measures --docs` prints this page.

P1 is waiting for work, P2 the way to a pickup, P2w waiting there, P3 with a job aboard. Earnings are all lines of pay
but tips. Amounts are minor units. A measure is absent, never 0, where nothing of its kind has happened, and where it
would be about fewer than ten people. No person is ever a label. No measure here may feed a sanction; of a floor on
engaged time, read unpaid time (3), exits (37) and lockouts (42) beside it, for such a floor rewards making people wait.

A ratio of sums and a mean of ratios differ: where a measure has both, `all` is the ratio of sums.
"""


def page() -> str:
    sections = [HEAD]
    for family in Family:
        sections.append(f"## {family.value.capitalize()}\n")
        sections.extend(_section(measure) for measure in CATALOGUE if measure.family is family)
    sections.append("## State of the market\n\n" + "".join(map(_line, STATE_OF_MARKET)))
    return "\n".join(sections)


def _section(measure: Measure) -> str:
    return (
        f"### {measure.number}. {measure.name}\n\n{measure.text}\n\n"
        f"- Formula: {measure.formula}\n- Unit: {measure.unit}\n- Source: {measure.source}\n"
        + "".join(map(_line, measure.metrics))
    )


def _line(metric: Metric) -> str:
    name = f"{metric.name}_total" if metric.kind is Kind.COUNTER else metric.name
    labels = "".join(f"; `{label}`: {values}" for label, values in metric.labels.items())
    return f"- `{name}` ({metric.kind.value}): {metric.help}{labels}\n"
