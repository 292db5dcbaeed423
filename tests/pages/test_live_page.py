"""The live page in a real browser: it draws the market, moves, says why, hides who is where, and survives a restart."""

from __future__ import annotations

import json
import re
from typing import Any

import aiohttp
import numpy as np
import pytest
from axe_playwright_python.async_playwright import Axe
from playwright.async_api import Page, expect

from geo.geojson import zones_from_geojson
from load_tests.cities.generated import GeneratedCity
from tests.pages.charts import drawn
from tests.pages.conftest import PATIENCE, Seen, Town, serving

pytestmark = pytest.mark.usefixtures("browser")


async def arrive(page: Page, url: str) -> None:
    """Until the market is drawn and something is decided in it."""
    await page.goto(url)
    await page.locator("#map .cell").first.wait_for(timeout=PATIENCE)
    await page.locator("#decisions button").first.wait_for(timeout=PATIENCE)


async def sequence(page: Page) -> int:
    """Of the last picture; shapes of cells come before the first one."""
    await expect(page.locator("body")).to_have_attribute("data-sequence", re.compile(r"\d+"), timeout=PATIENCE)
    return int(await page.evaluate("document.body.dataset.sequence"))


async def moved_on(page: Page, before: int) -> None:
    """A restart is on the log too."""
    await expect(page.locator("body")).not_to_have_attribute("data-sequence", str(before), timeout=PATIENCE)
    assert await sequence(page) > before


async def test_it_draws_the_market_and_loads_nothing_from_elsewhere(town: Town, seen: Seen) -> None:
    await arrive(seen.page, town.url)
    await expect(seen.page.locator("#connection")).to_have_text("live")
    for family in ("monetisation", "qualification", "automation", "governmentality"):
        await expect(seen.page.locator(f"[data-family={family}] dd").first).to_be_visible()
    await expect(seen.page.locator("#map .zone")).to_have_count(2)
    await expect(seen.page.locator("#round dd").first).to_have_text(re.compile(r"\d\d:\d\d:\d\d"))
    await seen.page.get_by_text("All measures of governmentality").click()
    await expect(seen.page.locator("[data-family=governmentality] tbody tr")).to_have_count(14)
    assert seen.faults == []
    assert [url for url in seen.asked if not url.startswith((town.url, "data:", "blob:"))] == []


@pytest.fixture
async def anybody(town: Town, seen: Seen) -> Seen:
    """A page that shows the market, and on which nobody is signed in."""
    await arrive(seen.page, town.url)
    return seen


@pytest.mark.parametrize("chart", ["waits", "earnings"])
async def test_each_bar_of_a_distribution_has_an_area_in_proportion_to_its_count(anybody: Seen, chart: str) -> None:
    await expect(anybody.page.locator(f"#{chart} .bars .point").first).to_be_attached(timeout=PATIENCE)
    bars = await drawn(anybody.page, chart)
    heights = [height for _, height in bars.sizes]
    assert max(bars.values) > 0
    assert max(heights) > 50
    assert bars.inside
    for (width, height), value in zip(bars.sizes, bars.values, strict=True):
        assert (width * height > 0) == (value > 0)
        assert height == pytest.approx(max(heights) * value / max(bars.values), abs=1.5)


async def test_it_moves_with_the_market(anybody: Seen) -> None:
    before = await sequence(anybody.page)
    await moved_on(anybody.page, before)


async def test_an_operator_opens_a_decision_to_its_reason_by_keyboard(town: Town, seen: Seen) -> None:
    await arrive(seen.page, f"{town.url}/{town.signed_in('operator', 'ann')}")
    await seen.page.get_by_label("Kind of decision").select_option("offer")
    offer = seen.page.locator("#decisions button").first
    await offer.wait_for(timeout=PATIENCE)
    await offer.focus()
    await seen.page.keyboard.press("Enter")
    dialog = seen.page.get_by_role("dialog")
    await expect(dialog).to_contain_text("could take this job and were compared")
    await expect(dialog).to_contain_text("least total cost of the round")
    await expect(dialog).to_contain_text("Cost of this pair")
    await seen.page.keyboard.press("Escape")
    await expect(dialog).to_be_hidden()


