"""The suite starts, drains and leaves a log from which the very same market is rebuilt."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from importlib import resources
from pathlib import Path
from typing import Any

import pytest
import typer.main
from typer.testing import CliRunner

from dispatcher.log.embedded_postgres import EmbeddedPostgres, EmbeddedPostgresError
from dispatcher.log.files import read_log
from dispatcher.log.invariants import violations
from dispatcher.log.store import LogStore, open_pool
from dispatcher.market import Market
from dispatcher.measures import Measures, figures
from dispatcher.measures.catalogue import Reading
from gig.v1 import courier_service_pb2 as courier_pb
from gig.v1 import courier_service_pb2_grpc as courier_rpc
from gig.v1 import job_pb2
from gig.v1 import job_service_pb2 as job_pb
from gig.v1 import job_service_pb2_grpc as job_rpc
from load_tests.bench.running import data_directory, running_suite
from load_tests.live.suite_process import SuiteFailed, SuiteProcess, spawned_by
from services.cli.main import app
from tests.dispatcher.measures.conftest import values
from tests.service.stream import CourierClient, place_request
from tests.signing import signed_channel

GIG = str(Path(sys.executable).with_name("gig"))


def gig(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([GIG, *arguments], capture_output=True, text=True, check=False, timeout=120)


@pytest.fixture(scope="module")
def demo_folder():
    """What a short demonstration left behind, and the JSON that it printed."""
    folder = data_directory()
    where = ("--data-dir", str(folder), "--http-address", "127.0.0.1:0")
    done = gig("demo", "--seconds", "12", "--speed", "90", "--couriers", "60", "--json", *where)
    assert done.returncode == 0, done.stderr
    yield folder, json.loads(done.stdout)
    shutil.rmtree(folder)


@pytest.fixture(scope="module")
def exported(demo_folder) -> tuple[Path, int]:
    """Export the log of the demonstration; return the file and the number of events that the command reports."""
    folder, result = demo_folder
    out = folder / "day.log.gz"
    done = CliRunner().invoke(
        app(), ["log", "export", str(out), "--data-dir", str(folder), "--market", result["market"], "--json"]
    )
    assert done.exit_code == 0, done.stderr
    return out, json.loads(done.stdout)["events"]


def test_a_demonstration_loses_nothing_and_says_so_in_json_alone(demo_folder) -> None:
    _, result = demo_folder
    assert result["placed"] > 50
    assert result["completed"] > 0
    assert (result["lost"], result["doubled"], result["offers_doubled"]) == (0, 0, 0)
    assert result["completed_or_in_hand_share"] > 0.95


def test_a_demonstrations_summary_counts_each_job_once(demo_folder) -> None:
    _, result = demo_folder
    ends = ("completed", "in_hand", "cancelled", "expired", "failed")
    assert sum(result[name] for name in ends) == result["placed"] <= result["requested"]


def test_the_exported_log_rebuilds_the_live_market_byte_for_byte(demo_folder, exported) -> None:
    folder, result = demo_folder
    out, count = exported
    events = list(read_log(out))
    assert count == len(events) > 200
    assert violations(events) == []
    saved, measures = asyncio.run(latest_snapshot(folder, result["market"]))
    folded = Market.fold(events)
    live, again = (m.SerializeToString(deterministic=True) for m in (saved, folded.snapshot()))
    assert again == live
    counted, kept = Measures(), Measures.from_json(measures)
    for event in events:
        counted.fold(event)
    for one in (counted, kept):
        one.bring_to(kept.time_us)
    live_values, counted_values = (values(Reading(one, figures(one))) for one in (kept, counted))
    for name, value in live_values.items():
        assert counted_values[name] == pytest.approx(value), name


async def latest_snapshot(folder: Path, market: str):
    """What the drain left, as the live market held it in memory."""
    postgres = EmbeddedPostgres(folder)
    postgres.start()
    try:
        pool = await open_pool(postgres.dsn, size=1)
        found = await LogStore(pool, market).latest_snapshot()
        await pool.close()
    finally:
        postgres.stop()
    assert found is not None
    return found


def test_a_demonstration_ends_with_a_sound_ledger(demo_folder, exported) -> None:
    folder, result = demo_folder
    assert result["opinions_refused"] == 0
    for source in (["--data-dir", str(folder), "--market", result["market"]], [str(exported[0])]):
        outcome = CliRunner().invoke(app(), ["ledger", "check", *source, "--json"])
        assert outcome.exit_code == 0, outcome.stderr
        sums = json.loads(outcome.stdout)
        assert (sums["faults"], sum(sums["accounts"].values())) == (0, 0)
        assert sums["postings"] > 0


def test_the_log_is_shown_as_text(demo_folder) -> None:
    folder, result = demo_folder
    where = ["--data-dir", str(folder), "--market", result["market"]]
    done = CliRunner().invoke(app(), ["log", "show", *where, "--last", "3"])
    assert done.exit_code == 0, done.stderr
    lines = done.stdout.splitlines()
    assert len(lines) == 3
    assert json.loads(lines[0].split(" ", 3)[3])


async def test_sigterm_drains_and_a_restart_knows_every_job() -> None:
    folder = data_directory()
    suite = SuiteProcess(data_dir=folder, output=folder / "suite.log")
    try:
        await suite.start()
        async with signed_channel(suite.target, suite.wallet) as channel:
            stub = job_rpc.JobServiceStub(channel)
            placed = await asyncio.gather(
                *(stub.PlaceJob(place_request("ann", (1.0, 1.0), number)) for number in range(50))
            )
        await suite.stop()
        await suite.start()
        async with signed_channel(suite.target, suite.wallet) as channel:
            stub = job_rpc.JobServiceStub(channel)
            for answer in placed:
                assert (await stub.GetJob(job_pb.GetJobRequest(job_id=answer.job.job_id))).job == answer.job
            again = await stub.PlaceJob(place_request("ann", (1.0, 1.0), 7))
            assert again.job.job_id == placed[7].job.job_id
        await suite.stop()
    finally:
        shutil.rmtree(folder)


async def test_solvers_run_in_processes_of_their_own_which_are_replaced_when_killed(connect_to) -> None:
    async with running_suite("--clock-speed", "30", "--solver-processes", "2") as suite:
        loaded = Path(f"/proc/{suite.pid}/maps").read_text("utf-8")
        assert "grpc" in loaded
        assert not any(f"/{library}/" in loaded for library in ("scipy", "ortools"))
        killed = spawned_by(suite.pid)
        assert len(killed) >= 2
        for process in killed:
            with contextlib.suppress(ProcessLookupError):
                os.kill(process, signal.SIGKILL)
        await connect_to(suite)
        assert spawned_by(suite.pid) - killed


async def test_a_courier_who_is_not_heard_of_goes_offline_and_the_job_goes_back(tmp_path) -> None:
    text = resources.files("dispatcher.policies").joinpath("plain.toml").read_text("utf-8")
    quick = tmp_path / "quick.toml"
    quick.write_text(text.replace('silence_limit = "300s"', 'silence_limit = "30s"'), "utf-8")
    async with (
        running_suite("--clock-speed", "10", "--policy", str(quick)) as suite,
        signed_channel(suite.target, suite.wallet) as channel,
    ):
        couriers, jobs = courier_rpc.CourierServiceStub(channel), job_rpc.JobServiceStub(channel)
        bo = CourierClient(couriers, "bo", suite.wallet)
        await bo.online((1.0, 1.0))
        job = (await jobs.PlaceJob(place_request("ann", (1.0, 1.0)))).job
        await bo.accept((await bo.offer()).offer_id)
        watch = jobs.WatchJob(job_pb.WatchJobRequest(job_id=job.job_id), timeout=30)
        assert (await watch.read()).job.state == job_pb2.JOB_STATE_ASSIGNED
        bo.cut()
        assert (await watch.read()).job.state == job_pb2.JOB_STATE_QUEUED
        asked = courier_pb.GetCourierRequest(courier_id="bo")
        gone = await couriers.GetCourier(asked, metadata=suite.wallet.courier("bo"))
        assert gone.courier.state == courier_pb.COURIER_STATE_OFFLINE


@pytest.fixture
def connect_to():
    """Serve one job over a channel of its own: it needs a round."""

    async def serve_one(suite: SuiteProcess) -> None:
        async with signed_channel(suite.target, suite.wallet) as channel:
            bo = CourierClient(courier_rpc.CourierServiceStub(channel), "bo", suite.wallet)
            await bo.online((1.0, 1.0))
            await job_rpc.JobServiceStub(channel).PlaceJob(place_request("ann", (1.0, 1.0)))
            await bo.offer()
            bo.cut()

    return serve_one


def test_two_suites_cannot_share_a_data_directory() -> None:
    folder = data_directory()
    first = EmbeddedPostgres(folder)
    first.start()
    try:
        with pytest.raises(
            EmbeddedPostgresError, match=rf"another gig runs on {folder} \(process {os.getpid()}\): stop it"
        ):
            EmbeddedPostgres(folder).start()
    finally:
        first.stop()
        shutil.rmtree(folder)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("serve", "--policy", "no-such"), "presets are"),
        (("serve", "--grpc-address", "nowhere"), "grpc_address (flag)"),
        (("serve", "--config", "/no/such.toml"), "/no/such.toml"),
        (("serve", "--zones", "/no/such.geojson"), "zones"),
        (("demo", "--trace", "/no/such.instance"), "/no/such.instance"),
        (("replay", "/no/such", "--out", "/tmp/never"), "no such file or folder"),
    ],
)
def test_a_wrong_argument_ends_with_code_2_and_one_clear_line(arguments, said) -> None:
    outcome = CliRunner().invoke(app(), arguments)
    assert (outcome.exit_code, type(outcome.exception)) == (2, SystemExit)
    assert said in outcome.stderr


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("log", "check", "--data-dir", "/no/such"), "there is no log in /no/such: name a market's --data-dir"),
        (("log", "check", "--database-url", "postgresql://gig@127.0.0.1:1/gig"), "check GIG_DATABASE_URL"),
    ],
)
def test_a_database_that_is_not_there_ends_with_one_clear_line(arguments, said) -> None:
    outcome = CliRunner().invoke(app(), arguments)
    assert (outcome.exit_code, type(outcome.exception)) == (1, SystemExit)
    assert said in outcome.stderr


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (("serve", "--policy", "no-such"), 2, "presets are"),
        (("log", "check", "--data-dir", "/no/such"), 1, "there is no log in /no/such"),
    ],
)
def test_the_program_ends_with_the_code_and_the_line_of_its_command(arguments, code, said) -> None:
    done = gig(*arguments)
    assert done.returncode == code
    (line,) = done.stderr.strip().splitlines()
    assert line.startswith("gig: ")
    assert said in line


@pytest.mark.parametrize("flag", ["--grpc-address", "--http-address"])
async def test_a_port_that_is_taken_ends_the_start_with_one_clear_line(flag: str) -> None:
    folder = data_directory()
    output = folder / "server.log"
    with socket.create_server(("127.0.0.1", 0)) as taken:
        address = f"127.0.0.1:{taken.getsockname()[1]}"
        with pytest.raises(SuiteFailed, match=f"cannot listen on {address} .*choose another with {flag}"):
            await SuiteProcess(flag, address, data_dir=folder, output=output).start()
    said = output.read_text("utf-8")
    assert "Traceback" not in said
    assert "ERROR" not in said
    shutil.rmtree(folder)


def test_help_is_there_for_every_command() -> None:
    """For the whole, for each of its commands, and for theirs."""
    cli = typer.main.get_command(app())

    def look(command: Any, *path: str) -> Iterator[tuple[str, ...]]:
        yield path
        for name in command.list_commands(None) if hasattr(command, "list_commands") else ():
            yield from look(command.get_command(None, name), *path, name)

    found = list(look(cli))
    assert {("serve",), ("log", "check"), ("bench", "crash"), ("fuzz", "files"), ("token",)} <= set(found)
    for path in found:
        outcome = CliRunner().invoke(app(), [*path, "--help"])
        assert outcome.exit_code == 0, path
        assert "Usage" in outcome.stdout
