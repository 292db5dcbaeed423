"""`gig observe` ends Prometheus when it ends, however it is ended, and says in a line why it cannot start."""

from __future__ import annotations

import os
import select
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from load_tests.bench.running import free_port
from load_tests.live.suite_process import descendants
from tests.tools import needed

GIG = str(Path(sys.executable).with_name("gig"))
LIMIT_S = 60.0


@contextmanager
def observing(folder: Path, port: int) -> Iterator[subprocess.Popen[str]]:
    """`gig observe` without a server to ask: Prometheus runs all the same."""
    command = [GIG, "observe", "--data-dir", str(folder), "--port", str(port), "--prometheus", needed("prometheus")]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as running:
        try:
            yield running
        finally:
            running.kill()


def child_of(running: subprocess.Popen[str]) -> int:
    """Return the process id of Prometheus, once `gig observe` has named its page and Prometheus has started."""
    assert running.stderr is not None
    assert "Prometheus: http://127.0.0.1:" in running.stderr.readline()
    while not (children := descendants(running.pid)[1:]):
        assert running.poll() is None
    return children[0]


def wait_for_end(pidfd: int) -> None:
    """Return when the process has ended."""
    assert select.select([pidfd], [], [], LIMIT_S)[0], "Prometheus goes on"


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGKILL])
def test_prometheus_ends_with_the_command(number: signal.Signals, tmp_path: Path) -> None:
    with observing(tmp_path, free_port()) as running:
        pidfd = os.pidfd_open(child_of(running))
        running.send_signal(number)
        _, said = running.communicate(timeout=LIMIT_S)
        wait_for_end(pidfd)
        os.close(pidfd)
    assert "Traceback" not in said
    assert running.returncode == (-signal.SIGKILL if number == signal.SIGKILL else 0)


def test_a_port_that_is_taken_ends_it_with_one_line(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken, observing(tmp_path, taken.getsockname()[1]) as running:
        _, said = running.communicate(timeout=LIMIT_S)
        port = taken.getsockname()[1]
    assert running.returncode == 1
    assert said.splitlines()[-1] == (
        f"gig: cannot listen on 127.0.0.1:{port} for Prometheus: choose another with --port"
    )
    assert "Traceback" not in said
