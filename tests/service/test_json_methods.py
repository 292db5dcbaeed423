"""The JSON methods of the pages answer any JSON with a result or with what is wrong with it, never with a failure."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from typing import Any

import aiohttp
import pytest
from google.protobuf.descriptor import Descriptor, FieldDescriptor
from google.protobuf.duration_pb2 import Duration
from google.protobuf.message_factory import GetMessageClass
from google.protobuf.timestamp_pb2 import Timestamp

from dispatcher.validation import Fault
from services.http.json_requests import NotJson, parse
from services.http.methods import FOR_PAGES
from tests.service.test_access import METHODS

ME = "json-courier"
# JSON as text: Python's encoder has no way to write some of these numbers.
NUMBERS = (
    *("0", "-0", "1", "-1", "12", "12.0", "1.5", "-1.5", "1e3", "1e-3", "1E400", "-1e400", "1e308", "5e-324"),
    *("2147483648", "4294967295", "4294967296", "-2147483649", "9007199254740993", "9223372036854775807"),
    *("9223372036854775808", "18446744073709551615", "18446744073709551616", "9" * 400, "-" + "9" * 400),
    *(
        "0." + "3" * 400,
        "1" + "0" * 400 + ".5",
        "NaN",
        "Infinity",
        "-Infinity",
        "01",
        "1.",
        ".5",
        "+1",
        "0x10",
        "1_000",
    ),
)
TEXTS = (
    *("", "a", "12", "-1", "1.5", "1e3", "1e400", "NaN", "Infinity", "-Infinity", " 12", "12 ", "１２", "true", "null"),
    *("\x00", "\ud800", "é" * 300, "x" * 10_000, "9" * 400, "0001-01-01T00:00:00Z", "9999-12-31T23:59:60Z"),
    *(
        "2026-11-25",
        "2026-11-25T00:00:00Z",
        "10000-01-01T00:00:00Z",
        "1s",
        "1e400s",
        "-1s",
        "%s",
        "DECISION_KIND_OFFER",
    ),
)
OTHERS = (
    "null",
    "true",
    "false",
    "[]",
    "{}",
    "[null]",
    "[1]",
    '["a"]',
    "[[]]",
    '{"a": 1}',
    '{"seconds": 1}',
    '{"": {}}',
)
VALUES = (*NUMBERS, *(json.dumps(text) for text in TEXTS), *OTHERS)
OF_TEXT = (Timestamp.DESCRIPTOR.full_name, Duration.DESCRIPTOR.full_name)
INTEGERS = (FieldDescriptor.CPPTYPE_INT32, FieldDescriptor.CPPTYPE_INT64, FieldDescriptor.CPPTYPE_UINT32)
INTEGERS = (*INTEGERS, FieldDescriptor.CPPTYPE_UINT64)


@dataclass(frozen=True, slots=True)
class Place:
    """A field in a request: its path by names of JSON, and what it may hold."""

    path: tuple[str, ...]
    field: FieldDescriptor
    # As answers name it.
    name: str


def places(descriptor: Descriptor, above: tuple[str, ...] = (), prefix: str = "") -> Iterator[Place]:
    for field in descriptor.fields:
        path, name = (*above, field.json_name), prefix + field.name
        yield Place(path, field, name)
        if field.message_type is not None and field.message_type.full_name not in OF_TEXT:
            yield from places(field.message_type, path, f"{name}.")


def body(base: dict[str, Any], path: tuple[str, ...], value: str) -> str:
    """Return a request as JSON text, with one field replaced by a value that is JSON text itself."""
    marked: dict[str, Any] = json.loads(json.dumps(base))
    inner = marked
    for name in path[:-1]:
        inner = inner.setdefault(name, {})
    inner[path[-1]] = "@"
    return json.dumps(marked).replace('"@"', value)


def sound(method: str) -> dict[str, Any]:
    """Return a request about the caller that the method can answer."""
    fields = METHODS[method].input_type.fields_by_name
    own = {name: ME for name in ("worker_id", "person_id", "courier_id") if name in fields}
    ids = {name: "none" for name in ("decision_id", "request_id", "statement") if name in fields}
    return {fields[name].json_name: value for name, value in (own | ids).items()}


def of_wrong_type(field: FieldDescriptor, value: str) -> bool:
    """Return whether no field of this kind can hold a value, whatever its bounds are."""
    found = loaded(value)
    if found is None:
        return False
    if field.message_type is not None and field.message_type.full_name not in OF_TEXT:
        return not isinstance(found, dict)
    if field.cpp_type in INTEGERS:
        return not isinstance(found, int | float | str) or isinstance(found, bool)
    if field.cpp_type == FieldDescriptor.CPPTYPE_ENUM:
        return not isinstance(found, int | str) or isinstance(found, bool)
    return not isinstance(found, str)


def loaded(value: str) -> object:
    try:
        return json.loads(value)
    except ValueError:
        return object()


@pytest.fixture
async def asking(suite) -> AsyncIterator[aiohttp.ClientSession]:
    """A courier who is signed in."""
    base = f"http://127.0.0.1:{suite.http_port}"
    jar = aiohttp.CookieJar(unsafe=True)
    async with aiohttp.ClientSession(base, cookie_jar=jar, headers={"Content-Type": "application/json"}) as session:
        async with session.post("/session", data=suite.wallet.token("courier", ME)) as answer:
            assert answer.status == 200
        yield session


@pytest.mark.parametrize("method", FOR_PAGES)
def test_a_value_of_a_wrong_type_in_any_field_is_refused_by_its_name(method: str) -> None:
    wrong = []
    for place, value in cases(method):
        outcome = read(method, place, value)
        if not is_json(value):
            right = isinstance(outcome, NotJson)
        elif of_wrong_type(place.field, value):
            right = isinstance(outcome, list) and [path for path, _ in outcome] == [place.name]
        else:
            continue
        if not right:
            wrong.append((place.name, value[:60], outcome))
    assert wrong == []


@pytest.mark.parametrize("method", FOR_PAGES)
async def test_any_json_in_any_field_gets_an_answer_that_is_no_failure(asking, method: str) -> None:
    """Every value that the field can hold by its type; of those that it cannot hold, one for each field."""
    failed, refused = [], set[str]()
    for place, value in cases(method):
        if read(method, place, value) != []:
            if place.name in refused:
                continue
            refused.add(place.name)
        async with asking.post(f"/api/{method}", data=body(sound(method), place.path, value)) as answer:
            status, text = answer.status, await answer.text()
        if status not in (200, 400, 403, 404) or (status != 200 and not json.loads(text)["message"]):
            failed.append(f"{place.name} = {value[:60]}: {status} {text[:200]}")
    assert failed == []
    assert refused


def cases(method: str) -> Iterator[tuple[Place, str]]:
    return ((place, value) for place in places(METHODS[method].input_type) for value in VALUES)


def read(method: str, place: Place, value: str) -> list[Fault] | NotJson:
    try:
        return parse(body(sound(method), place.path, value), GetMessageClass(METHODS[method].input_type)())
    except NotJson as fault:
        return fault


WHOLE = ("null", "true", "1", "1.5", '"a"', "[]", "[{}]", '[{"workerId": "a"}]', "", " ", "{", "{}{}", '{"a"}', "NaN")


@pytest.mark.parametrize("method", FOR_PAGES)
async def test_a_request_that_is_no_object_is_refused(asking, method: str) -> None:
    for sent in WHOLE:
        async with asking.post(f"/api/{method}", data=sent) as answer:
            assert (answer.status, "not JSON" in await answer.text()) == (400, True), sent


@pytest.mark.parametrize(
    ("sent", "said"),
    [
        ('{"personId": "json-courier", "pageSize": "12"}', ""),
        ('{"person_id": "json-courier", "page_size": 12.0}', ""),
        (
            '{"personId": "json-courier", "pageSize": 1.5}',
            "page_size: must be a whole number from -2147483648 to 2147483647",
        ),
        ('{"personId": ["a"], "pageSize": true}', "person_id: must be text; page_size: must be a whole number"),
        ('{"personId": "json-courier", "pages": 1}', "pages: is not a field of ListDecisionsRequest"),
        ('{"personId": "json-courier", "pageSize": 1, "page_size": 2}', "page_size: is there twice"),
        ('{"personId": "json-courier", "pageSize": 1, "pageSize": 2}', "the same key twice"),
    ],
)
async def test_every_field_of_a_wrong_type_is_named(asking, sent: str, said: str) -> None:
    async with asking.post("/api/TransparencyService/ListDecisions", data=sent) as answer:
        text = await answer.text()
    assert answer.status == (400 if said else 200)
    assert said in text


def is_json(value: str) -> bool:
    """Return whether a text is JSON by its standard, which has no NaN."""
    try:
        json.loads(value, parse_constant=int)
    except ValueError:
        return False
    return True
