"""A phone that has vanished for good is noticed, though its connection was never closed."""

from __future__ import annotations

import asyncio

from services.cli.stored_log import prove_stored
from services.settings import resolve
from tests.faults.conftest import Vanished


async def test_a_stream_whose_phone_has_vanished_is_noticed_within_half_a_minute(vanished: Vanished) -> None:
    suite = vanished.suite
    await vanished.wire.ended_by_suite.wait()
    while await suite.metric("gig_courier_streams"):
        await asyncio.sleep(0.1)  # The suite closes the connection before the streams on it.
    await suite.stop()
    assert suite.data_dir is not None
    assert (await prove_stored(resolve({"data_dir": suite.data_dir}).values, vanished.promised)).told == []
