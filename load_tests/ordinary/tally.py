"""What ordinary people saw of a server: latencies, refusals, jobs served, and what they were promised."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field

import numpy as np

from dispatcher.log.journal import Line


@dataclass(slots=True)
class Tally:
    """``latencies_ms`` count from when a call was due. ``refused``: by method and status code. ``served``: ids of jobs
    that a courier completed. ``journal``: what was acknowledged, as ``gig log check --journal`` reads it."""

    latencies_ms: dict[str, list[float]] = field(default_factory=dict)
    refused: Counter[str] = field(default_factory=Counter)
    calls: int = 0
    offered: set[str] = field(default_factory=set)
    served: set[str] = field(default_factory=set)
    journal: list[Line] = field(default_factory=list)

    def answered(self, method: str, latency_ms: float) -> None:
        """Count a call that was carried out."""
        self.calls += 1
        self.latencies_ms.setdefault(method, []).append(latency_ms)

    def refuse(self, method: str, code: str) -> None:
        """Count a call or a message that was refused, cut or not answered."""
        self.calls += 1
        self.refused[f"{method}: {code}"] += 1

    def reset(self) -> None:
        """Begin a new measurement; what people were promised stays."""
        self.latencies_ms.clear()
        self.refused.clear()
        self.calls = 0

    def p99_ms(self) -> float:
        """Return the 99th percentile over all calls that were carried out; NaN where there were none."""
        every = [value for values in self.latencies_ms.values() for value in values]
        return float(np.percentile(every, 99)) if every else float("nan")
