"""Programs that are not Python's: found, or the test is skipped; where CI says that they are there, it fails."""

from __future__ import annotations

import os
import shutil

import pytest


def needed(program: str) -> str:
    found = shutil.which(program)
    if found is None:
        missing(f"{program} is not installed (Debian: apt-get install prometheus chromium)")
    assert found is not None, "else the test has ended"
    return found


def missing(reason: str) -> None:
    if os.environ.get("GIG_TOOLS_REQUIRED"):
        pytest.fail(reason)
    pytest.skip(reason)
