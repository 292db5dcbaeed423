"""Databases of every schema that there was, with logs that the software of that time wrote, are served on."""

from __future__ import annotations

import asyncio
import json
import shutil
from pathlib import Path
from urllib.parse import urlsplit

import asyncpg
import pytest
from typer.testing import CliRunner

from dispatcher.log.embedded_postgres import EmbeddedPostgres
from dispatcher.log.files import read_log
from dispatcher.log.sql import migrations
from dispatcher.pay.ledger_check import check_ledger
from dispatcher.times import micros
from gig.v1 import events_pb2 as events_pb
from gig.v1 import job_pb2
from gig.v1 import job_service_pb2 as job_pb
from gig.v1 import job_service_pb2_grpc as job_rpc
from gig.v1 import pay_service_pb2 as pay_pb
from gig.v1 import pay_service_pb2_grpc as pay_rpc
from gig.v1 import transparency_service_pb2 as transparency_pb
from gig.v1 import transparency_service_pb2_grpc as transparency_rpc
from load_tests.bench.running import scratch_directory
from load_tests.live.suite_process import SuiteProcess
from services.cli.main import app
from tests.kit import HERE
from tests.service.stream import place_request
from tests.signing import caller, plant, signed_channel

# Made by the code of the commit before the schema changed: one for each schema that a database may have.
LOGS = sorted((Path(__file__).parents[1] / "dispatcher/logs").glob("schema-*.log.gz"))


# Before schema 3, legs of workers did not name their arithmetic; the checker says so.
UNEXPLAINED = "without its arithmetic"


def schema_of(log: Path) -> int:
    return int(log.name.removeprefix("schema-").removesuffix(".log.gz"))


async def old_database(postgres: EmbeddedPostgres, schema: int, events: list[events_pb.Event]) -> str:
    """Make a database as it was left, and return its DSN: the tables of that time, the log, and projections that have
    not followed it yet."""
    operator = await asyncpg.connect(postgres.dsn)
    await operator.execute(f"CREATE DATABASE schema_{schema}")
    await operator.close()
    url = urlsplit(postgres.dsn)
    dsn = url._replace(path=f"/schema_{schema}").geturl()
    connection = await asyncpg.connect(dsn)
    await connection.execute("CREATE TABLE migration (number int PRIMARY KEY)")
    for number, text in migrations():
        if number <= schema:
            await connection.execute(text)
            await connection.execute("INSERT INTO migration VALUES ($1)", number)
    await connection.execute("INSERT INTO market VALUES ('main', 3, $1)", len(events))
    await connection.execute("INSERT INTO projection VALUES ('main', 0)")
    rows = [(event.sequence, micros(event.time) / 1e6, event.SerializeToString()) for event in events]
    await connection.executemany("INSERT INTO event VALUES ('main', $1, to_timestamp($2), $3)", rows)
    await connection.close()
    return dsn


def test_the_latest_schema_has_its_log() -> None:
    assert schema_of(LOGS[-1]) == migrations()[-1][0], "add tests/dispatcher/logs/schema-N.log.gz for the new schema"


@pytest.mark.parametrize("path", LOGS, ids=lambda path: path.name)
async def test_a_database_of_any_schema_is_migrated_and_served_on(path: Path, postgres: EmbeddedPostgres) -> None:
    events = list(read_log(path))
    folder = scratch_directory()
    plant(folder)
    where = ("--database-url", await old_database(postgres, schema_of(path), events))
    suite = SuiteProcess(*where, data_dir=folder, output=folder / "suite.log")
    try:
        await suite.start()
        async with signed_channel(suite.target) as channel:
            jobs, pay = job_rpc.JobServiceStub(channel), pay_rpc.PayServiceStub(channel)
            transparency = transparency_rpc.TransparencyServiceStub(channel)
            for number in range(3):
                listed = await jobs.ListJobs(job_pb.ListJobsRequest(client_id=f"client-{number}"))
                assert [job.state for job in listed.jobs] == [job_pb2.JOB_STATE_COMPLETED]
                ask = transparency_pb.ExplainDecisionRequest(decision_id=f"price:{listed.jobs[0].job_id}")
                explained = await transparency.ExplainDecision(ask, metadata=caller("client", f"client-{number}"))
                assert explained.decision.fare == listed.jobs[0].fare
            both = await jobs.ListJobs(job_pb.ListJobsRequest(client_id="client-9"))
            states = {job.job_id: job.state for job in both.jobs}
            assert states["cancelled"] == job_pb2.JOB_STATE_CANCELLED
            assert states["waiting"] in (job_pb2.JOB_STATE_QUEUED, job_pb2.JOB_STATE_OFFERED, job_pb2.JOB_STATE_EXPIRED)
            ledger, faults = check_ledger(events)
            assert [fault for fault in faults if not fault.endswith(UNEXPLAINED)] == []
            for worker, amount in ledger.workers.items():
                statement = await pay.GetStatement(pay_pb.GetStatementRequest(worker_id=worker))
                assert statement.total.minor_units == amount
            assert (await jobs.PlaceJob(place_request("new", HERE))).job.job_id
        await suite.stop()
        command = ["log", "check", "--json", *where]
        outcome = await asyncio.to_thread(CliRunner().invoke, app(), command)
        told = json.loads(outcome.stdout.splitlines()[0])
        assert told["events"] > len(events)
        assert told["faults"] == len(faults)
    finally:
        if suite.running:
            suite.kill()
            await suite.wait()
        shutil.rmtree(folder)
