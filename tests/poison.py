"""Logs with events that cannot be folded, one of each kind: empty bodies, unknown subjects, absurd values."""

from __future__ import annotations

from collections.abc import Iterator

from google.protobuf.descriptor import FieldDescriptor
from google.protobuf.message import Message

from dispatcher import commands
from dispatcher.messages import copied
from dispatcher.times import timestamp
from gig.v1 import events_pb2 as events_pb
from gig.v1 import rating_service_pb2 as rating_pb
from tests.kit import Bench

BODIES = [field.name for field in events_pb.Event.DESCRIPTOR.oneofs_by_name["body"].fields]
OWN = ("event_skipped", "subject_quarantined")
LARGEST = {
    FieldDescriptor.CPPTYPE_INT32: 2**31 - 1,
    FieldDescriptor.CPPTYPE_INT64: 2**63 - 1,
    FieldDescriptor.CPPTYPE_UINT32: 2**32 - 1,
    FieldDescriptor.CPPTYPE_UINT64: 2**64 - 1,
    FieldDescriptor.CPPTYPE_DOUBLE: float("nan"),
    FieldDescriptor.CPPTYPE_ENUM: 2**31 - 1,
}


def sound_day() -> Bench:
    """Two couriers and six jobs in every state, ratings, a tip, a block, a review."""
    bench = Bench()
    bench.online("bo")
    bench.online("cy")
    for number in range(3):
        bench.wait(60)
        holder = f"done-{number}"
        bench.place(holder, f"client-{number}")
        bench.round()
        courier = bench.job(holder).courier_id
        bench.answer(bench.job(holder).offer_id, courier)
        for step in ("ARRIVED", "PICKED_UP"):
            bench.wait(30)
            bench.progress(step, holder, courier)
        bench.wait(400)
        bench.progress("COMPLETED", holder, courier)
        rating = rating_pb.Rating(job_id=holder, rater=1, rater_id=f"client-{number}", stars=4)
        bench.do(commands.RateJob(rating=rating))
    bench.do(commands.SetBlock(client_id="client-1", courier_id="bo", blocked=True, operator_id="olu", reason="asked"))
    bench.do(commands.OpenReview(operator_id="olu", subject_id="bo", statement="a complaint"))
    bench.place("held", "ann")
    bench.round()
    courier = bench.job("held").courier_id
    bench.answer(bench.job("held").offer_id, courier)
    bench.place("offered", "eve")
    bench.round()
    bench.place("waits", "fay")
    bench.place("cancelled", "gus")
    bench.do(commands.CancelJob(job_id="cancelled", client_id="gus"))
    return bench


def broken(body: str, log: list[events_pb.Event]) -> Iterator[events_pb.Event]:
    """Events of a kind, without sequence and time, that a fold may or may not take."""
    empty = events_pb.Event()
    getattr(empty, body).SetInParent()
    yield empty
    ghost = events_pb.Event()
    _fill(getattr(ghost, body), "ghost", extreme=False)
    yield ghost
    wild = events_pb.Event()
    _fill(getattr(wild, body), "ghost", extreme=True)
    yield wild
    for event in reversed(log):
        if event.HasField(body):
            twice = events_pb.Event()
            getattr(twice, body).CopyFrom(getattr(event, body))
            yield twice
            worse = copied(twice)
            _spoil(getattr(worse, body))
            yield worse
            return


def _fill(record: Message, text: str, *, extreme: bool, depth: int = 0) -> None:
    """Every field gets a value: ids of nobody, numbers as large as they can be."""
    for field in record.DESCRIPTOR.fields:
        if field.containing_oneof is not None and record.WhichOneof(field.containing_oneof.name):
            continue
        if field.message_type is not None:
            if depth > 4 or field.message_type.GetOptions().map_entry:
                continue
            inner = getattr(record, field.name)
            part = inner.add() if field.is_repeated else inner
            part.SetInParent()
            _fill(part, text, extreme=extreme, depth=depth + 1)
            continue
        value = _value(field, text, extreme=extreme)
        if field.is_repeated:
            getattr(record, field.name).append(value)
        else:
            setattr(record, field.name, value)


def _value(field: FieldDescriptor, text: str, *, extreme: bool) -> object:
    if field.cpp_type == FieldDescriptor.CPPTYPE_BOOL:
        return True
    if field.type == FieldDescriptor.TYPE_BYTES:
        return b"\xff"
    if field.type == FieldDescriptor.TYPE_STRING:
        return text
    return LARGEST[field.cpp_type] if extreme else 1


def _spoil(record: Message) -> None:
    """Numbers of a sound record become absurd; its ids stay."""
    for field, value in record.ListFields():
        if field.message_type is not None:
            for part in value if field.is_repeated else (value,):
                _spoil(part)
        elif field.cpp_type in LARGEST and not field.is_repeated:
            setattr(record, field.name, LARGEST[field.cpp_type])


def with_poison(log: list[events_pb.Event], poison: events_pb.Event, place: int) -> list[events_pb.Event]:
    """The log with the poison after ``place`` events; what follows is numbered on."""
    before, after = [copied(event) for event in log[:place]], [copied(event) for event in log[place:]]
    event = copied(poison)
    event.time.CopyFrom(before[-1].time if before else timestamp(0))
    found = [*before, event, *after]
    for sequence, one in enumerate(found, start=1):
        one.sequence = sequence
    return found
