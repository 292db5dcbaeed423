"""A command that starts a server of its own takes it along, however the command ends."""

from __future__ import annotations

import os
import select
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from load_tests.bench.running import empty_database

LIMIT_S = 60.0
# Prints the id of its server and the server's folder, then waits for ever.
COMMAND = """
import asyncio, pathlib, signal, sys
from load_tests.bench import running
from services.__main__ import exit_by_signal

async def main():
    async with running.running_suite() as suite:
        print(suite.pid, suite.data_dir, flush=True)
        await asyncio.Event().wait()

running.empty_database = lambda: pathlib.Path(sys.argv[1])
signal.signal(signal.SIGTERM, exit_by_signal)
asyncio.run(main())
"""


@pytest.mark.parametrize(
    ("number", "code"), [(signal.SIGTERM, 128 + signal.SIGTERM), (signal.SIGKILL, -signal.SIGKILL)]
)
def test_its_server_ends_with_it(number: signal.Signals, code: int) -> None:
    arguments = [sys.executable, "-c", COMMAND, str(empty_database())]
    with subprocess.Popen(arguments, stdout=subprocess.PIPE, text=True) as command:
        assert command.stdout is not None
        pid, folder = command.stdout.readline().split()
        server = os.pidfd_open(int(pid))
        command.send_signal(number)
    try:
        assert command.returncode == code
        assert select.select([server], [], [], LIMIT_S)[0]
        # Nothing can be removed by a command that is killed.
        assert Path(folder).exists() == (number == signal.SIGKILL)
    finally:
        os.close(server)
        subprocess.run(["rm", "-rf", folder], check=True)
