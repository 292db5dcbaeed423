"""A real suite on a real PostgreSQL, its market clock running 30 times as fast, so that time-outs need no patience."""

from __future__ import annotations

import itertools
import shutil
from collections.abc import AsyncIterator, Callable
from importlib import resources

import grpc
import pytest

from gig.v1 import courier_service_pb2_grpc as courier_rpc
from gig.v1 import job_service_pb2_grpc as job_rpc
from gig.v1 import oversight_service_pb2_grpc as oversight_rpc
from gig.v1 import pay_service_pb2_grpc as pay_rpc
from gig.v1 import rating_service_pb2_grpc as rating_rpc
from gig.v1 import transparency_service_pb2_grpc as transparency_rpc
from load_tests.bench.running import UNLIMITED, data_directory
from load_tests.live.suite_process import SuiteProcess
from tests.service.stream import CourierClient
from tests.signing import plant, signed_channel

SPEED = 30


def patient_policy() -> str:
    """As plain, with 150 market seconds to answer, a short pause before asking again, nobody taken for silent, and no
    position too old."""
    text = resources.files("dispatcher.policies").joinpath("plain.toml").read_text("utf-8")
    for before, after in (
        ('time_to_answer = "20s"', 'time_to_answer = "150s"'),
        ('reoffer_after = "300s"', 'reoffer_after = "30s"'),
        ('silence_limit = "300s"', 'silence_limit = "86400s"'),
    ):
        assert before in text
        text = text.replace(before, after)
    return text


@pytest.fixture(scope="package")
async def suite() -> AsyncIterator[SuiteProcess]:
    folder = data_directory()
    (folder / "patient.toml").write_text(patient_policy(), "utf-8")
    plant(folder)
    running = SuiteProcess(
        *UNLIMITED,
        *("--clock-speed", str(SPEED), "--policy", str(folder / "patient.toml")),
        data_dir=folder,
        output=folder / "suite.log",
    )
    await running.start()
    yield running
    await running.stop()
    shutil.rmtree(folder)


@pytest.fixture(scope="package")
async def channel(suite: SuiteProcess) -> AsyncIterator[grpc.aio.Channel]:
    async with signed_channel(suite.target) as opened:
        yield opened


@pytest.fixture(scope="package")
def jobs(channel: grpc.aio.Channel) -> job_rpc.JobServiceStub:
    return job_rpc.JobServiceStub(channel)


@pytest.fixture(scope="package")
def couriers(channel: grpc.aio.Channel) -> courier_rpc.CourierServiceStub:
    return courier_rpc.CourierServiceStub(channel)


@pytest.fixture(scope="package")
def oversight(channel: grpc.aio.Channel) -> oversight_rpc.OversightServiceStub:
    return oversight_rpc.OversightServiceStub(channel)


@pytest.fixture(scope="package")
def pay(channel: grpc.aio.Channel) -> pay_rpc.PayServiceStub:
    return pay_rpc.PayServiceStub(channel)


@pytest.fixture(scope="package")
def ratings(channel: grpc.aio.Channel) -> rating_rpc.RatingServiceStub:
    return rating_rpc.RatingServiceStub(channel)


@pytest.fixture(scope="package")
def transparency(channel: grpc.aio.Channel) -> transparency_rpc.TransparencyServiceStub:
    return transparency_rpc.TransparencyServiceStub(channel)


_islands = itertools.count()


@pytest.fixture
def island() -> tuple[float, float]:
    """A place of its own for each test, out of reach of all others: the suite is shared."""
    number = next(_islands)
    return -59.0 + 2.0 * (number % 50), -170.0 + 3.0 * (number // 50)


_names = itertools.count()


@pytest.fixture
def name() -> str:
    """A prefix for ids that no other test uses."""
    return f"t{next(_names)}"


@pytest.fixture
async def connect(couriers: courier_rpc.CourierServiceStub) -> AsyncIterator[Callable[[str], CourierClient]]:
    """Makes courier clients, and cuts their streams at the end."""
    made: list[CourierClient] = []

    def client(courier_id: str) -> CourierClient:
        made.append(CourierClient(couriers, courier_id))
        return made[-1]

    yield client
    for one in made:
        one.cut()
