"""The JSON Schema of an export of personal data: made from the contract itself, so that it cannot drift from it."""

from __future__ import annotations

from typing import Any

from google.protobuf.descriptor import Descriptor, FieldDescriptor

from gig.v1 import courier_service_pb2 as courier_pb
from gig.v1 import job_pb2 as job_pb
from gig.v1 import offer_pb2 as offer_pb
from gig.v1 import rating_service_pb2 as rating_pb
from gig.v1 import transparency_service_pb2 as transparency_pb

SCHEMA_FILE = "schema.json"
TEXT, NUMBER, INTEGER = {"type": "string"}, {"type": "number"}, {"type": "integer"}
MOMENT = {"type": "string", "format": "date-time"}

_SCALARS: dict[int, dict[str, Any]] = {
    FieldDescriptor.CPPTYPE_DOUBLE: {"type": ["number", "string"], "description": "a string for NaN and infinity"},
    FieldDescriptor.CPPTYPE_BOOL: {"type": "boolean"},
    FieldDescriptor.CPPTYPE_INT32: INTEGER,
    FieldDescriptor.CPPTYPE_UINT32: INTEGER,
    FieldDescriptor.CPPTYPE_INT64: {"type": "string", "pattern": "^-?[0-9]+$"},
    FieldDescriptor.CPPTYPE_UINT64: {"type": "string", "pattern": "^[0-9]+$"},
    FieldDescriptor.CPPTYPE_STRING: TEXT,
}
_WELL_KNOWN = {
    "google.protobuf.Timestamp": MOMENT,
    "google.protobuf.Duration": {"type": "string", "pattern": "^-?[0-9]+(\\.[0-9]+)?s$"},
}


def schema() -> dict[str, Any]:
    """JSON Schema 2020-12: one property for each file, whose lines have the items' form; empty fields are left out."""
    defs: dict[str, Any] = {}

    def of(message: Any) -> dict[str, Any]:
        return _reference(message.DESCRIPTOR, defs)

    files = {
        "profile": _object(
            person_id=TEXT,
            standing=TEXT,
            score=NUMBER,
            ratings=INTEGER,
            blocked_with=_list(TEXT),
            courier=of(courier_pb.Courier),
        ),
        "locations": _object(time=MOMENT, latitude=NUMBER, longitude=NUMBER),
        "offers": _object(offer=of(offer_pb.Offer), outcome=TEXT, reason=TEXT, answer_time=MOMENT),
        "jobs": of(job_pb.Job),
        "shifts": _object(time=MOMENT, phase=TEXT),
        "pay": _object(
            sequence=INTEGER,
            time=MOMENT,
            job_id=TEXT,
            review_id=TEXT,
            kind=TEXT,
            minor_units=INTEGER,
            currency_code=TEXT,
            rule=TEXT,
        ),
        "ratings_received": of(rating_pb.Rating),
        "ratings_given": of(rating_pb.Rating),
        "decisions": of(transparency_pb.Decision),
        "reviews": of(transparency_pb.Review),
        "accesses": _object(time=MOMENT, role=TEXT, method=TEXT),
        "reviews_decided": _object(review_id=TEXT, time=MOMENT, time_spent_s=NUMBER, outcome=TEXT),
    }
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "Everything held about a person: each file is JSON Lines, one object a line",
        "type": "object",
        "properties": {f"{name}.jsonl": _list(line) for name, line in files.items()},
        "$defs": defs,
    }


def _object(**properties: Any) -> dict[str, Any]:
    return {"type": "object", "properties": properties, "additionalProperties": False}


def _list(items: Any) -> dict[str, Any]:
    return {"type": "array", "items": items}


def _reference(descriptor: Descriptor, defs: dict[str, Any]) -> dict[str, Any]:
    name = descriptor.full_name
    if name in _WELL_KNOWN:
        return _WELL_KNOWN[name]
    if name not in defs:
        defs[name] = {}  # known before its fields are, for messages that hold their own kind
        defs[name] = _object(**{field.name: _field(field, defs) for field in descriptor.fields})
    return {"$ref": f"#/$defs/{name}"}


def _field(field: FieldDescriptor, defs: dict[str, Any]) -> dict[str, Any]:
    if field.message_type is not None:
        single = _reference(field.message_type, defs)
    elif field.enum_type is not None:
        single = {"enum": [value.name for value in field.enum_type.values]}
    else:
        single = _SCALARS[field.cpp_type]
    return _list(single) if field.is_repeated else single
