"""TLS and mutual TLS: encrypted, with the certificate of the moment, and closed to those without one of their own."""

from __future__ import annotations

import asyncio
import shutil
import socket
import ssl
import urllib.error
import urllib.request
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

import grpc
import pytest
import trustme
from grpc_health.v1 import health_pb2, health_pb2_grpc
from typer.testing import CliRunner

from gig.v1 import oversight_service_pb2 as pb
from gig.v1 import oversight_service_pb2_grpc as rpc
from load_tests.bench.running import data_directory
from load_tests.live.suite_process import SuiteProcess
from services.cli.main import app
from tests.signing import caller, plant

LIMIT_S = 10.0


@dataclass
class Guarded:
    suite: SuiteProcess
    authority: trustme.CA
    folder: Path

    def renew(self) -> None:
        """Another certificate of the same authority, in the same files."""
        issued = self.authority.issue_cert("localhost")
        (self.folder / "new.pem").write_bytes(b"".join(blob.bytes() for blob in issued.cert_chain_pems))
        (self.folder / "new.key").write_bytes(issued.private_key_pem.bytes())
        (self.folder / "new.key").rename(self.folder / "suite.key")
        (self.folder / "new.pem").rename(self.folder / "suite.pem")

    def serial(self, port: int) -> int:
        """Of the certificate that a handshake shows."""
        context = ssl.create_default_context(cadata=self.authority.cert_pem.bytes().decode())
        with (
            socket.create_connection(("localhost", port), LIMIT_S) as plain,
            context.wrap_socket(plain, server_hostname="localhost") as secured,
        ):
            shown = secured.getpeercert()
            assert shown is not None
            return int(shown["serialNumber"], 16)


@pytest.fixture(scope="module")
async def guarded() -> AsyncIterator[Guarded]:
    folder, authority = data_directory(), trustme.CA()
    plant(folder)
    authority.cert_pem.write_to_path(folder / "ca.pem")
    suite = SuiteProcess(
        *("--tls-certificate", str(folder / "suite.pem"), "--tls-key", str(folder / "suite.key")),
        *("--tls-client-ca", str(folder / "ca.pem")),
        data_dir=folder,
        output=folder / "suite.log",
    )
    made = Guarded(suite, authority, folder)
    made.renew()
    await suite.start()
    yield made
    await suite.stop()
    shutil.rmtree(folder)


async def asked(target: str, credentials: grpc.ChannelCredentials | None) -> grpc.StatusCode:
    made = grpc.aio.insecure_channel(target) if credentials is None else grpc.aio.secure_channel(target, credentials)
    async with made as channel:
        try:
            await rpc.OversightServiceStub(channel).GetZones(
                pb.GetZonesRequest(), timeout=LIMIT_S, metadata=caller("client", "ann")
            )
        except grpc.aio.AioRpcError as fault:
            return fault.code()
        return grpc.StatusCode.OK


def credentials(authority: trustme.CA, issuer: trustme.CA | None = None) -> grpc.ChannelCredentials:
    if issuer is None:
        return grpc.ssl_channel_credentials(authority.cert_pem.bytes())
    own = issuer.issue_cert("gateway.example")
    chain = b"".join(blob.bytes() for blob in own.cert_chain_pems)
    return grpc.ssl_channel_credentials(authority.cert_pem.bytes(), own.private_key_pem.bytes(), chain)


async def test_only_clients_with_a_certificate_of_the_authority_are_heard(guarded: Guarded) -> None:
    target = f"localhost:{guarded.suite.grpc_port}"
    assert await asked(target, credentials(guarded.authority, guarded.authority)) is grpc.StatusCode.OK
    for other in (None, credentials(guarded.authority), credentials(guarded.authority, trustme.CA())):
        assert await asked(target, other) is grpc.StatusCode.UNAVAILABLE


async def test_a_renewed_certificate_is_shown_without_a_restart_and_a_broken_one_is_not(guarded: Guarded) -> None:
    port = guarded.suite.http_port
    before = await asyncio.to_thread(guarded.serial, port)
    guarded.renew()
    after = await asyncio.to_thread(guarded.serial, port)
    assert after != before
    (guarded.folder / "suite.pem").write_text("broken", "utf-8")
    assert await asyncio.to_thread(guarded.serial, port) == after
    target = f"localhost:{guarded.suite.grpc_port}"
    assert await asked(target, credentials(guarded.authority, guarded.authority)) is grpc.StatusCode.OK
    guarded.renew()


async def test_the_pages_are_served_by_tls_alone(guarded: Guarded) -> None:
    port = guarded.suite.http_port
    context = ssl.create_default_context(cadata=guarded.authority.cert_pem.bytes().decode())

    def get(url: str) -> int:
        with urllib.request.urlopen(url, timeout=LIMIT_S, context=context) as answer:
            return int(answer.status)

    assert await asyncio.to_thread(get, f"https://localhost:{port}/healthz") == 200
    with pytest.raises((urllib.error.URLError, ConnectionError)):
        await asyncio.to_thread(get, f"http://localhost:{port}/healthz")


@pytest.mark.parametrize(
    ("flags", "said"),
    [
        (["--tls-certificate", "missing.pem", "--tls-key", "missing.key"], "missing.pem"),
        (["--tls-certificate", "missing.pem"], "belong together"),
        (["--tls-client-ca", "missing.pem"], "needs tls_certificate"),
        (["--token-keys", "missing.json"], "token_keys"),
        (["--without-token", "health,secrets"], "without_token"),
    ],
)
def test_what_cannot_be_served_by_is_told_before_anything_starts(flags, said, tmp_path) -> None:
    outcome = CliRunner().invoke(app(), ["serve", "--data-dir", str(tmp_path), *flags])
    assert outcome.exit_code == 2, outcome.stderr
    assert said in outcome.stderr
    assert "Traceback" not in outcome.stderr


async def test_whatever_is_not_open_to_all_asks_for_a_token() -> None:
    folder = data_directory()
    plant(folder)
    suite = SuiteProcess("--without-token", "", data_dir=folder, output=folder / "suite.log")
    await suite.start()
    try:
        base = f"http://127.0.0.1:{suite.http_port}"

        def status(path: str, role: str = "") -> int:
            headers = {"Authorization": caller(role, "olu")[0][1]} if role else {}
            try:
                with urllib.request.urlopen(
                    urllib.request.Request(base + path, headers=headers), timeout=LIMIT_S
                ) as got:
                    return int(got.status)
            except urllib.error.HTTPError as fault:
                return fault.code

        for path, denied, allowed in (
            ("/metrics", "courier", "researcher"),
            ("/live/zones", "client", "operator"),
            ("/healthz", "", "client"),
        ):
            assert await asyncio.to_thread(status, path) == 401
            if denied:
                assert await asyncio.to_thread(status, path, denied) == 403
            assert await asyncio.to_thread(status, path, allowed) == 200
        async with grpc.aio.insecure_channel(suite.target) as channel:
            stub = health_pb2_grpc.HealthStub(channel)
            with pytest.raises(grpc.aio.AioRpcError) as refused:
                await stub.Check(health_pb2.HealthCheckRequest(), timeout=LIMIT_S)
            assert refused.value.code() is grpc.StatusCode.UNAUTHENTICATED
            answer = await stub.Check(health_pb2.HealthCheckRequest(), timeout=LIMIT_S, metadata=caller("client", "a"))
            assert answer.status == health_pb2.HealthCheckResponse.SERVING
    finally:
        await suite.stop()
        shutil.rmtree(folder)
