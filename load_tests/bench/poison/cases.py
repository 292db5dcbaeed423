"""The battery: the fields of each mutating method and stream message at their extremes, alone and in pairs."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from google.protobuf.descriptor import Descriptor, MethodDescriptor

from load_tests.bench.poison.extremes import Change, changes_of
from load_tests.bench.poison.zones import documents
from load_tests.contract.fields import FieldPath, paths_of
from services.auth.contract import path_of
from services.rpc.services import SERVICERS

# Fields whose text is a document with a form of its own.
DOCUMENTS = frozenset({"geojson"})
# Pairs, as many as there are single changes.
PAIRS_SHARE = 1.0
# Messages that change no job or account, but hold positions or times that the market keeps.
ALSO = frozenset({"CourierService/ReportLocations", "JobService/QuoteJob"})


@dataclass(frozen=True, slots=True)
class Case:
    """``arm``: the kind of message of a stream; empty for a single call. ``inside``: within all bounds."""

    method: MethodDescriptor
    arm: str
    changes: tuple[Change, ...]

    @property
    def inside(self) -> bool:
        return all(change.inside for change in self.changes)

    @property
    def needs_policy(self) -> bool:
        """Whether the bounds are those of the ordinary policy."""
        return any(change.from_now for change in self.changes)

    @property
    def path(self) -> str:
        return f"{path_of(self.method)}/{self.arm}" if self.arm else path_of(self.method)

    def __str__(self) -> str:
        return f"{self.path}: {' and '.join(map(str, self.changes))}"


def battery(rng: np.random.Generator, attempts: int) -> list[Case]:
    """Return ``attempts`` cases in random order: half of them inside and half outside, a quarter of them pairs.

    With fewer attempts than cases, returns a random selection.
    """
    cases = [case for method, arm in _targets() for case in _cases(rng, method, arm)]
    half = attempts // 2
    chosen = []
    for inside, wanted in ((True, half), (False, attempts - half)):
        pairs = _some(rng, [case for case in cases if case.inside is inside and len(case.changes) > 1], wanted // 4)
        singles = [case for case in cases if case.inside is inside and len(case.changes) == 1]
        chosen += [*pairs, *_some(rng, singles, wanted - len(pairs))]
    return _some(rng, chosen, len(chosen))


def _some(rng: np.random.Generator, cases: Sequence[Case], count: int) -> list[Case]:
    """Return at most ``count`` of the cases, in random order."""
    return [cases[index] for index in rng.permutation(len(cases))[:count].tolist()]


def _targets() -> Iterator[tuple[MethodDescriptor, str]]:
    """Mutating methods: those with a request_id, streams by kind of message, and a few more."""
    for service, _ in SERVICERS:
        for method in service.methods:
            if method.client_streaming:
                yield from ((method, field.name) for field in method.input_type.oneofs[0].fields)
            elif "request_id" in method.input_type.fields_by_name or path_of(method) in ALSO:
                yield method, ""


def _cases(rng: np.random.Generator, method: MethodDescriptor, arm: str) -> Iterator[Case]:
    changes = [change for path in _paths(method.input_type, arm) for change in _changes(path)]
    yield from (Case(method, arm, (change,)) for change in changes)
    for inside in (True, False):
        yield from _pairs(rng, method, arm, [change for change in changes if change.inside is inside])


def _pairs(rng: np.random.Generator, method: MethodDescriptor, arm: str, changes: Sequence[Change]) -> Iterator[Case]:
    """Pairs of different fields that can both be set."""
    for _ in range(round(len(changes) * PAIRS_SHARE)):
        first, second = (changes[int(index)] for index in rng.integers(0, len(changes), 2))
        if first.path.name != second.path.name and not _exclude(first.path, second.path):
            yield Case(method, arm, (first, second))


def _exclude(first: FieldPath, second: FieldPath) -> bool:
    """Whether both lie in different fields of one oneof."""
    for one, other in zip(first.fields, second.fields, strict=False):
        if one != other:
            return bool(one.containing_oneof is not None and one.containing_oneof == other.containing_oneof)
    return False


def _paths(descriptor: Descriptor, arm: str) -> Iterator[FieldPath]:
    for path in paths_of(descriptor):
        if not arm or path.fields[0].name in (arm, "number"):
            yield path


def _changes(path: FieldPath) -> Iterator[Change]:
    if path.last.name in DOCUMENTS:
        yield from (Change(path, text, inside) for text, inside in documents())
    else:
        yield from changes_of(path)


def names_of(case: Case) -> Sequence[Any]:
    """Return the names by which a refusal may name the fields that are outside their bounds."""
    return [change.path.last.name for change in case.changes if not change.inside]
