"""Whatever the clock of a phone shows, its positions are used, and at the time at which they were taken."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from geo.live_index import LiveIndex
from geo.units import to_e7
from gig.v1 import courier_service_pb2 as courier_pb
from services.host.device_clock import CONFIRMATIONS, CONFIRMED_AFTER_MS, LARGEST_OFFSET_MS, NEAR_MS
from services.host.device_clocks import LOGGED_EVERY_MS, LOGGED_FROM_MS, DeviceClocks
from services.host.locations import LocationIntake, Waiting

START_MS = 1_750_000_000_000
NUMBER = 7
# Behind by 2 and by 10 minutes, ahead by as much, and anything up to 12 hours.
OFFSETS = st.one_of(
    st.sampled_from([0, 120_000, 600_000, -120_000, -600_000]), st.integers(-12 * 3_600_000, 12 * 3_600_000)
)
# Milliseconds on the way: mostly fast, sometimes through a dead spot.
DELAYS = st.lists(st.one_of(st.integers(20, 400), st.integers(20, 3_000)), min_size=40, max_size=40)
PERIOD_MS = 5_000


class Phone:
    """A phone that moves north a metre a second and reports every 5 s. ``offset``: server minus phone at a moment."""

    def __init__(self, offset: Callable[[int], int], *, reads_clock: bool) -> None:
        self._offset, self._reads_clock = offset, reads_clock
        self.index, self.refused = LiveIndex(), 0
        self.logged: dict[int, int] = {}
        self.clocks = DeviceClocks(self.logged.get)
        self.intake = LocationIntake(self.index, self.clocks)
        self.index.place(NUMBER, *self.at_e7(START_MS), START_MS)
        if reads_clock:
            self.clocks.begin(NUMBER, self.shows(START_MS), START_MS + 300)

    def shows(self, true_ms: int) -> int:
        return true_ms - self._offset(true_ms)

    @staticmethod
    def latitude(true_ms: int) -> float:
        return 40.0 + 1e-5 * (true_ms - START_MS) / 1000

    def at_e7(self, true_ms: int) -> tuple[int, int]:
        return to_e7(self.latitude(true_ms)), to_e7(-74.0)

    def report(self, sent_ms: int, delay_ms: int, age_ms: int = 0) -> None:
        """Send the positions of the last period, the newest ``age_ms`` old."""
        taken = [sent_ms - age_ms - back for back in range(4_000, -1, -1_000)]
        batch = courier_pb.LocationBatch(latitudes=map(self.latitude, taken), longitudes=[-74.0] * 5)
        batch.start_time.FromMilliseconds(self.shows(taken[0]))
        batch.offsets_ms.extend(at - taken[0] for at in taken)
        if self._reads_clock:
            batch.client_time.FromMilliseconds(self.shows(sent_ms))
        self.intake.add(Waiting(NUMBER, batch, sent_ms + delay_ms, self._count))
        self.intake.drain()

    def _count(self, _refused: object) -> None:
        self.refused += 1

    def knows(self, true_ms: int) -> bool:
        """Whether the server has the position of this moment."""
        return int(self.index.positions_e7(np.array([NUMBER]))[0][0]) == self.at_e7(true_ms)[0]

    def time_error_ms(self, true_ms: int) -> int:
        return abs(self.index.last_ms(NUMBER) - true_ms)


@given(offset=OFFSETS, drift_ppm=st.integers(-500, 500), delays=DELAYS)
@settings(max_examples=60, deadline=None)
def test_with_readings_every_position_of_a_clock_that_is_off_or_drifts_is_used_at_its_time(
    offset: int, drift_ppm: int, delays: list[int]
) -> None:
    phone = Phone(lambda true_ms: offset + (true_ms - START_MS) * drift_ppm // 1_000_000, reads_clock=True)
    for turn, delay in enumerate(delays, start=1):
        sent = START_MS + turn * PERIOD_MS
        phone.report(sent, delay)
        # No delay is below 20 ms: the estimate is off by the delays that were met, and never by more.
        assert phone.time_error_ms(sent) <= max(300, *delays[:turn]) + 500
    assert phone.refused == 0
    assert phone.knows(sent)


@given(offset=OFFSETS, delays=DELAYS)
@settings(max_examples=40, deadline=None)
def test_without_readings_a_clock_that_is_off_is_found_within_twenty_seconds(offset: int, delays: list[int]) -> None:
    phone = Phone(lambda _: offset, reads_clock=False)
    settled = 20_000 // PERIOD_MS
    assert settled * PERIOD_MS >= CONFIRMED_AFTER_MS
    for turn, delay in enumerate(delays, start=1):
        sent = START_MS + turn * PERIOD_MS
        phone.report(sent, delay)
        if turn > settled:
            assert phone.knows(sent)
            assert phone.time_error_ms(sent) <= NEAR_MS + max(delays)
    assert phone.refused <= settled


@given(before=OFFSETS, after=OFFSETS, jump_at=st.integers(1, 10), reads_clock=st.booleans(), delays=DELAYS)
@settings(max_examples=60, deadline=None)
def test_a_clock_that_is_set_in_the_middle_of_a_shift_is_found_again(
    before: int, after: int, jump_at: int, reads_clock: bool, delays: list[int]
) -> None:
    jump_ms = START_MS + jump_at * PERIOD_MS
    phone = Phone(lambda true_ms: before if true_ms < jump_ms else after, reads_clock=reads_clock)
    settled = 2 * CONFIRMED_AFTER_MS // PERIOD_MS + 2 * CONFIRMATIONS
    for turn, delay in enumerate(delays, start=1):
        sent = START_MS + turn * PERIOD_MS
        phone.report(sent, delay)
        if turn > jump_at + settled:
            assert phone.knows(sent)
            assert phone.time_error_ms(sent) <= NEAR_MS + max(delays)


@given(offset=OFFSETS, held_up=st.integers(2, 100))
@settings(max_examples=40, deadline=None)
def test_batches_that_were_held_up_do_not_look_like_a_clock_that_is_behind(offset: int, held_up: int) -> None:
    """After a tunnel the app sends again what it could not send, with the readings of then, within a few seconds."""
    phone = Phone(lambda _: offset, reads_clock=True)
    for turn in range(1, 6):
        phone.report(START_MS + turn * PERIOD_MS, 100)
    out_ms = START_MS + (5 + held_up) * PERIOD_MS
    for turn in range(6, 6 + held_up):
        sent = START_MS + turn * PERIOD_MS
        phone.report(sent, out_ms - sent + 20 * turn)
    phone.report(out_ms + PERIOD_MS, 100)
    assert phone.knows(out_ms + PERIOD_MS)
    assert phone.time_error_ms(out_ms + PERIOD_MS) <= 400


@given(
    offset=st.integers(-NEAR_MS, NEAR_MS),
    fresh=st.integers(1, 5),
    period_ms=st.integers(1_000, 60_000),
    batches=st.integers(3, 40),
)
@settings(max_examples=40, deadline=None)
def test_a_position_that_is_sent_again_and_again_does_not_look_like_a_clock_that_is_behind(
    offset: int, fresh: int, period_ms: int, batches: int
) -> None:
    """A phone at rest may repeat its last position with the time at which it was taken."""
    phone = Phone(lambda _: offset, reads_clock=False)
    for turn in range(1, fresh + 1):
        phone.report(START_MS + turn * PERIOD_MS, 100)
    before = phone.clocks.offset_ms(NUMBER)
    rest_ms = START_MS + fresh * PERIOD_MS
    for turn in range(1, batches + 1):
        phone.report(rest_ms + turn * period_ms, 100, age_ms=turn * period_ms)
    assert phone.clocks.offset_ms(NUMBER) == before


@given(upload_ms=st.integers(100, 900), per_batch_ms=st.integers(1_000, 30_000), batches=st.integers(5, 40))
@settings(max_examples=40, deadline=None)
def test_a_backlog_that_is_sent_batch_by_batch_ends_with_positions_at_their_times(
    upload_ms: int, per_batch_ms: int, batches: int
) -> None:
    """After work offline the app sends the positions of that time, oldest first, each batch after the last one's
    answer. Nothing says what the clock shows."""
    phone = Phone(lambda _: 0, reads_clock=False)
    phone.report(START_MS + PERIOD_MS, 100)
    back_ms = START_MS + PERIOD_MS + batches * per_batch_ms
    for turn in range(1, batches + 1):
        sent_ms = back_ms + turn * upload_ms
        phone.report(sent_ms, 50, age_ms=sent_ms - (START_MS + PERIOD_MS + turn * per_batch_ms))
    assert phone.refused == 0
    end_ms = back_ms + batches * upload_ms
    for turn in range(1, 6):
        phone.report(end_ms + turn * PERIOD_MS, 100)
    assert phone.refused == 0
    assert phone.time_error_ms(end_ms + turn * PERIOD_MS) <= NEAR_MS


@given(offset=OFFSETS, glitch_ms=st.integers(61_000, 40_000_000))
@settings(max_examples=30, deadline=None)
def test_a_single_position_with_a_wrong_time_changes_no_estimate(offset: int, glitch_ms: int) -> None:
    phone = Phone(lambda _: offset, reads_clock=True)
    phone.report(START_MS + PERIOD_MS, 100)
    before = phone.clocks.offset_ms(NUMBER)
    batch = courier_pb.LocationBatch(latitudes=[40.0, 40.0], longitudes=[-74.0, -74.0], offsets_ms=[0, glitch_ms])
    batch.start_time.FromMilliseconds(phone.shows(START_MS + 2 * PERIOD_MS))
    found: list[object] = []
    phone.intake.add(Waiting(NUMBER, batch, START_MS + 2 * PERIOD_MS + 100, found.append))
    phone.intake.drain()
    assert len(found) == 1
    assert abs(phone.clocks.offset_ms(NUMBER) - before) <= 400


def test_an_offset_beyond_the_bound_is_not_corrected() -> None:
    clocks = DeviceClocks(lambda _number: None)
    for wrong in (LARGEST_OFFSET_MS + 1, -LARGEST_OFFSET_MS - 1, 10**12):
        clocks.begin(NUMBER, START_MS - wrong, START_MS)
        clocks.read(NUMBER, START_MS - wrong, START_MS)
        for turn in range(10):
            clocks.observe(NUMBER, START_MS - wrong + turn * PERIOD_MS, START_MS + turn * PERIOD_MS)
        assert clocks.estimate_ms(NUMBER) is None
    clocks.begin(NUMBER, START_MS - LARGEST_OFFSET_MS, START_MS)
    assert clocks.estimate_ms(NUMBER) == LARGEST_OFFSET_MS


def test_the_log_gets_an_estimate_once_and_again_when_it_has_changed() -> None:
    logged: dict[int, int] = {}
    clocks = DeviceClocks(logged.get)

    def noted(now_ms: int) -> list[tuple[int, int]]:
        found = clocks.to_log(now_ms)
        logged.update(found)
        return found

    clocks.begin(1, START_MS, START_MS + LOGGED_FROM_MS - 1)
    assert noted(START_MS) == []
    clocks.begin(NUMBER, START_MS - 120_000, START_MS)
    assert noted(START_MS) == [(NUMBER, 120_000)]
    clocks.read(NUMBER, START_MS - 119_000, START_MS)
    assert noted(START_MS) == []
    clocks.read(NUMBER, START_MS, START_MS)
    assert noted(START_MS + LOGGED_EVERY_MS - 1) == []
    assert noted(START_MS + LOGGED_EVERY_MS) == [(NUMBER, 0)]
    clocks.clear()
    logged[NUMBER] = 60_000
    assert clocks.offset_ms(NUMBER) == 60_000
