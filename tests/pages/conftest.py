"""A small city that is played on a real suite, and a real browser that looks at it."""

from __future__ import annotations

import asyncio
import contextlib
import shutil
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest
from playwright.async_api import Browser, Page, ViewportSize, async_playwright, expect

from load_tests.bench.running import data_directory, free_port
from load_tests.cities.generated import GeneratedCity
from load_tests.live.demonstration import Demonstration, Plan
from load_tests.live.suite_process import SuiteProcess
from tests.tools import needed

SPEED, COURIERS, JOBS_PER_MINUTE = 60, 60, 2.5
# Milliseconds after which something does not come. On a busy machine a page takes many seconds.
PATIENCE = 120_000
expect.set_options(timeout=PATIENCE)
VIEWPORT: ViewportSize = {"width": 1300, "height": 900}
# The browser itself talks to nobody.
FLAGS = (
    *("--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run"),
    *("--disable-background-networking", "--disable-component-update", "--disable-sync"),
)


@dataclass
class Town:
    suite: SuiteProcess
    url: str

    def signed_in(self, role: str, person_id: str) -> str:
        """What follows a page's address to sign somebody in."""
        return f"#token={self.suite.wallet.token(role, person_id)}"


@contextlib.asynccontextmanager
async def serving(city: GeneratedCity) -> AsyncIterator[Town]:
    """Nobody lives there yet. Its HTTP port stays the same when it is started anew."""
    folder, port = data_directory(), free_port()
    (folder / "zones.geojson").write_text(city.zones_geojson, "utf-8")
    suite = SuiteProcess(
        *("--policy", "city", "--clock-speed", str(SPEED), "--zones", str(folder / "zones.geojson")),
        *("--http-address", f"127.0.0.1:{port}"),
        data_dir=folder,
        output=folder / "suite.log",
    )
    await suite.start()
    try:
        yield Town(suite, f"http://127.0.0.1:{port}")
    finally:
        await suite.stop()
        shutil.rmtree(folder)


@pytest.fixture(scope="package")
async def town() -> AsyncIterator[Town]:
    """Played for as long as the tests look at it."""
    city, stop = GeneratedCity(np.random.default_rng(3)), asyncio.Event()
    async with serving(city) as town:
        plan = Plan(600.0, COURIERS, JOBS_PER_MINUTE, 3, bicycles=True)
        suite = town.suite
        played = Demonstration(suite.target, suite.wallet, city, plan, lambda *_: None)
        playing = asyncio.create_task(played.run(stop))
        yield town
        stop.set()
        await playing


@pytest.fixture(scope="package")
async def browser() -> AsyncIterator[Browser]:
    program = needed("chromium")
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=program, args=FLAGS)
        yield browser
        await browser.close()


@dataclass
class Seen:
    """A page, what it complained of, and where it sent requests."""

    page: Page
    faults: list[str]
    asked: list[str]


@pytest.fixture(scope="package")
async def page(browser: Browser) -> AsyncIterator[Page]:
    """Share one page: its first load compiles the scripts and takes 4 s of CPU time, each further one takes 1 s."""
    context = await browser.new_context(viewport=VIEWPORT)
    context.set_default_timeout(PATIENCE)
    yield await context.new_page()
    await context.close()


@pytest.fixture
async def seen(page: Page, town: Town) -> AsyncIterator[Seen]:
    """The page as in a new browser: nobody is signed in, and nothing is loaded."""
    faults: list[str] = []
    asked: list[str] = []
    listeners: dict[Any, Callable[..., None]] = {
        "pageerror": lambda fault: faults.append(str(fault)),
        "console": lambda said: faults.append(said.text) if said.type == "error" else None,
        "request": lambda request: asked.append(request.url),
    }
    for event, listener in listeners.items():
        page.on(event, listener)
    yield Seen(page, faults, asked)
    for event, listener in listeners.items():
        page.remove_listener(event, listener)
    await page.unroute_all(behavior="wait")
    # A text of the same site: the page's process, which has compiled the scripts, stays.
    await page.goto(f"{town.url}/assets/money.js")
    await page.evaluate("localStorage.clear()")
    await page.context.clear_cookies()
    await page.emulate_media(color_scheme="light")
    await page.set_viewport_size(VIEWPORT)
