"""A market whose processes are killed goes on, and its logs, metrics and errors name nobody, and no place."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator

import grpc
import pytest

from gig.v1 import job_service_pb2 as job_pb
from gig.v1 import job_service_pb2_grpc as job_rpc
from gig.v1 import transparency_service_pb2 as transparency_pb
from gig.v1 import transparency_service_pb2_grpc as transparency_rpc
from services.telling import told, where
from tests.faults.harness import Harmed, harmed
from tests.service.stream import place_request
from tests.signing import signed_channel

# People of the town, and places in it: latitudes and longitudes to the street.
PEOPLE = re.compile(r"\b(courier-\d+|client-\d+|rider-\d+|kitchen-\d+|operator-\d+|ann-of-the-hills)\b")
PLACES = re.compile(r"-?\d{1,3}\.\d{4,}")
SECRETS = re.compile(r"eyJ[\w-]+\.[\w-]+\.[\w-]+|BEGIN [A-Z ]*PRIVATE KEY")


def names_in(text: str) -> list[str]:
    return [*PEOPLE.findall(text), *SECRETS.findall(text)]


async def errors_of(town: Harmed) -> list[str]:
    """What others are told when they ask about somebody, and when the service fails under them."""
    texts = []
    async with signed_channel(town.suite.target, town.suite.wallet) as channel:
        jobs, rights = job_rpc.JobServiceStub(channel), transparency_rpc.TransparencyServiceStub(channel)
        placed = await jobs.PlaceJob(place_request("ann-of-the-hills", town.spot))
        eve = town.suite.wallet.client("eve")
        calls = [
            jobs.GetJob(job_pb.GetJobRequest(job_id=placed.job.job_id), metadata=eve),
            jobs.CancelJob(
                job_pb.CancelJobRequest(request_id="c", client_id="eve", job_id=placed.job.job_id), metadata=eve
            ),
            rights.ExplainDecision(
                transparency_pb.ExplainDecisionRequest(decision_id=placed.job.price_decision_id), metadata=eve
            ),
            rights.ExplainWait(transparency_pb.ExplainWaitRequest(job_id=placed.job.job_id), metadata=eve),
        ]
        for call in calls:
            assert await call.code() is not grpc.StatusCode.OK
            texts.append(f"{await call.details()} {await call.trailing_metadata()}")
    return texts


@pytest.fixture(scope="module")
async def town() -> AsyncIterator[Harmed]:
    """A town that all tests harm, on the server's own PostgreSQL; in the end its log is proved."""
    async with harmed() as town:
        yield town
        await town.proved()


async def test_a_postgresql_that_is_killed_is_started_again_and_the_market_loaded_from_it(town: Harmed) -> None:
    for _ in range(2):
        await town.kill_postgres()
        await town.goes_on()
    assert town.said().count("starting it again") == 2


async def test_logs_metrics_and_errors_name_nobody(town: Harmed) -> None:
    errors = await errors_of(town)
    await town.kill_postgres()
    await town.goes_on()
    town.suite.kill()
    await town.suite.wait()
    await town.suite.start()
    await town.goes_on()
    for name, text in (
        ("the suite's log", town.said()),
        ("PostgreSQL's log", (town.folder / "postgres.log").read_text("utf-8", "replace")),
        ("metrics", await town.suite.exported()),
        *(("an error", text) for text in errors),
    ):
        assert names_in(text) == [], name
    assert PLACES.findall(re.sub(r"^\S+ \S+ ", "", town.said(), flags=re.MULTILINE)) == []


@pytest.mark.parametrize("fault", [ValueError("ann-of-the-hills"), KeyError("ann-of-the-hills")])
def test_a_fault_is_told_by_its_kind_and_its_place_in_the_code(fault) -> None:
    try:
        raise fault
    except type(fault) as caught:
        for text in (told(caught), where(caught).splitlines()[0]):
            assert text == type(fault).__name__
