"""The processes of a pool end with its block, and with the process that made it, even if they are busy."""

from __future__ import annotations

import os
import select
import signal
import subprocess
import sys
from multiprocessing.connection import wait

from matching.child_process import pool_of, processes_of

LIMIT_S = 60.0
# Prints the ids of its two workers, which then wait for ever.
OWNER = """
import os, signal
from matching.child_process import pool_of, processes_of
if __name__ == "__main__":
    with pool_of(2) as pool:
        for _ in range(2):
            pool.submit(signal.pause)
        print(*(process.pid for process in processes_of(pool)), flush=True)
        signal.pause()
"""


def test_busy_processes_end_with_their_block() -> None:
    with pool_of(2, os.umask, (0o27,)) as pool:
        assert pool.submit(os.umask, 0o27).result(LIMIT_S) == 0o27
        for _ in range(2):
            pool.submit(signal.pause)
        processes = processes_of(pool)
    assert len(processes) == 2
    for process in processes:
        assert wait([process.sentinel], LIMIT_S)


def test_busy_processes_end_with_a_parent_that_is_killed() -> None:
    with subprocess.Popen([sys.executable, "-c", OWNER], stdout=subprocess.PIPE, text=True) as owner:
        assert owner.stdout is not None
        workers = [os.pidfd_open(int(pid)) for pid in owner.stdout.readline().split()]
        owner.kill()
    try:
        assert len(workers) == 2
        for worker in workers:
            assert select.select([worker], [], [], LIMIT_S)[0]
    finally:
        for worker in workers:
            os.close(worker)
