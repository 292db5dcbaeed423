"""Every field of every request has a bound, and every message outside of one is refused by the name of its field."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import protovalidate
import pytest
from google.protobuf import struct_pb2
from google.protobuf.descriptor import Descriptor, FieldDescriptor
from google.protobuf.duration_pb2 import Duration
from google.protobuf.message import Message
from google.protobuf.message_factory import GetMessageClass
from google.protobuf.timestamp_pb2 import Timestamp
from hypothesis import given, settings
from hypothesis import strategies as st

from dispatcher import policy
from dispatcher.validation import faults_of, rules
from dispatcher.validation.structure import MULTILINE, PATTERNS, checker, item_rules, rules_of
from geo.characters import is_clean, is_clean_multiline, text_fault
from gig.v1 import courier_service_pb2 as courier_pb
from gig.v1 import job_service_pb2 as job_pb
from gig.v1 import oversight_service_pb2 as oversight_pb
from services.rpc import errors
from services.rpc.services import SERVICERS

TIME, SPAN = Timestamp.DESCRIPTOR, Duration.DESCRIPTOR
REQUESTS = sorted({method.input_type for service, _ in SERVICERS for method in service.methods}, key=lambda d: d.name)
POLICY = oversight_pb.SetPolicyRequest.DESCRIPTOR.fields_by_name["policy"].message_type

Path = tuple[FieldDescriptor, ...]


def fields_of(descriptor: Descriptor, above: Path = ()) -> Iterator[Path]:
    """Every field of a message, and of the messages in it, with the fields on the way to it."""
    for field in descriptor.fields:
        path = (*above, field)
        yield path
        if field.message_type not in (None, TIME, SPAN):
            yield from fields_of(field.message_type, path)


FIELDS = [(request, path) for request in REQUESTS for path in fields_of(request)]


def ids_of(fields: list[tuple[Descriptor, Path]]) -> list[str]:
    return [f"{request.name}.{'.'.join(field.name for field in path)}" for request, path in fields]


def bound_missing(field: FieldDescriptor) -> str:
    """What the contract leaves open about a field, or nothing."""
    own, one = rules_of(field), item_rules(field)
    if field.is_repeated and (own is None or not own.repeated.HasField("max_items")):
        return "max_items"
    if field.message_type is not None:
        if field.message_type not in (TIME, SPAN):
            return ""
        name = "timestamp" if field.message_type == TIME else "duration"
        return "" if one is not None and _both_ends(getattr(one, name)) else f"{name} from and to"
    if field.type == FieldDescriptor.TYPE_BOOL:
        return ""
    if one is None or one.WhichOneof("type") is None:
        return "any rule"
    kind = one.WhichOneof("type")
    found = getattr(one, kind)
    if kind == "string":
        return "" if any(found.HasField(name) for name in ("max_len", "max_bytes", "pattern")) else "length"
    if kind == "enum":
        return "" if found.defined_only or getattr(found, "in") else "values"
    below = found.WhichOneof("greater_than") is not None or kind.startswith("u")
    return "" if below and found.WhichOneof("less_than") is not None else "from and to"


def _both_ends(found: Any) -> bool:
    return found.WhichOneof("greater_than") is not None and found.WhichOneof("less_than") is not None


def test_every_field_of_every_request_has_a_bound_in_the_contract() -> None:
    open_ends = {path[-1].full_name: bound_missing(path[-1]) for _, path in FIELDS}
    assert {name: missing for name, missing in open_ends.items() if missing} == {}


def test_the_patterns_of_the_contract_have_words() -> None:
    used = {found.string.pattern for _, path in FIELDS if (found := item_rules(path[-1])) and found.string.pattern}
    assert used == PATTERNS.keys()


def test_the_depth_of_every_request_is_bounded() -> None:
    for request in REQUESTS:
        checker(request)
    with pytest.raises(TypeError, match="bounded depth"):
        checker(struct_pb2.Struct.DESCRIPTOR.nested_types[0])
    with pytest.raises(TypeError):
        checker(struct_pb2.Struct.DESCRIPTOR)


def message_with(request: Descriptor, path: Path, value: Any) -> Message:
    """A message in which one field alone has a value."""
    message = GetMessageClass(request)()
    inner = message
    for field in path[:-1]:
        inner = getattr(inner, field.name).add() if field.is_repeated else getattr(inner, field.name)
    last = path[-1]
    if last.message_type is not None:
        (getattr(inner, last.name).add() if last.is_repeated else getattr(inner, last.name)).CopyFrom(value)
    elif last.is_repeated:
        getattr(inner, last.name).append(value)
    else:
        setattr(inner, last.name, value)
    return message


def name_of(path: Path) -> str:
    return ".".join(f"{field.name}[0]" if field.is_repeated else field.name for field in path)


IMPOSSIBLE_TIMES = [
    Timestamp(seconds=2**62),
    Timestamp(seconds=-(2**63)),
    Timestamp(seconds=9_300_000_000_000),
    Timestamp(seconds=253_402_300_800),
    Timestamp(seconds=1_700_000_000, nanos=-1),
    Timestamp(seconds=1_700_000_000, nanos=1_000_000_000),
    Timestamp(seconds=946_684_799),
    Timestamp(seconds=7_258_118_400),
]
IMPOSSIBLE_SPANS = [
    Duration(seconds=2**62),
    Duration(seconds=-(2**63)),
    Duration(seconds=1, nanos=-1),
    Duration(seconds=-1, nanos=1),
    Duration(nanos=1_000_000_000),
    Duration(seconds=-1),
]
TIMES = [(request, path) for request, path in FIELDS if path[-1].message_type == TIME]
SPANS = [(request, path) for request, path in FIELDS if path[-1].message_type == SPAN]


@pytest.mark.parametrize(("request_type", "path"), TIMES, ids=ids_of(TIMES))
def test_a_time_that_cannot_be_is_refused_by_name(request_type, path) -> None:
    for value in IMPOSSIBLE_TIMES:
        assert name_of(path) in dict(faults_of(message_with(request_type, path, value)))
    assert name_of(path) not in dict(faults_of(message_with(request_type, path, Timestamp(seconds=1_500_000_000))))


@pytest.mark.parametrize(("request_type", "path"), SPANS, ids=ids_of(SPANS))
def test_a_span_that_cannot_be_is_refused_by_name(request_type, path) -> None:
    for value in IMPOSSIBLE_SPANS:
        assert name_of(path) in dict(faults_of(message_with(request_type, path, value)))


TEXTS = [(request, path) for request, path in FIELDS if path[-1].type == FieldDescriptor.TYPE_STRING]
HIDDEN = [
    "\0",
    "\x07",
    "\x1b",
    "\x7f",
    "\x85",
    "\u200b",
    "\u2028",
    "\u202e",
    "\u2066",
    "\ufeff",
    "\ufdd0",
    "\U000e0041",
]


@pytest.mark.parametrize(("request_type", "path"), TEXTS, ids=ids_of(TEXTS))
def test_a_text_with_hidden_characters_is_refused_by_name(request_type, path) -> None:
    for hidden in HIDDEN if path[-1].name in MULTILINE else [*HIDDEN, "\n", "\t", "\r"]:
        for text in (f"2026-11-25{hidden}", f"{hidden}abc", f"abc{hidden}", hidden):
            assert name_of(path) in dict(faults_of(message_with(request_type, path, text))), repr(text)


IDS = [
    (request, path) for request, path in TEXTS if (found := item_rules(path[-1])) and found.string.pattern in PATTERNS
]


@pytest.mark.parametrize(("request_type", "path"), IDS, ids=ids_of(IDS))
def test_a_pattern_is_matched_to_the_end_of_the_text(request_type, path) -> None:
    for text in ("abc\n", "USD\n", "2026-11-25\n", "\nabc", "abc\nabc"):
        assert name_of(path) in dict(faults_of(message_with(request_type, path, text)))


NUMBERS = [(request, path) for request, path in FIELDS if path[-1].type == FieldDescriptor.TYPE_DOUBLE]


@pytest.mark.parametrize(("request_type", "path"), NUMBERS, ids=ids_of(NUMBERS))
def test_a_number_that_is_not_finite_is_refused_by_name(request_type, path) -> None:
    for value in (float("nan"), float("inf"), float("-inf"), 1e308, -1e308):
        assert name_of(path) in dict(faults_of(message_with(request_type, path, value)))


LISTS = [(request, path) for request, path in FIELDS if path[-1].is_repeated]


@pytest.mark.parametrize(("request_type", "path"), LISTS, ids=ids_of(LISTS))
def test_a_list_that_is_too_long_is_refused_by_name_and_not_read(request_type, path) -> None:
    message = GetMessageClass(request_type)()
    inner: Any = message
    for field in path[:-1]:
        inner = getattr(inner, field.name).add() if field.is_repeated else getattr(inner, field.name)
    last = path[-1]
    values = getattr(inner, last.name)
    for _ in range(rules_of(last).repeated.max_items + 1):
        if last.message_type is not None:
            values.add()
        else:
            values.append("a" if last.type == FieldDescriptor.TYPE_STRING else 1)
    name = ".".join([*(f"{field.name}[0]" if field.is_repeated else field.name for field in path[:-1]), last.name])
    assert name in dict(faults_of(message))


def test_what_the_validator_cannot_check_is_refused_by_name(monkeypatch) -> None:
    """For any exception, at any depth of the message."""
    collect = protovalidate.collect_violations

    def broken(message: Message) -> Any:
        fields = {type(value) for _, value in message.ListFields()}
        if isinstance(message, Timestamp) or Timestamp in fields or "spec" in {f.name for f, _ in message.ListFields()}:
            raise OverflowError("date value out of range")
        return collect(message)

    monkeypatch.setattr(rules.protovalidate, "collect_violations", broken)
    message = job_pb.PlaceJobRequest()
    message.spec.dropoff_before.seconds = 1_700_000_000
    assert dict(faults_of(message)) == {"spec.dropoff_before": rules.UNCHECKED}
    status = errors.violations_of(message)
    assert status is not None
    assert (status.code, "spec.dropoff_before" in status.message) == (3, True)

    def always(_message: Message) -> Any:
        raise RuntimeError

    monkeypatch.setattr(rules.protovalidate, "collect_violations", always)
    assert faults_of(oversight_pb.GetMarketRequest()) == [("", rules.UNCHECKED)]


def test_a_rule_that_cannot_be_evaluated_is_a_fault_of_its_field() -> None:
    """The validator raises for this policy: its rule compares two spans that are none."""
    message = oversight_pb.SetPolicyRequest()
    message.policy.privacy.expire_after.seconds = 2**62
    message.policy.privacy.coarsen_after.seconds = -(2**63)
    with pytest.raises(protovalidate.EvaluationError):
        protovalidate.collect_violations(message)
    assert rules.rule_faults(message) == [("policy.privacy", rules.UNCHECKED)]
    status = errors.violations_of(message)
    assert status is not None
    assert status.code == 3
    assert "policy.privacy.expire_after: must be at most 10,000 years" in status.message


@settings(max_examples=60, deadline=None)
@given(data=st.data(), request_type=st.sampled_from(REQUESTS))
def test_no_bytes_make_validation_raise(data, request_type) -> None:
    """Messages at random, with every kind of value in every field."""
    message = GetMessageClass(request_type)()
    _fill(message, data, 0)
    status = errors.violations_of(message)
    assert status is None or (status.code == 3 and len(status.SerializeToString()) < 6000)


_SCALARS: dict[int, st.SearchStrategy[Any]] = {
    FieldDescriptor.TYPE_STRING: st.text(max_size=8) | st.sampled_from(["ann", "USD", "2026-11-25", "x" * 5000]),
    FieldDescriptor.TYPE_DOUBLE: st.floats(),
    FieldDescriptor.TYPE_BOOL: st.booleans(),
    FieldDescriptor.TYPE_UINT32: st.sampled_from([0, 1, 5, 2**31, 2**32 - 1]),
    FieldDescriptor.TYPE_INT32: st.sampled_from([0, 1, -1, 2**31 - 1, -(2**31)]),
    FieldDescriptor.TYPE_UINT64: st.sampled_from([0, 1, 2**63, 2**64 - 1]),
    FieldDescriptor.TYPE_INT64: st.sampled_from([0, 1, -1, 2**63 - 1, -(2**63)]),
    FieldDescriptor.TYPE_ENUM: st.sampled_from([0, 1, 2, 77, 2**31 - 1]),
}
_MOMENTS = st.sampled_from([0, 1, -1, 1_700_000_000, 9_300_000_000_000, 2**62, -(2**63)])
_NANOS = st.sampled_from([0, 1, -1, 999_999_999, 1_000_000_000, 2**31 - 1, -(2**31)])


def _fill(message: Message, data: Any, depth: int) -> None:
    for field in message.DESCRIPTOR.fields:
        if not data.draw(st.integers(0, 3)):
            continue
        if isinstance(message, Timestamp | Duration):
            message.seconds, message.nanos = data.draw(_MOMENTS), data.draw(_NANOS)
        elif field.message_type is not None and depth < 6:
            inner = getattr(message, field.name).add() if field.is_repeated else getattr(message, field.name)
            inner.SetInParent()
            _fill(inner, data, depth + 1)
        elif field.message_type is None and field.is_repeated:
            getattr(message, field.name).append(data.draw(_SCALARS[field.type]))
        elif field.message_type is None:
            setattr(message, field.name, data.draw(_SCALARS[field.type]))


@given(text=st.text(max_size=30))
def test_a_text_is_clean_exactly_where_nothing_is_wrong_with_it(text) -> None:
    assert is_clean(text) == (text_fault(text) == "")
    assert is_clean_multiline(text) == (text_fault(text, multiline=True) == "")
    assert is_clean_multiline(text) or not is_clean(text)


@pytest.mark.parametrize(
    "text", ["Åse", "Łódź, ul. Żółta 5", "نیم‌فاصله", "👨‍👩‍👧", "東京都", "e\u0301", "שלום\u200f", "a\u00a0b"]
)
def test_what_people_write_is_clean(text) -> None:
    assert is_clean(text)
    assert is_clean_multiline(f"{text}\n\t{text}\r\n")


@pytest.mark.parametrize("place", ["\ud800", "a\udfff", "\udc80\ud800"])
def test_lone_surrogates_are_not_clean(place) -> None:
    assert not is_clean(place)
    assert "U+D" in text_fault(place, multiline=True)


def test_faults_are_in_plain_words_and_name_the_whole_path() -> None:
    message = job_pb.PlaceJobRequest(request_id="r", client_id="ann")
    message.spec.kind = 9
    message.spec.pickup.position.latitude = 91
    message.spec.pickup.label = "x" * 201
    message.spec.skills.extend(["a", "B", "a"])
    message.spec.load.persons = 101
    message.spec.dropoff_before.seconds = 9_300_000_000_000
    assert dict(faults_of(message)) == {
        "spec.kind": "must be one of JOB_KIND_RIDE, JOB_KIND_DELIVERY",
        "spec.pickup.position.latitude": "must be from -90 to 90",
        "spec.pickup.label": "must be at most 200 characters",
        "spec.skills": "must not hold the same item twice",
        "spec.skills[1]": "must be 1 to 40 of the characters a-z, 0-9 and _",
        "spec.load.persons": "must be at most 100",
        "spec.dropoff": "is required",
        "spec.dropoff_before": "must lie in the years 1 to 9999, with nanos from 0 to 999,999,999",
    }
    assert dict(faults_of(job_pb.PlaceJobRequest(client_id="a b"))) == {
        "request_id": "is required",
        "client_id": "must be 1 to 128 letters, digits or ._:@-",
        "what": "exactly one of its fields is required",
    }


def test_fields_that_the_contract_does_not_know_are_dropped() -> None:
    """They would have no bound, and would stay on the log."""
    known = job_pb.GetJobRequest(job_id="job-1")
    asked = job_pb.GetJobRequest.FromString(known.SerializeToString() + b"\xfa\x3f\x05extra")
    assert asked != known
    assert errors.violations_of(asked) is None
    assert asked == known


def test_columns_of_positions_are_left_to_their_reader() -> None:
    batch = courier_pb.LocationBatch(latitudes=[1.0, float("nan")], longitudes=[1.0, 500.0])
    assert faults_of(courier_pb.ConnectRequest(number=1, locations=batch)) == []
    batch.latitudes.extend([1.0] * 999)
    message = courier_pb.ConnectRequest(number=1, locations=batch)
    assert dict(faults_of(message)) == {"locations.latitudes": "must hold at most 1000 items, not 1001"}
    assert len(message.locations.latitudes) == 1001


@pytest.mark.parametrize("name", policy.presets())
def test_presets_are_valid(name) -> None:
    assert faults_of(policy.load(name)) == []
