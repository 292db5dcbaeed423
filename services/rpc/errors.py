"""The one place where errors become gRPC status, with google.rpc details."""

from __future__ import annotations

import asyncio
import logging
import secrets
from collections.abc import Iterable

import grpc
from google.protobuf.any_pb2 import Any
from google.protobuf.duration_pb2 import Duration
from google.protobuf.message import Message
from google.rpc import error_details_pb2, status_pb2

from dispatcher import errors
from dispatcher.complete import complete
from dispatcher.validation import faults_of, names_value_of_column
from services.host.log_writer import STORE_FAULTS
from services.telling import where

log = logging.getLogger(__name__)

DOMAIN = "gig-dispatch"
DETAILS_KEY = "grpc-status-details-bin"
RETRY_AFTER_S = 1
# A client takes 8 KiB of metadata; each violation is in it twice: in the text, and in the details.
LARGEST_VIOLATIONS = 1_700
VIOLATION_OVERHEAD = 8
TOLERANT = ("utf-8", "replace")
# Bytes on the wire of a status: its text, percent-encoded by gRPC; a description and a name in it; the whole,
# serialized, which base64 makes a third larger.
LARGEST_TEXT, LARGEST_DESCRIPTION, LARGEST_NAME, LARGEST_STATUS = 2_000, 1_000, 300, 4_000
LONGEST_RETRY_S = 3600.0

_CODES: dict[type[errors.DispatchError], grpc.StatusCode] = complete(
    {
        errors.InvalidField: grpc.StatusCode.INVALID_ARGUMENT,
        errors.ZonesInvalid: grpc.StatusCode.INVALID_ARGUMENT,
        errors.PolicyError: grpc.StatusCode.INVALID_ARGUMENT,
        errors.NotFound: grpc.StatusCode.NOT_FOUND,
        errors.WrongState: grpc.StatusCode.FAILED_PRECONDITION,
        errors.TakenOver: grpc.StatusCode.FAILED_PRECONDITION,
        errors.NotYours: grpc.StatusCode.FAILED_PRECONDITION,
        errors.NoCaller: grpc.StatusCode.UNAUTHENTICATED,
        errors.NotAllowed: grpc.StatusCode.PERMISSION_DENIED,
        errors.Exhausted: grpc.StatusCode.RESOURCE_EXHAUSTED,
        errors.MarketHeld: grpc.StatusCode.UNAVAILABLE,
        errors.RestoreUnfinished: grpc.StatusCode.UNAVAILABLE,
        errors.UnfoldableLog: grpc.StatusCode.UNAVAILABLE,
        errors.RequestReused: grpc.StatusCode.ALREADY_EXISTS,
        errors.MarketUnavailable: grpc.StatusCode.UNAVAILABLE,
        errors.TablesBehind: grpc.StatusCode.UNAVAILABLE,
        errors.StaleWriter: grpc.StatusCode.UNAVAILABLE,
    },
    errors.CONDITIONS,
    "gRPC status of errors",
)
# Every status that an error may become; INTERNAL for what no class describes.
CODES = frozenset({*_CODES.values(), grpc.StatusCode.INTERNAL})


def status_of(error: errors.DispatchError) -> status_pb2.Status:
    if isinstance(error, errors.PolicyError) and error.faults:
        faults = ((f"policy.{field}", fault) for field, fault in error.faults)
        return invalid(faults, "the policy has invalid fields", error.reason)
    if isinstance(error, errors.ZonesInvalid) and error.faults:
        # The first violation alone names the field, and each is cut to its share, so that all faults are named.
        share = LARGEST_VIOLATIONS // len(error.faults) - VIOLATION_OVERHEAD - 1
        named = (("" if place else error.field, _text(fault, share)) for place, fault in enumerate(error.faults))
        return invalid(named, "the zones have faults", error.reason)
    code = _CODES.get(type(error), grpc.StatusCode.INTERNAL)
    metadata = {_text(key, LARGEST_NAME): _text(value, LARGEST_NAME) for key, value in error.metadata.items()}
    details: list[Message] = [error_details_pb2.ErrorInfo(reason=error.reason, domain=DOMAIN, metadata=metadata)]
    if isinstance(error, errors.InvalidField):
        details.append(_bad_request([(error.field, error.description)]))
    if isinstance(error, errors.MarketUnavailable):
        details.append(retry_after(RETRY_AFTER_S))
    if isinstance(error, errors.Exhausted | errors.TakenOver):
        details.append(retry_after(error.retry_s))
    return status(code, error.message, details)


def retry_after(seconds: float) -> error_details_pb2.RetryInfo:
    """Return the wait as RetryInfo, at most an hour; also an hour where ``seconds`` is not positive or not finite."""
    delay = Duration()
    delay.FromNanoseconds(round(seconds * 1e9) if 0.0 < seconds < LONGEST_RETRY_S else round(LONGEST_RETRY_S * 1e9))
    return error_details_pb2.RetryInfo(retry_delay=delay)


