"""The bounds of every field of every request as a table, from the contract's own rules.

``python -m services.rpc.bounds > docs/bounds.md`` writes the page.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from google.protobuf.descriptor import Descriptor, FieldDescriptor
from google.protobuf.duration_pb2 import Duration
from google.protobuf.timestamp_pb2 import Timestamp

from dispatcher.validation.structure import MULTILINE, PATTERNS, item_rules, rules_of
from services.rpc.services import SERVICERS

_TIMES = (Timestamp.DESCRIPTOR.full_name, Duration.DESCRIPTOR.full_name)
_HEAD = """# Bounds of requests

Every field of every request has a bound, in the `buf.validate` options of the contract; this table is made from them
(`python -m services.rpc.bounds`), and a test compares the two. [contract.md](contract.md#bounds) says what else holds.

| field | bound |
|---|---|
"""


def markdown() -> str:
    """Return the page: a row for each field that holds a value, by message."""
    rows = [f"| `{name}` | {words} |" for name, words in bounds().items()]
    return _HEAD + "\n".join(rows) + "\n"


def bounds() -> dict[str, str]:
    """Return the bound of each field that a request can hold, by its name without the package."""
    requests = (method.input_type for service, _ in SERVICERS for method in service.methods)
    found = {field.full_name.removeprefix("gig.v1."): words_of(field) for one in requests for field in _fields(one)}
    return dict(sorted(found.items()))


def _fields(descriptor: Descriptor) -> Iterator[FieldDescriptor]:
    for field in descriptor.fields:
        if field.message_type is None or field.message_type.full_name in _TIMES:
            yield field
        else:
            if field.is_repeated:
                yield field
            yield from _fields(field.message_type)


def words_of(field: FieldDescriptor) -> str:
    """Return the bound of a field in words; empty where the contract gives none."""
    own, one = rules_of(field), item_rules(field)
    parts = []
    if field.is_repeated and own is not None:
        least = own.repeated.min_items
        parts.append(
            f"{least} to {own.repeated.max_items} items" if least else f"at most {own.repeated.max_items} items"
        )
    if field.type == FieldDescriptor.TYPE_BOOL:
        parts.append("true or false")
    elif one is not None and one.WhichOneof("type") not in (None, "repeated"):
        parts.append(_value_words(field, one.WhichOneof("type"), getattr(one, one.WhichOneof("type"))))
    return ", each ".join(parts) if len(parts) > 1 else "".join(parts)


def _value_words(field: FieldDescriptor, kind: str, rules: Any) -> str:
    if kind == "enum":
        barred, allowed = set(rules.not_in), set(getattr(rules, "in"))
        names = [
            v.name for v in field.enum_type.values if v.number not in barred and (not allowed or v.number in allowed)
        ]
        return f"{names[0]} to {names[-1]}" if len(names) > 4 else ", ".join(names)
    if kind == "string":
        lines = ", line breaks allowed" if field.name in MULTILINE else ""
        if rules.pattern:
            return PATTERNS[rules.pattern].removeprefix("must be ")
        if rules.max_bytes:
            return f"at most {rules.max_bytes} bytes{lines}"
        return f"{rules.min_len} to {rules.max_len} characters{lines}"
    low, high = rules.WhichOneof("greater_than"), rules.WhichOneof("less_than")
    ends = [_number(getattr(rules, end)) if end else "0" for end in (low, high)]
    return f"{'above ' if low == 'gt' else ''}{ends[0]} {'to below' if high == 'lt' else 'to'} {ends[1]}"


def _number(value: Any) -> str:
    """A bound as people read it."""
    if isinstance(value, Timestamp | Duration):
        return str(value.ToJsonString()).replace("T00:00:00Z", "")
    return f"{value:,}" if isinstance(value, int) else f"{value:g}"


if __name__ == "__main__":
    print(markdown(), end="")
