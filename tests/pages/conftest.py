"""A small city that is played on a real suite, and a real browser that looks at it."""

from __future__ import annotations

import asyncio
import contextlib
import shutil
from collections.abc import AsyncIterator
from dataclasses import dataclass

import numpy as np
import pytest
from playwright.async_api import Browser, Page, async_playwright, expect

from load_tests.bench.running import data_directory, free_port
from load_tests.cities.generated import GeneratedCity
from load_tests.live.demonstration import Demonstration, Plan
from load_tests.live.suite_process import SuiteProcess
from tests.tools import needed

SPEED, COURIERS, JOBS_PER_MINUTE = 60, 60, 2.5
# Milliseconds after which something does not come. On a busy machine a page takes many seconds.
PATIENCE = 120_000
expect.set_options(timeout=PATIENCE)
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


@contextlib.asynccontextmanager
async def looking(browser: Browser) -> AsyncIterator[Seen]:
    """Open a page in a context of its own: nobody is signed in."""
    context = await browser.new_context(viewport={"width": 1300, "height": 900})
    context.set_default_timeout(PATIENCE)
    page, faults, asked = await context.new_page(), [], []
    page.on("pageerror", lambda fault: faults.append(str(fault)))
    page.on("console", lambda said: faults.append(said.text) if said.type == "error" else None)
    page.on("request", lambda request: asked.append(request.url))
    yield Seen(page, faults, asked)
    await context.close()


@pytest.fixture
async def seen(browser: Browser) -> AsyncIterator[Seen]:
    async with looking(browser) as seen:
        yield seen
