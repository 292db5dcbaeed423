"""Anonymous clients keep nobody from the HTTP port: slow requests, floods of connections, live feeds."""

from __future__ import annotations

import asyncio
import gzip
import resource
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

import pytest

from load_tests.bench.running import running_suite
from load_tests.live.suite_process import SuiteProcess

FLAGS = (
    *("--http-connections", "40", "--http-connections-per-address", "20"),
    *("--http-header-seconds", "0.5", "--http-body-seconds", "0.5"),
    *("--anonymous-viewers", "5", "--anonymous-viewers-per-address", "3"),
)
Ends = tuple[asyncio.StreamReader, asyncio.StreamWriter]
LIMIT_S = 20.0
HOME, AWAY, FURTHER = "127.0.0.1", "127.0.0.2", "127.0.0.3"


@pytest.fixture(scope="module")
async def small() -> AsyncIterator[SuiteProcess]:
    async with running_suite(*FLAGS) as suite:
        yield suite


@asynccontextmanager
async def connected(
    suite: SuiteProcess, address: str = HOME
) -> AsyncIterator[tuple[asyncio.StreamReader, asyncio.StreamWriter]]:
    async with asyncio.timeout(LIMIT_S):
        reader, writer = await asyncio.open_connection(HOME, suite.http_port, local_addr=(address, 0))
    try:
        yield reader, writer
    finally:
        writer.close()


def request(path: str, method: str = "GET", token: str = "", headers: str = "", body: bytes = b"") -> bytes:
    bearer = f"Authorization: Bearer {token}\r\n" if token else ""
    return f"{method} {path} HTTP/1.1\r\nHost: x\r\n{bearer}{headers}\r\n".encode() + body


async def answer(suite: SuiteProcess, sent: bytes, address: str = HOME) -> tuple[int, str]:
    """Status and headers of the answer to what was sent by a connection of its own."""
    async with connected(suite, address) as (reader, writer), asyncio.timeout(LIMIT_S):
        writer.write(sent)
        head = (await reader.readuntil(b"\r\n\r\n")).decode()
        return int(head.split()[1]), head


async def end_of(reader: asyncio.StreamReader) -> None:
    """Returns when the server has closed the connection."""
    async with asyncio.timeout(LIMIT_S):
        try:
            while await reader.read(1 << 16):
                pass
        except ConnectionError:
            pass


@pytest.mark.parametrize("sent", [b"", b"GET /metr", b"GET /healthz HTTP/1.1\r\nHost: x\r\nX-A"])
async def test_a_request_whose_headers_do_not_come_is_closed(small: SuiteProcess, sent: bytes) -> None:
    async with connected(small) as (reader, writer):
        writer.write(sent)
        await end_of(reader)


async def test_a_body_that_does_not_come_is_refused(small: SuiteProcess) -> None:
    token = small.wallet.token("courier", "bo")
    for path in ("/session", "/api/PayService/GetStatement"):
        headers = "Content-Type: application/json\r\nContent-Length: 50\r\n"
        assert (await answer(small, request(path, "POST", token, headers, b"{")))[0] == 408


async def test_a_body_that_is_too_large_or_compressed_is_refused_unread(small: SuiteProcess) -> None:
    token = small.wallet.token("courier", "bo")
    for path in ("/session", "/api/PayService/GetStatement"):
        json_ = "Content-Type: application/json\r\n"
        declared = request(path, "POST", token, f"{json_}Content-Length: 1000000000\r\n", b"x")
        assert (await answer(small, declared))[0] == 413
        chunk = b"%x\r\n%b\r\n" % (70_000, b"x" * 70_000)
        assert (await answer(small, request(path, "POST", token, f"{json_}Transfer-Encoding: chunked\r\n", chunk)))[
            0
        ] == 413
        packed = gzip.compress(b"x" * 1_000_000)
        headers = f"{json_}Content-Encoding: gzip\r\nContent-Length: {len(packed)}\r\n"
        assert (await answer(small, request(path, "POST", token, headers, packed)))[0] == 415


async def test_silent_connections_keep_out_neither_their_own_address_nor_others(small: SuiteProcess) -> None:
    async with AsyncExitStack() as held:
        for address in (HOME, AWAY, FURTHER):
            for _ in range(30):
                await held.enter_async_context(connected(small, address))
        for address in (HOME, AWAY, FURTHER, "127.0.0.4"):
            assert (await answer(small, request("/healthz"), address))[0] == 200
    assert await small.metric("gig_refused_total", limit="connections_per_address") > 0


async def test_feeds_of_strangers_leave_seats_for_people_and_staff(small: SuiteProcess) -> None:
    async with AsyncExitStack() as held:

        async def opened(path: str, address: str, token: str = "") -> tuple[int, str]:
            reader, writer = await held.enter_async_context(connected(small, address))
            writer.write(request(path, token=token))
            async with asyncio.timeout(LIMIT_S):
                head = (await reader.readuntil(b"\r\n\r\n")).decode()
            return int(head.split()[1]), head

        assert [(await opened("/live/feed", HOME))[0] for _ in range(4)] == [200, 200, 200, 503]
        statuses = [await opened("/live/feed", AWAY) for _ in range(3)]
        assert [status for status, _ in statuses] == [200, 200, 503]
        assert "Retry-After: 5" in statuses[-1][1]
        for role in ("operator", "reviewer", "researcher"):
            assert (await opened("/live/feed", HOME, small.wallet.token(role, "olu")))[0] == 200
        assert (await opened("/me/feed", HOME, small.wallet.token("courier", "bo")))[0] == 200
    assert await small.metric("gig_refused_total", limit="feeds") >= 2


async def test_without_files_for_connections_the_log_stays_short_and_the_port_comes_back(small: SuiteProcess) -> None:
    log = Path(str(small.data_dir), "suite.log")
    before, limits = log.stat().st_size, resource.prlimit(small.pid, resource.RLIMIT_NOFILE)
    assert limits[0] == min(limits[1], 1 << 20)  # raised at the start
    open_now = len(list(Path(f"/proc/{small.pid}/fd").iterdir()))
    resource.prlimit(small.pid, resource.RLIMIT_NOFILE, (open_now + 4, limits[1]))
    try:
        async with AsyncExitStack() as held:
            streams = [await held.enter_async_context(connected(small, f"127.0.1.{n}")) for n in range(1, 100)]
            for reader, _ in streams[:30]:
                await end_of(reader)  # those that wait longest make room for the next
    finally:
        resource.prlimit(small.pid, resource.RLIMIT_NOFILE, limits)
    assert (await answer(small, request("/healthz")))[0] == 200
    assert log.stat().st_size - before < 10_000