def unforeseen(path: str, fault: Exception) -> status_pb2.Status:
    """What a method did not foresee. The log gets where it happened; neither log nor caller gets the fault's text,
    which may hold what people wrote."""
    if isinstance(fault, STORE_FAULTS):
        return status_of(errors.MarketUnavailable("DATABASE_AWAY", "the database does not answer; send it again"))
    incident = secrets.token_hex(4)
    log.error("incident %s in %s: %s", incident, path, where(fault))
    info = error_details_pb2.ErrorInfo(reason="INTERNAL", domain=DOMAIN, metadata={"incident": incident})
    return status(grpc.StatusCode.INTERNAL, f"an error of the service; its log knows it as incident {incident}", [info])


def invalid(
    fields: Iterable[tuple[str, str]],
    message: str = "the request has invalid fields",
    reason: str = "INVALID_FIELD",
) -> status_pb2.Status:
    """INVALID_ARGUMENT with a violation for each (field, fault)."""
    violations = _few(fields)
    text = "; ".join(f"{field}: {fault}" if field else fault for field, fault in violations)
    info = error_details_pb2.ErrorInfo(reason=reason, domain=DOMAIN)
    return status(
        grpc.StatusCode.INVALID_ARGUMENT, f"{message}: {text}" if text else message, [info, _bad_request(violations)]
    )


def _few(fields: Iterable[tuple[str, str]]) -> list[tuple[str, str]]:
    """As many as fit into the trailing metadata of a call, and how many more there are."""
    violations = [(_text(field, LARGEST_NAME), _text(fault, LARGEST_DESCRIPTION)) for field, fault in fields]
    size = 0
    for kept, (field, fault) in enumerate(violations):
        size += len(field.encode()) + len(fault.encode()) + VIOLATION_OVERHEAD
        if size > LARGEST_VIOLATIONS:
            return [*violations[:kept], ("", f"and {len(violations) - kept} more")]
    return violations


def violations_of(request: Message) -> status_pb2.Status | None:
    """INVALID_ARGUMENT with every fault of a request, or None where it is valid.

    Fields that the contract does not know are dropped first: no bound holds for them, and the log must not keep them.
    The values of columns are left to the method that reads them: it may take some and refuse others.
    """
    request.DiscardUnknownFields()
    faults = [fault for fault in faults_of(request) if not names_value_of_column(request, fault[0])]
    return invalid(faults) if faults else None


def status(code: grpc.StatusCode, message: str, details: Iterable[Message]) -> status_pb2.Status:
    """Return a status that any client can receive: valid UTF-8 without control characters, within the size that
    trailing metadata may have. Details that do not fit are left out, the first ones stay."""
    packed, text = [], _text(message, LARGEST_TEXT)
    left = LARGEST_STATUS - len(text.encode())
    for detail in details:
        packed.append(Any())
        packed[-1].Pack(detail)
        left -= packed[-1].ByteSize()
    while left < 0:
        left += packed.pop().ByteSize()
    return status_pb2.Status(code=code.value[0], message=text, details=packed)


def _text(value: object, largest: int) -> str:
    """Return the value as text that protobuf and gRPC accept, cut to ``largest`` bytes on the wire: without lone
    surrogates and control characters. Each byte beyond printable ASCII takes three bytes."""
    text = str(value)[: largest + 1].encode(*TOLERANT).decode()
    text = text if text.isprintable() else "".join(one if one.isprintable() else " " for one in text)
    size = 0
    for place, one in enumerate(text):
        size += 1 if one.isascii() and one != "%" else 3 * len(one.encode())
        if size > largest:
            return f"{text[:place]}…"
    return text


def _bad_request(violations: Iterable[tuple[str, str]]) -> error_details_pb2.BadRequest:
    return error_details_pb2.BadRequest(
        field_violations=[
            error_details_pb2.BadRequest.FieldViolation(
                field=_text(field, LARGEST_NAME), description=_text(fault, LARGEST_DESCRIPTION)
            )
            for field, fault in violations
        ]
    )


CODE_OF_NUMBER = {code.value[0]: code for code in grpc.StatusCode}


async def abort(context: grpc.aio.ServicerContext, failure: status_pb2.Status) -> None:
    """End the call with the status and its details; does not return. Raises AbortError, or CancelledError where the
    call can take no status any more, because its client has gone or reads nothing."""
    trailing = ((DETAILS_KEY, failure.SerializeToString()),)
    try:
        await context.abort(CODE_OF_NUMBER[failure.code], failure.message, trailing)
    except grpc.aio.InternalError as fault:
        # gRPC reports any other exception as a fault of the service: another AbortError than its own too.
        raise asyncio.CancelledError("the call has ended") from fault
