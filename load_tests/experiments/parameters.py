"""Parameters of a policy by the path of their field, set to other values: what sweeps vary."""

from __future__ import annotations

import itertools
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from google.protobuf import json_format

from dispatcher.errors import PolicyError
from dispatcher.policy import checked
from gig.v1 import policy_pb2 as policy_pb
from load_tests.traces.errors import TraceError

NUMBER = re.compile(r"(-?\d+(?:\.\d+)?)(s?)")


@dataclass(frozen=True, slots=True)
class Parameter:
    """``path``: of a field, dots between, numbers for places in lists: matching.batch_window, pays.0.per_km.
    ``values`` to try, or a range from ``low`` to ``high``, in whole steps where both ends are whole; ``unit``: "s" of
    durations."""

    path: str
    values: tuple[Any, ...] = ()
    low: float | None = None
    high: float | None = None
    whole: bool = False
    unit: str = ""

    def value_of(self, number: float) -> Any:
        """Return a number of the range as a policy file holds it."""
        kept = round(number) if self.whole else round(number, 4)
        return f"{kept:g}s" if self.unit else kept

    @property
    def short(self) -> str:
        return self.path.rpartition(".")[2]


def parse(text: str) -> Parameter:
    """``path=2s,10s,30s`` or ``path=2s..60s``. Raises TraceError."""
    path, equals, right = text.partition("=")
    if not equals or not path or not right:
        raise TraceError(
            f"--vary {text!r}: write it as matching.batch_window=2s,10s,30s or matching.batch_window=2s..60s"
        )
    low, dots, high = right.partition("..")
    if not dots:
        return Parameter(path, tuple(_value(each) for each in right.split(",")))
    ends = NUMBER.fullmatch(low), NUMBER.fullmatch(high)
    if ends[0] is None or ends[1] is None or ends[0][2] != ends[1][2] or float(ends[0][1]) >= float(ends[1][1]):
        raise TraceError(
            f"--vary {text!r}: a range goes from a number to a larger one of the same unit: 2s..60s, 100..250"
        )
    whole = "." not in ends[0][1] + ends[1][1] and not ends[0][2]
    return Parameter(path, (), float(ends[0][1]), float(ends[1][1]), whole, ends[0][2])


def _value(text: str) -> Any:
    try:
        return json.loads(text)
    except ValueError:  # no JSON, or a number with more digits than Python reads
        return text


def grid(parameters: Sequence[Parameter]) -> list[dict[str, Any]]:
    """Every combination: path -> value."""
    for parameter in parameters:
        if not parameter.values:
            raise TraceError(f"--vary {parameter.path}: a range needs --trials; for a grid, list the values")
    found = itertools.product(*(parameter.values for parameter in parameters))
    paths = [parameter.path for parameter in parameters]
    return [dict(zip(paths, values, strict=True)) for values in found]


def with_values(policy: policy_pb.Policy, values: Mapping[str, Any]) -> policy_pb.Policy:
    """Raises PolicyError where there is no such field, or the value does not fit."""
    tree = json_format.MessageToDict(policy, preserving_proto_field_name=True)
    for path, value in values.items():
        _set(tree, path, value)
    try:
        changed = json_format.ParseDict(tree, policy_pb.Policy())
    except json_format.ParseError as fault:
        raise PolicyError(f"policy {policy.name!r} with {label_of(values)}: {fault}") from fault
    return checked(changed, f"policy {policy.name!r} with {label_of(values)}")


def _set(tree: dict[str, Any], path: str, value: Any) -> None:
    *way, last = path.split(".")
    at: Any = tree
    for name in way:
        at = at[_place(at, name, path)] if isinstance(at, list) else at.setdefault(name, {})
    if isinstance(at, list):
        at[_place(at, last, path)] = value
    else:
        at[last] = value


def _place(rows: list[Any], name: str, path: str) -> int:
    if not name.isdigit() or int(name) >= len(rows):
        raise PolicyError(f"{path}: {name!r} is no place in a list of {len(rows)}; the first is 0")
    return int(name)


def label_of(values: Mapping[str, Any]) -> str:
    """batch_window=10s,cap_percent=150"""
    return ",".join(f"{path.rpartition('.')[2]}={value}" for path, value in values.items())
