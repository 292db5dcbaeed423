"""`gig bench hostile`: a few attacks for a second, and what counts as a failure."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator

import pytest
from typer.testing import CliRunner

from gig.v1 import courier_service_pb2 as courier_pb
from load_tests.bench.command import bench
from load_tests.bench.hostile.attacks import ATTACKS
from load_tests.bench.hostile.calls import ZONES, zones_document
from load_tests.bench.hostile.memory import peak_of
from load_tests.bench.hostile.order import Order
from load_tests.bench.hostile.runner import Plan, bench_hostile, faults_of
from load_tests.bench.hostile.streams import AT_ONCE, EmptyBatches, RepeatedNumbers
from load_tests.bench.hostile.table import table_of
from services.settings import Settings

NAMES = (
    *("compressed_bomb", "slow_headers", "slow_body", "connections", "anonymous_feeds"),
    *("explain_flood", "erasure_repeat", "queue_zones", "empty_batches", "repeated_numbers"),
)
GOOD = {
    "name": "slow_body",
    "p99_ms_calm": 10.0,
    "p99_ms_attacked": 30.0,
    "refused_of_others": 0,
    "calm_mib": 300.0,
    "peak_mib": 500.0,
    "exited": 0,
}


def test_every_attack_has_its_name() -> None:
    assert tuple(ATTACKS) == NAMES


async def test_attacks_are_measured_with_all_keys() -> None:
    names = ("repeated_numbers",)
    found = await bench_hostile(Plan(names, runs=1, seconds=1.0), progress=lambda _text: None)
    assert [row["name"] for row in found["attacks"]] == list(names)
    for row in found["attacks"]:
        assert row.keys() >= GOOD.keys()
        assert row["calls_of_others"] > 0
        assert row["calm_mib"] > 0
        assert sum(row["attacker"].values()) > 0
    assert found["noise"].keys() == {"p99_ms_first", "p99_ms_second"}
    assert table_of(found).row_count == len(names)
    json.dumps(found, allow_nan=False)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"p99_ms_attacked": 30.1}, "p99 of others rose from 10 to 30.1 ms"),
        ({"p99_ms_calm": 40.0, "p99_ms_attacked": 80.5}, "p99 of others rose"),
        ({"p99_ms_attacked": None}, "no call of others was carried out"),
        ({"refused_of_others": 1}, "1 calls of others were refused"),
        ({"peak_mib": 500.1}, "memory rose from 300 to 500.1 MiB"),
        ({"exited": 1}, "the server exited in 1 runs"),
    ],
)
def test_what_others_may_notice(change: dict, said: str) -> None:
    assert faults_of(GOOD) == []
    (sentence,) = faults_of(GOOD | change)
    assert said in sentence


def _messages(framed: bytes) -> Iterator[courier_pb.ConnectRequest]:
    at = 0
    while at < len(framed):
        size = int.from_bytes(framed[at + 1 : at + 5], "big")
        yield courier_pb.ConnectRequest.FromString(framed[at + 5 : at + 5 + size])
        at += 5 + size


def test_floods_are_messages_of_the_contract() -> None:
    order = Order("empty_batches", 1, 1, 1.0, None)
    empty = list(_messages(EmptyBatches(order).messages(70_000)))
    assert [message.number for message in empty] == list(range(70_000, 70_000 + AT_ONCE))
    assert all(message.HasField("locations") and not message.locations.latitudes for message in empty)
    repeated = list(_messages(RepeatedNumbers(order).messages(70_000)))
    assert {message.number for message in repeated} == {1}
    assert len(repeated) == AT_ONCE


def test_twelve_thousand_zones_fit_into_a_message() -> None:
    document = zones_document(ZONES)
    assert len(document) < Settings.model_fields["message_bytes"].default
    names = {feature["properties"]["name"] for feature in json.loads(document)["features"]}
    assert len(names) == ZONES


async def test_the_peak_of_memory_is_what_a_process_had_for_a_moment() -> None:
    program = "import sys; sys.stdin.readline(); bytearray(64 << 20); print(1, flush=True); sys.stdin.readline()"
    with subprocess.Popen([sys.executable, "-c", program], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        async with peak_of(process.pid) as calm:
            pass
        async with peak_of(process.pid) as peak:
            process.stdin.write(b"\n")
            process.stdin.flush()
            process.stdout.readline()
        process.stdin.write(b"\n")
    assert peak.mib > calm.mib + 60


def test_an_attack_that_does_not_exist_is_named() -> None:
    done = CliRunner().invoke(bench, ["hostile", "--attack", "rain"])
    assert done.exit_code == 2
    assert "slow_headers" in done.output
