"""Compressed requests are refused unread: half a megabyte cannot take half a gigabyte of memory."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import grpc
import pytest
from grpc_health.v1 import health

from load_tests.live.suite_process import SuiteProcess
from services.rpc.reflection import SERVICE_NAMES
from services.rpc.services import SERVICERS

METHODS = (
    {
        f"/{service.full_name}/{method.name}": (method.client_streaming, method.server_streaming)
        for service, _ in SERVICERS
        for method in service.methods
    }
    | {
        f"/{health.SERVICE_NAME}/Check": (False, False),
        f"/{health.SERVICE_NAME}/Watch": (False, True),
    }
    | {f"/{name}/ServerReflectionInfo": (True, True) for name in SERVICE_NAMES}
)
MIB = 1 << 20
# Beyond the largest message, so that a server that unpacks it can be seen; and as large as an attacker would take.
LARGE, HUGE = 6 * MIB, 96 * MIB
ALLOWED_MIB = 32
UNREAD = (("grpc.max_send_message_length", -1),)


def peak_mib(pid: int) -> float:
    """The most memory that the process has ever held."""
    lines = Path(f"/proc/{pid}/status").read_text("utf-8").splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("VmHWM:")) / 1024


@pytest.fixture(params=[grpc.Compression.Gzip, grpc.Compression.Deflate], ids=["gzip", "deflate"])
def packed(request: pytest.FixtureRequest, suite: SuiteProcess) -> Iterator[grpc.Channel]:
    """A channel that compresses each message; its caller has no token."""
    with grpc.insecure_channel(suite.target, UNREAD, request.param) as channel:
        yield channel


def answer(channel: grpc.Channel, path: str, message: bytes) -> grpc.StatusCode:
    """Send one message to the method, in its wire form, and return the status."""
    client_streaming, server_streaming = METHODS[path]
    if client_streaming:
        answers = channel.stream_stream(path)(iter([message]), timeout=30)
    elif server_streaming:
        answers = channel.unary_stream(path)(message, timeout=30)
    else:
        answers = channel.unary_unary(path).future(message, timeout=30)
    return answers.code()


def test_every_method_refuses_a_compressed_message_unread(suite: SuiteProcess, packed: grpc.Channel) -> None:
    before, message = peak_mib(suite.pid), b"\0" * LARGE
    assert {path: answer(packed, path, message) for path in METHODS} == dict.fromkeys(
        METHODS, grpc.StatusCode.UNIMPLEMENTED
    )
    assert peak_mib(suite.pid) - before < ALLOWED_MIB


@pytest.mark.parametrize("path", ["/gig.v1.JobService/PlaceJob", "/gig.v1.CourierService/Connect"])
def test_a_bomb_takes_no_memory(suite: SuiteProcess, packed: grpc.Channel, path: str) -> None:
    before, message = peak_mib(suite.pid), b"\0" * HUGE
    assert answer(packed, path, message) is grpc.StatusCode.UNIMPLEMENTED
    assert peak_mib(suite.pid) - before < ALLOWED_MIB


def test_a_refusal_names_the_algorithm_and_the_message_may_be_sent_plain(suite: SuiteProcess) -> None:
    path = f"/{health.SERVICE_NAME}/Check"
    with grpc.insecure_channel(suite.target) as channel:
        call = channel.unary_unary(path)
        assert call(b"") == b"\x08\x01"
        with pytest.raises(grpc.RpcError) as refused:
            call(b"\x0a\x00" * 500, compression=grpc.Compression.Gzip)
        assert "gzip" in refused.value.details()
        assert call(b"") == b"\x08\x01"