async def test_a_decision_opens_at_its_beginning_also_the_second_time(town: Town, seen: Seen) -> None:
    await arrive(seen.page, f"{town.url}/{town.signed_in('operator', 'ann')}")
    await seen.page.get_by_label("Kind of decision").select_option("offer")
    dialog = seen.page.locator("#decision")
    for height in (400, 400, 900, 900):
        await seen.page.set_viewport_size({"width": 1300, "height": height})
        await seen.page.locator("#decisions button").first.click(timeout=PATIENCE)
        await expect(dialog).to_contain_text("Cost of this pair")
        assert await dialog.evaluate("box => box.scrollTop") == 0
        await expect(seen.page.locator("#decision-title")).to_be_focused()
        await expect(seen.page.locator("#decision-title")).to_be_in_viewport(ratio=1)
        await dialog.evaluate("box => { box.scrollTop = box.scrollHeight; }")
        await seen.page.keyboard.press("Escape")
        await expect(dialog).to_be_hidden()


async def test_others_see_how_an_offer_was_chosen_and_nobody_in_it(anybody: Seen) -> None:
    await anybody.page.locator("#decisions button").first.click()
    dialog = anybody.page.get_by_role("dialog")
    await expect(dialog).to_contain_text("Cost of this pair")
    text = await dialog.inner_text()
    assert not re.search(r"courier-\d|rider-\d|restaurant-\d|\$", text)
    await anybody.page.keyboard.press("Escape")
    await expect(dialog).to_be_hidden()


async def test_points_are_for_operators_and_cells_for_everyone(town: Town, seen: Seen) -> None:
    await arrive(seen.page, town.url)
    await expect(seen.page.locator("#map .point")).to_have_count(0)
    async with aiohttp.ClientSession() as anybody, anybody.get(f"{town.url}/live/feed") as feed:
        text = ""
        async for line in feed.content:
            text += line.decode()
            if line.startswith(b"data:") and b'"cells"' in line:
                times = [row["time"] for row in json.loads(line.removeprefix(b"data:"))["decisions"]]
                break
    assert all(time % 60 == 0 for time in times)
    assert '"points"' not in text
    assert not re.search(r"courier-\d|rider-\d|restaurant-\d", text)
    await arrive(seen.page, f"{town.url}/{town.signed_in('operator', 'ann')}")
    await expect(seen.page.locator("#map .point").first).to_be_attached(timeout=PATIENCE)


def feature(name: str | None, *rings: list[list[float]], **more: Any) -> dict[str, Any]:
    geometry = {"type": "Polygon", "coordinates": [*rings]}
    return {"type": "Feature", "properties": name and {"name": name}, "geometry": geometry} | more


def box(west: float, south: float, east: float, north: float) -> list[list[float]]:
    return [[west, south], [east, south], [east, north], [west, north], [west, south]]


async def draw_zones(seen: Seen, town: Town, *features: dict[str, Any]) -> None:
    """Draw the zones of a document as a market keeps it."""
    kept = zones_from_geojson(json.dumps({"type": "FeatureCollection", "features": features})).document
    await seen.page.route("**/live/zones", lambda route: route.fulfill(json=json.loads(kept)))
    await seen.page.goto(town.url)
    await expect(seen.page.locator("#map .zone").first).to_be_attached(timeout=PATIENCE)


async def test_features_without_a_place_or_properties_leave_the_map_as_it_is(town: Town, seen: Seen) -> None:
    one, other = (
        feature(None, box(8, 50, 8.1, 50.1)),
        feature("b", box(8.2, 50, 8.3, 50.1), box(8.22, 50.02, 8.25, 50.05)),
    )
    collection = {"type": "GeometryCollection", "geometries": [one["geometry"], other["geometry"]]}
    nowhere = [None, {"type": "MultiPolygon", "coordinates": []}, {"type": "GeometryCollection", "geometries": []}]
    empty = [feature(None, geometry=geometry) for geometry in nowhere]
    await draw_zones(seen, town, *empty, one, other, feature("c", geometry=collection))
    names = await seen.page.locator("#map .zone title").all_text_contents()
    assert names == ["feature 3: service area", "b: service area", "c: service area"]
    await sequence(seen.page)
    assert seen.faults == []


@pytest.mark.parametrize("west", [179, -181, 181, -179])
async def test_a_market_at_the_antimeridian_fills_the_map(town: Town, seen: Seen, west: float) -> None:
    await draw_zones(seen, town, feature("a", box(west, -18, west + 2, -17)), feature("b", box(178, -18, 178.5, -17)))
    widths = await seen.page.locator("#map .zone").evaluate_all(
        "zones => zones.map(zone => zone.getBBox().width / zone.ownerSVGElement.viewBox.baseVal.width)"
    )
    assert max(widths) > 0.3
    assert seen.faults == []


