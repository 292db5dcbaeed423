"""Work beside the market yields the cores, and leaves no process behind."""

from __future__ import annotations

import multiprocessing
import os
import subprocess
import sys
from multiprocessing.connection import wait

import pytest

from services.host.child import NICENESS, in_child

LIMIT_S = 60.0


async def test_it_yields_the_cores_and_its_process_ends_with_it() -> None:
    before = set(multiprocessing.active_children())
    assert await in_child(os.getpriority, os.PRIO_PROCESS, 0) >= NICENESS
    with pytest.raises(ValueError, match="invalid literal"):
        await in_child(int, "none")
    # Joining them would race with the thread of their pool, which joins them too.
    for child in set(multiprocessing.active_children()) - before:
        assert wait([child.sentinel], LIMIT_S)


@pytest.mark.parametrize("module", ["services.host.erasure_work", "services.host.snapshots", "services.host.no_offer"])
def test_a_background_process_imports_no_large_library_that_it_may_not_need(module: str) -> None:
    code = f"import sys, {module}; print([name for name in ('scipy', 'ortools') if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
