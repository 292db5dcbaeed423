"""On what a benchmark ran: numbers without a machine mean nothing."""

from __future__ import annotations

import os
import platform
from pathlib import Path


def machine() -> dict[str, str | int]:
    model = next(
        (line.split(":", 1)[1].strip() for line in _cpuinfo().splitlines() if line.startswith("model name")),
        platform.processor() or "unknown",
    )
    return {"cpu": model, "cores": os.cpu_count() or 1, "python": platform.python_version(), "os": platform.platform()}


def _cpuinfo() -> str:
    try:
        return Path("/proc/cpuinfo").read_text("utf-8-sig")
    except OSError:
        return ""