async def test_a_position_that_is_too_old_is_drawn_differently(town: Town, seen: Seen) -> None:
    headers = {"Authorization": f"Bearer {town.suite.wallet.token('operator', 'ann')}"}
    async with aiohttp.ClientSession(headers=headers) as operator, operator.get(f"{town.url}/live/feed") as feed:
        async for line in feed.content:
            if line.startswith(b"data:") and b'"points"' in line:
                picture = json.loads(line.removeprefix(b"data:"))
                if picture["points"]["couriers"]:
                    break
    assert {type(row[3]) for row in picture["points"]["couriers"]} == {bool}
    for place, row in enumerate(picture["points"]["couriers"]):
        row[3] = place == 0
    body = f"event: picture\ndata: {json.dumps(picture)}\n\n"
    await seen.page.route("**/live/feed*", lambda route: route.fulfill(content_type="text/event-stream", body=body))
    await seen.page.goto(f"{town.url}/{town.signed_in('operator', 'ann')}")
    await expect(seen.page.locator("#map circle.stale")).to_have_count(1, timeout=PATIENCE)
    await expect(seen.page.locator("#legend")).to_contain_text("position too old for offers")


async def test_the_map_is_read_by_keyboard(anybody: Seen) -> None:
    page = anybody.page
    await page.locator("#map .cell[tabindex='0']").focus()
    shown = set()
    for key in ("ArrowDown", "ArrowRight", "ArrowUp", "ArrowLeft", "ArrowDown"):
        await page.keyboard.press(key)
        shown.add((await page.locator("#cell").inner_text()).split(".")[0])
    assert len(shown) > 1
    await expect(page.locator("#map .cell[aria-selected='true']")).to_have_count(1)
    await page.get_by_text("The map as a table").click()
    await expect(page.locator("#cells-table tbody tr").first).to_be_visible()


@pytest.mark.parametrize("path", ["/", "/me"])
async def test_every_picture_has_a_name_for_screen_readers_before_its_data_come(
    town: Town, seen: Seen, path: str
) -> None:
    # Without scripts no data come.
    await seen.page.route("**/*.js", lambda route: route.abort())
    await seen.page.goto(f"{town.url}{path}")
    pictures = seen.page.locator("[role=img]")
    assert await pictures.count()
    for number in range(await pictures.count()):
        assert await pictures.nth(number).get_attribute("aria-label")


@pytest.mark.parametrize("path", ["/", "/me"])
@pytest.mark.parametrize("scheme", ["light", "dark"])
async def test_it_can_be_read_on_a_phone_in_light_and_dark_and_by_a_screen_reader(
    town: Town, seen: Seen, path: str, scheme: str
) -> None:
    await seen.page.emulate_media(color_scheme=scheme)
    await seen.page.set_viewport_size({"width": 390, "height": 844})
    signed_in = town.signed_in("courier", "courier-1") if path == "/me" else ""
    await seen.page.goto(f"{town.url}{path}{signed_in}")
    await expect(seen.page.locator("#connection")).to_have_text("live", timeout=PATIENCE)
    await seen.page.locator("#decisions button").first.wait_for(timeout=PATIENCE)
    assert await seen.page.evaluate("document.documentElement.scrollWidth <= innerWidth"), "nothing hangs out"
    found = await Axe().run(seen.page, options={"runOnly": ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa"]})
    faults = [(fault["id"], fault["nodes"][0]["html"][:200]) for fault in found.response["violations"]]
    assert faults == []


async def test_it_survives_a_restart_of_the_suite(seen: Seen) -> None:
    async with serving(GeneratedCity(np.random.default_rng(3))) as town:
        await seen.page.goto(town.url)
        await expect(seen.page.locator("#connection")).to_have_text("live", timeout=PATIENCE)
        before = await sequence(seen.page)
        await town.suite.stop()
        await expect(seen.page.locator("#connection")).to_have_text("away, trying again", timeout=PATIENCE)
        await town.suite.start()
        await expect(seen.page.locator("#connection")).to_have_text("live", timeout=PATIENCE)
        await moved_on(seen.page, before)
