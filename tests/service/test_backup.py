"""Backups of a running market, and markets restored from them as they were after any event."""

from __future__ import annotations

import asyncio
import json
import os
import shutil
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from gig.v1 import courier_service_pb2_grpc as courier_rpc
from gig.v1 import job_service_pb2 as job_pb
from gig.v1 import job_service_pb2_grpc as job_rpc
from gig.v1 import pay_service_pb2 as pay_pb
from gig.v1 import pay_service_pb2_grpc as pay_rpc
from load_tests.bench.running import scratch_directory, with_empty_database
from load_tests.live.suite_process import SuiteFailed, SuiteProcess
from services.cli.main import app
from tests.service.conftest import SPEED, patient_policy
from tests.service.stream import CourierClient, place_request
from tests.service.test_rights import serve
from tests.signing import plant, signed_channel

HERE = (1.0, 1.0)


async def run(*command: str) -> Result:
    return await asyncio.to_thread(CliRunner().invoke, app(), command)


async def done(*command: str) -> dict[str, object]:
    outcome = await run(*command, "--json")
    assert outcome.exit_code == 0, outcome.stderr
    return dict(json.loads(outcome.stdout))


@pytest.fixture
def scratch() -> AsyncIterator[Path]:
    folder = scratch_directory()
    yield folder
    shutil.rmtree(folder, ignore_errors=True)


def suite_on(folder: Path) -> SuiteProcess:
    folder.mkdir(exist_ok=True)
    os.chmod(folder, 0o755)
    plant(with_empty_database(folder))
    (folder / "patient.toml").write_text(patient_policy(), "utf-8")
    return SuiteProcess(
        *("--clock-speed", str(SPEED), "--policy", str(folder / "patient.toml")),
        data_dir=folder,
        output=folder / "suite.log",
    )


async def test_a_market_is_backed_up_while_it_runs_and_restored_as_it_was_after_any_event(scratch) -> None:
    live, copy, early, backup = (scratch / name for name in ("live", "copy", "early", "backup"))
    suite = suite_on(live)
    await suite.start()
    async with signed_channel(suite.target) as channel:
        jobs, pay = job_rpc.JobServiceStub(channel), pay_rpc.PayServiceStub(channel)
        bo = CourierClient(courier_rpc.CourierServiceStub(channel), "bo")
        await bo.online(HERE)
        first = await serve(jobs, bo, "ann", HERE)
        one = await done("backup", str(backup), "--data-dir", str(live))
        second = (await jobs.PlaceJob(place_request("ben", HERE, 2))).job
        two = await done("backup", str(backup), "--data-dir", str(live))
        statement = await pay.GetStatement(pay_pb.GetStatementRequest(worker_id="bo"))
        bo.cut()
    await suite.stop()
    assert two["sequence"] > one["sequence"]
    assert len(list(backup.iterdir())) == 2
    # A crash while a backup is written leaves no half of one.
    (backup / ".main.unfinished.gz").write_bytes(b"half")

    restored = suite_on(copy)
    whole = await done("restore", str(backup), "--data-dir", str(copy))
    assert (whole["market"], whole["events"], whole["faults"]) == ("main", two["sequence"], 0)
    await restored.start()
    async with signed_channel(restored.target) as channel:
        jobs, pay = job_rpc.JobServiceStub(channel), pay_rpc.PayServiceStub(channel)
        assert (await jobs.GetJob(job_pb.GetJobRequest(job_id=first.job_id))).job == first
        assert (await jobs.GetJob(job_pb.GetJobRequest(job_id=second.job_id))).job.client_id == "ben"
        again = await pay.GetStatement(pay_pb.GetStatementRequest(worker_id="bo"))
        assert again.total == statement.total
        # A request that was made before is known, here too.
        assert (await jobs.PlaceJob(place_request("ben", HERE, 2))).job.job_id == second.job_id
    await restored.stop()
    checked = await done("log", "check", "--data-dir", str(copy))
    assert checked["faults"] == 0

    earlier = suite_on(early)
    at = await done("restore", str(backup), "--until", str(one["sequence"]), "--data-dir", str(early))
    assert at["events"] == one["sequence"]
    await earlier.start()
    async with signed_channel(earlier.target) as channel:
        listed = await job_rpc.JobServiceStub(channel).ListJobs(job_pb.ListJobsRequest(client_id="ben"))
        assert not listed.jobs
    await earlier.stop()


async def test_nothing_is_restored_over_a_market_nor_from_what_is_damaged(scratch, suite) -> None:
    backup, copy = scratch / "backup", scratch / "copy"
    await done("backup", str(backup), "--data-dir", str(suite.data_dir))
    taken = await run("restore", str(backup), "--data-dir", str(suite.data_dir))
    assert taken.exit_code == 1
    assert "another gig runs" in taken.stderr
    copy.mkdir(mode=0o755)
    (part,) = backup.iterdir()
    beyond = await run("restore", str(backup), "--until", "999999999", "--data-dir", str(copy))
    assert "the backup ends with event" in beyond.stderr
    whole = part.read_bytes()
    part.write_bytes(whole[: len(whole) // 2])
    cut = await run("restore", str(backup), "--data-dir", str(copy))
    assert cut.exit_code == 1
    assert "damaged after event" in cut.stderr
    # What came of it is not served.
    with pytest.raises(SuiteFailed, match="not wholly restored"):
        await SuiteProcess(data_dir=copy, output=scratch / "suite.log").start()
    part.rename(backup / "main-000000000005-000000000009.log.gz")
    gap = await run("restore", str(backup), "--data-dir", str(copy))
    assert "begins with event 5" in gap.stderr
    assert "holds no backup" in (await run("restore", str(scratch / "empty"), "--data-dir", str(copy))).stderr
