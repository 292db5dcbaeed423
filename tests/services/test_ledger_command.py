"""`gig ledger check` proves a sound log's money, and says of a forged one which amount is wrong."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from dispatcher import commands
from dispatcher.log.files import write_log
from gig.v1 import events_pb2 as events_pb
from gig.v1 import types_pb2
from services.cli.main import app
from tests.kit import Bench


def worked() -> Bench:
    """A completed job with a tip, a late cancellation, a shift's end."""
    bench = Bench()
    bench.online()
    bench.serve()
    bench.do(commands.AddTip(client_id="ann", job_id="job", minor_units=300))
    bench.place("second")
    bench.round()
    bench.answer(bench.job("second").offer_id)
    bench.wait(200)
    bench.do(commands.CancelJob(job_id="second", client_id="ann"))
    bench.do(commands.GoOffline(courier_id="bo"))
    return bench


def run(events: list[events_pb.Event], folder: Path, *options: str):
    path = folder / "day.log"
    write_log(path, events)
    return CliRunner().invoke(app(), ["ledger", "check", str(path), *options])


def test_a_sound_log_balances_to_zero(tmp_path) -> None:
    bench = worked()
    outcome = run(bench.log, tmp_path, "--json")
    found = json.loads(outcome.stdout)
    assert (outcome.exit_code, found["faults"]) == (0, 0)
    assert sum(found["accounts"].values()) == 0
    assert found["lines"]["tip"] == 300
    assert found["lines"]["cancellation"] == 500
    assert found["accounts"]["courier"] == bench.job().pay.total.minor_units + 800
    assert "together" in run(bench.log, tmp_path).stdout


def completed(events: list[events_pb.Event]) -> types_pb2.Postings:
    return next(event.job_completed.postings for event in events if event.HasField("job_completed"))


def skim(events: list[events_pb.Event]) -> None:
    """The platform takes a cent of the courier's."""
    legs = completed(events).legs
    next(leg for leg in legs if leg.account == types_pb2.ACCOUNT_COURIER).minor_units -= 1
    next(leg for leg in legs if leg.account == types_pb2.ACCOUNT_PLATFORM).minor_units += 1


def lose(events: list[events_pb.Event]) -> None:
    completed(events).legs[0].minor_units += 1


def hide(events: list[events_pb.Event]) -> None:
    next(leg for leg in completed(events).legs if leg.account == types_pb2.ACCOUNT_COURIER).rule = ""


def convert(events: list[events_pb.Event]) -> None:
    completed(events).currency_code = "EUR"


def keep_the_tip(events: list[events_pb.Event]) -> None:
    legs = next(event.tip_added.postings.legs for event in events if event.HasField("tip_added"))
    legs[1].account, legs[1].holder_id = types_pb2.ACCOUNT_PLATFORM, ""


@pytest.mark.parametrize(
    ("forge", "told"),
    [
        (skim, "the courier of job job is paid"),
        (lose, "postings sum to 1, not zero"),
        (hide, "without its arithmetic"),
        (convert, "in a market of 'USD'"),
        (keep_the_tip, "of the tip for job job the courier gets 0, not 300"),
    ],
)
def test_a_forged_amount_is_found_and_named(forge, told, tmp_path) -> None:
    bench = worked()
    forge(bench.log)
    outcome = run(bench.log, tmp_path)
    assert outcome.exit_code == 1
    assert told in outcome.stderr


def test_a_file_that_is_not_there_or_no_log_is_told_in_a_line(tmp_path) -> None:
    missing = CliRunner().invoke(app(), ["ledger", "check", str(tmp_path / "none.log")])
    assert missing.exit_code == 1
    assert "none.log" in missing.stderr
    damaged = tmp_path / "bad.log"
    damaged.write_bytes(b"\xff" * 40)
    outcome = CliRunner().invoke(app(), ["ledger", "check", str(damaged)])
    assert outcome.exit_code == 1
    assert "damaged" in outcome.stderr
