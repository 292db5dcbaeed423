"""What couriers do while they are free: go where surge is, or work for somebody else."""

from __future__ import annotations

from typing import Protocol

import numpy as np

from dispatcher.market import Market
from dispatcher.times import SECOND
from geo.cells import centre_of
from geo.travel import great_circle_m
from load_tests.behaviour import acts
from load_tests.behaviour.chance import About, draw
from load_tests.behaviour.settings import Behaviour
from load_tests.replay.day import Day
from load_tests.replay.driving import Driver
from load_tests.replay.simulation import Act, Turn


class Replay(Protocol):
    """What idling couriers need of the replay that they are part of."""

    market: Market
    day: Day
    behaviour: Behaviour
    seed: int

    def plan(self, at_us: int, turn: Turn, act: Act) -> None: ...

    def is_free(self, driver: Driver) -> bool: ...

    def wander(self, driver: Driver, latitude: float, longitude: float, now: int) -> None: ...

    def go_online(self, driver: Driver, latitude: float, longitude: float, now: int) -> None: ...

    def go_offline(self, driver: Driver, reason: str, now: int) -> None: ...


class Idling:
    def __init__(self, replay: Replay) -> None:
        self._replay = replay
        self._model = replay.behaviour.couriers

    def begin(self, driver: Driver, now: int) -> None:
        """The courier is free from now on."""
        driver.free_us = now
        driver.spell += 1
        spell = driver.spell
        if self._model.repositioning.share > 0:
            self._look_later(driver, spell, now)
        outside = self._model.outside_work
        if acts.multi_homes(outside, self._replay.seed, driver.number):
            in_s = acts.outside_offer_in_s(outside, self._replay.seed, driver.number, spell)
            if in_s * SECOND < driver.shift_end_us - now:
                at = now + round(in_s * SECOND)
                self._replay.plan(at, Turn.IDLE, lambda then: self._work_elsewhere(driver, spell, then))

    # --- repositioning

    def _look_later(self, driver: Driver, spell: int, now: int) -> None:
        at = now + round(self._model.repositioning.after_idle_s * SECOND)
        if at < driver.shift_end_us:
            self._replay.plan(at, Turn.IDLE, lambda then: self._look_around(driver, spell, then))

    def _look_around(self, driver: Driver, spell: int, now: int) -> None:
        if driver.spell != spell or not self._replay.is_free(driver):
            return
        model = self._model.repositioning
        moment = now // round(model.after_idle_s * SECOND)
        target = None
        if draw(self._replay.seed, About.REPOSITIONING, driver.number, moment) < model.share:
            target = self._best_cell(driver, now)
        if target is not None:
            self._replay.wander(driver, *target, now)
        self._look_later(driver, spell, now)

    def _best_cell(self, driver: Driver, now: int) -> tuple[float, float] | None:
        """The centre of the cell where the gain in multiplier, for each hour of way and wait, is greatest."""
        field, model = self._replay.market.state.surge, self._model.repositioning
        if not field.surging:
            return None
        here = driver.at(now)
        cells = np.fromiter(field.surging, np.int64, len(field.surging))
        cells.sort()
        percent = np.array([field.surging[cell] for cell in cells.tolist()], np.float64)
        centres = np.array([centre_of(cell) for cell in cells.tolist()])
        start = np.full(cells.size, here[0]), np.full(cells.size, here[1])
        metres = great_circle_m(*start, centres[:, 0], centres[:, 1])
        worth = (metres <= model.within_km * 1000) & (percent - 100 >= model.min_gain_percent)
        if not worth.any():
            return None
        _, seconds = self._replay.day.travel.legs(*start, centres[:, 0], centres[:, 1], now / SECOND)
        gain = np.where(worth, (percent - 100) / (seconds + model.after_idle_s), -np.inf)
        latitude, longitude = centres[int(gain.argmax())].tolist()
        return latitude, longitude

    # --- multi-homing

    def _work_elsewhere(self, driver: Driver, spell: int, now: int) -> None:
        replay = self._replay
        if driver.spell != spell or not replay.is_free(driver):
            return
        replay.go_offline(driver, "took a job elsewhere", now)
        seconds = acts.outside_work_s(self._model.outside_work, replay.seed, driver.number, spell)
        back = now + round(seconds * SECOND)
        if back < driver.shift_end_us:
            replay.plan(back, Turn.ONLINE, lambda then: self._come_back(driver, spell, then))

    def _come_back(self, driver: Driver, spell: int, now: int) -> None:
        """Where a random trip of the trace ends."""
        replay = self._replay
        if not driver.on_shift or driver.online or now >= driver.shift_end_us:
            return
        places = replay.day.requests.places
        row = int(draw(replay.seed, About.HOME, driver.number, spell) * len(places))
        replay.go_online(driver, places[row][2], places[row][3], now)
