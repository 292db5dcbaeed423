"""The suite as a child process of a demonstration, a test or a benchmark."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
import tempfile
import urllib.request
from pathlib import Path
from typing import ClassVar

from prometheus_client.parser import text_string_to_metric_families

from dispatcher.log.child_servers import ending_with_parent
from load_tests.live.wallet import Wallet
from services.auth.issuing import development_issuer

METRICS_LIMIT_S = 10.0
READY_LIMIT_S = 90.0
# How the last line of a command begins that cannot go on.
SAID = "gig: "
STOP_LIMIT_S = 60.0


class SuiteFailed(RuntimeError):
    """The suite did not start or did not stop in order; the message holds the end of its output."""


class SuiteProcess:
    """``gig serve`` in a process group of its own, so that Ctrl-C is ours to answer; it drains when we are killed."""

    # Flags of every server that is started here; a server's own flags override them.
    common_flags: ClassVar[tuple[str, ...]] = ()

    def __init__(self, *flags: str, data_dir: Path | None, output: Path) -> None:
        self._flags = flags
        self.data_dir = data_dir
        self._output = output
        self._process: asyncio.subprocess.Process | None = None
        self._wallet: Wallet | None = None
        self.grpc_port = 0
        self.http_port = 0

    @property
    def target(self) -> str:
        return f"127.0.0.1:{self.grpc_port}"

    @property
    def wallet(self) -> Wallet:
        """Of the suite's own key for development."""
        if self._wallet is None:
            assert self.data_dir is not None, "the key is in the data directory"
            self._wallet = Wallet(development_issuer(self.data_dir))
        return self._wallet

    @property
    def running(self) -> bool:
        return self._process is not None and self._process.returncode is None

    @property
    def pid(self) -> int:
        assert self._process is not None, "start it first"
        return self._process.pid

    async def exported(self) -> str:
        """All that it exports for Prometheus now."""
        url = f"http://127.0.0.1:{self.http_port}/metrics"

        def read() -> str:
            with urllib.request.urlopen(url, timeout=METRICS_LIMIT_S) as answer:
                return str(answer.read().decode())

        return await asyncio.to_thread(read)

    async def metric(self, name: str, **labels: str) -> float:
        """The sum of the samples of this name that have these labels."""
        families = text_string_to_metric_families(await self.exported())
        samples = (sample for family in families for sample in family.samples if sample.name == name)
        return sum(sample.value for sample in samples if labels.items() <= sample.labels.items())

    async def start(self) -> None:
        """Returns when the suite serves."""
        with tempfile.TemporaryDirectory(prefix="gig-ready-") as folder:
            ready = Path(folder, "ready.json")
            flags = ["--grpc-address", "127.0.0.1:0", "--http-address", "127.0.0.1:0", "--ready-file", str(ready)]
            if self.data_dir is not None:
                flags += ["--data-dir", str(self.data_dir)]
            with self._output.open("ab") as output:
                self._process = await asyncio.create_subprocess_exec(
                    *(sys.executable, "-m", "services", "serve"),
                    *self.common_flags,
                    *flags,
                    *self._flags,
                    stdin=asyncio.subprocess.DEVNULL,
                    stdout=output,
                    stderr=output,
                    process_group=0,
                    preexec_fn=ending_with_parent(signal.SIGTERM),
                    env=_clean_environment(),
                )
            await self._wait_until(ready)
            ports = json.loads(ready.read_text("utf-8-sig"))
        self.grpc_port, self.http_port = ports["grpc"], ports["http"]

    async def _wait_until(self, ready: Path) -> None:
        assert self._process is not None, "started above"
        for _ in range(int(READY_LIMIT_S / 0.02)):
            if ready.exists():
                return
            if self._process.returncode is not None:
                raise SuiteFailed(self._why_it_ended())
            await asyncio.sleep(0.02)
        raise SuiteFailed(f"the suite did not serve within {READY_LIMIT_S:g} s:\n{self.tail()}")

    def _why_it_ended(self) -> str:
        """Return its own sentence, or the end of its output where it has none."""
        tail = self.tail()
        sentence = tail.rpartition("\n")[2]
        if sentence.startswith(SAID):
            return sentence.removeprefix(SAID)
        assert self._process is not None, "started above"
        return f"the server ended with code {self._process.returncode}:\n{tail}"

    async def stop(self) -> None:
        """SIGTERM, and wait for the drain. Raises SuiteFailed on any other end than 0."""
        if self._process is None or not self.running:
            return
        self._process.terminate()
        try:
            code = await asyncio.wait_for(self._process.wait(), STOP_LIMIT_S)
        except TimeoutError:
            self.kill()
            await self._process.wait()
            raise SuiteFailed(f"the suite did not drain within {STOP_LIMIT_S:g} s:\n{self.tail()}") from None
        if code != 0:
            raise SuiteFailed(f"the suite drained with code {code}:\n{self.tail()}")

    def kill(self) -> None:
        """kill -9 of the whole group and of the database's."""
        for pid in descendants(self.pid):
            _kill(pid)

    async def wait(self) -> int:
        assert self._process is not None, "start it first"
        return await self._process.wait()

    def said(self, text: str) -> list[str]:
        """Return the lines of its output that hold this text."""
        with self._output.open(encoding="utf-8-sig", errors="replace") as output:
            return [line.strip() for line in output if text in line]

    def tail(self) -> str:
        """Return the end of its output."""
        return "\n".join(self._output.read_text("utf-8-sig", errors="replace").splitlines()[-15:])


def descendants(pid: int) -> list[int]:
    """The process and everything below it, the process first."""
    found = [pid]
    for task in Path(f"/proc/{pid}/task").glob("*/children"):
        try:
            children = task.read_text("utf-8-sig").split()
        except OSError:
            continue
        for child in children:
            found += descendants(int(child))
    return found


def spawned_by(pid: int) -> set[int]:
    """Return the processes below it that multiprocessing spawned: solvers, and work beside the market."""
    return {child for child in descendants(pid) if b"spawn_main" in _command_line(child)}


def _command_line(pid: int) -> bytes:
    """Return nothing for a process that has ended meanwhile."""
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes()
    except OSError:
        return b""


def _kill(pid: int) -> None:
    try:
        os.kill(pid, signal.SIGKILL)
    except ProcessLookupError:
        return


def _clean_environment() -> dict[str, str]:
    """Without the caller's GIG_ settings: the flags say it all."""
    return {name: value for name, value in os.environ.items() if not name.startswith("GIG_")}
