"""Rate, errors and duration of each gRPC method."""

from __future__ import annotations

import grpc
from prometheus_client import CollectorRegistry, Counter, Histogram

SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
OK = grpc.StatusCode.OK.value[0]
NAME_OF_CODE = {code.value[0]: code.name for code in grpc.StatusCode}


class MethodMetrics:
    def __init__(self, calls: Counter, seconds: Histogram, path: str) -> None:
        self._calls, self._path = calls, path
        self._by_code = {OK: calls.labels(path, "OK")}
        self._seconds = seconds.labels(path)

    def observe(self, code: grpc.StatusCode | int | None, seconds: float) -> None:
        number = code.value[0] if isinstance(code, grpc.StatusCode) else (code or OK)
        if number not in self._by_code:
            self._by_code[number] = self._calls.labels(self._path, NAME_OF_CODE.get(number, "UNKNOWN"))
        self._by_code[number].inc()
        self._seconds.observe(seconds)


class CallMetrics:
    """``gig_grpc_calls_total{method,code}`` and ``gig_grpc_call_seconds{method}``."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self._calls = Counter(
            "gig_grpc_calls", "gRPC calls that ended, by status code", ["method", "code"], registry=registry
        )
        self._seconds = Histogram(
            "gig_grpc_call_seconds", "Duration of gRPC calls", ["method"], registry=registry, buckets=SECONDS
        )

    def method(self, path: str) -> MethodMetrics:
        return MethodMetrics(self._calls, self._seconds, path)
