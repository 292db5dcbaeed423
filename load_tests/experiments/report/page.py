"""The page around the figures: what was compared, and every measure's difference in a table."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from importlib import resources
from itertools import groupby
from pathlib import Path
from typing import Any

import jinja2
import plotly.graph_objects as go
import plotly.io
from markupsafe import Markup
from plotly.offline import get_plotlyjs

from load_tests.experiments.comparison import is_clear


@dataclass(frozen=True, slots=True)
class Picture:
    title: str
    caption: str
    figure: go.Figure

    @property
    def html(self) -> str:
        options = {"displayModeBar": False, "responsive": True}
        return str(plotly.io.to_html(self.figure, include_plotlyjs=False, full_html=False, config=options))


@dataclass(frozen=True, slots=True)
class Row:
    """Cells of a table, or the ``family`` that the rows below belong to. ``clear``: its interval does not hold zero."""

    cells: tuple[str, ...] = ()
    family: str = ""
    clear: bool = False


@dataclass(frozen=True, slots=True)
class Section:
    title: str
    text: str
    columns: tuple[str, ...]
    rows: Sequence[Row] = field(default_factory=list)


def write_page(
    out: Path,
    title: str,
    lead: str,
    facts: Iterable[tuple[str, str]],
    pictures: Sequence[Picture],
    sections: Sequence[Section],
) -> None:
    """One file: scripts and styles are in it."""
    template = resources.files("load_tests.experiments.report").joinpath("page.html.j2").read_text("utf-8-sig")
    environment = jinja2.Environment(autoescape=True, undefined=jinja2.StrictUndefined)
    text = environment.from_string(template).render(
        title=title,
        lead=lead,
        facts=list(facts),
        figures=[{"title": each.title, "caption": each.caption, "html": _safe(each.html)} for each in pictures],
        sections=sections,
        plotly_js=_safe(get_plotlyjs()),
    )
    out.write_text(text, "utf-8")


def difference_rows(differences: Iterable[dict[str, Any]]) -> list[Row]:
    """By family, in the catalogue's order."""
    return _by_family(differences, _difference)


def value_rows(values: Iterable[dict[str, Any]]) -> list[Row]:
    """The same of values that there is nothing to compare with."""
    return _by_family(values, lambda each: Row(cells=(each["measure"], each["unit"], number(each["value"]))))


def _by_family(rows: Iterable[dict[str, Any]], row_of: Callable[[dict[str, Any]], Row]) -> list[Row]:
    ordered = sorted(rows, key=lambda row: _FAMILIES.index(row["family"]))
    found: list[Row] = []
    for family, members in groupby(ordered, key=lambda row: str(row["family"])):
        found += [Row(family=family), *map(row_of, members)]
    return found


def _difference(each: dict[str, Any]) -> Row:
    low, high = each["low"], each["high"]
    span = "too few seeds" if low is None else f"{number(low)} to {number(high)}"
    numbers = (number(each[name]) for name in ("baseline_mean", "mean", "difference"))
    return Row(cells=(each["measure"], each["unit"], *numbers, span), clear=is_clear(low, high))


_FAMILIES = ("service", "qualification", "monetisation", "automation", "governmentality")


def number(value: float | None) -> str:
    """Four significant digits, thousands apart."""
    if value is None:
        return "–"
    if value == 0:
        return "0"
    if abs(value) >= 1000:
        return f"{value:,.0f}"
    return f"{value:.4g}"


def _safe(text: str) -> Markup:
    """Our own markup and scripts, not to be escaped."""
    return Markup(text)
