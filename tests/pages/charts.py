"""The bars of a page's charts, as the browser has drawn them."""

from __future__ import annotations

from dataclasses import dataclass

from playwright.async_api import Page

# Of one instant: the values that Plotly was given, and the rectangles of its bars in pixels.
DRAWN = """(id) => {
  const chart = document.getElementById(id);
  const values = chart.data.flatMap((trace) => trace.orientation === "h" ? trace.x : trace.y);
  const bars = [...chart.querySelectorAll(".bars .point path")].map((path) => path.getBoundingClientRect());
  const area = chart.getBoundingClientRect();
  const inside = bars.every((bar) => bar.left >= area.left && bar.right <= area.right
    && bar.top >= area.top && bar.bottom <= area.bottom);
  return { values, bars: bars.map((bar) => [bar.width, bar.height]), inside };
}"""


@dataclass(frozen=True, slots=True)
class Bars:
    """``sizes``: width and height of each bar in pixels, beside its value. ``inside``: none leaves its chart."""

    values: list[float]
    sizes: list[tuple[float, float]]
    inside: bool


async def drawn(page: Page, chart_id: str) -> Bars:
    found = await page.evaluate(DRAWN, chart_id)
    return Bars(found["values"], [(width, height) for width, height in found["bars"]], found["inside"])
