"""What mutating calls have in common: the request's name and digest, page tokens, ids."""

from __future__ import annotations

import base64
import binascii
import hashlib
import secrets
from typing import Any

from google.protobuf.message import Message

from dispatcher.commands import Request
from dispatcher.errors import InvalidField
from dispatcher.ids import TOKEN_BYTES, id_of_token, pack, unpack
from dispatcher.log import lookups
from dispatcher.messages import copied
from services.auth import access

DEFAULT_PAGE = 50


def request_of(content: Any) -> Request:
    """Identify the call that is being carried out by its caller, its method and the ``request_id`` in its content."""
    return named_request((content.request_id,), content)


def named_request(name: tuple[str, ...], content: Message) -> Request:
    """Identify the call that is being carried out under a name of several parts, with a digest over its content."""
    call = access.current_call()
    digest = hashlib.blake2b(_lasting(content).SerializeToString(deterministic=True), digest_size=8).digest()
    return Request(call.caller.role, call.caller.person_id, call.path, name, int.from_bytes(digest, "big"))


def _lasting(content: Message) -> Message:
    """Return the content without the reading of the device's clock, which differs each time a message is sent."""
    for name in ("online", "go_online"):
        if name in content.DESCRIPTOR.fields_by_name and content.HasField(name):
            lasting = copied(content)
            getattr(lasting, name).ClearField("client_time")
            return lasting
    return content


def new_id(market_id: str) -> str:
    """Draw the identifier of a new job."""
    return id_of_token(market_id, secrets.token_bytes(TOKEN_BYTES))


def page_token(position: int) -> str:
    return base64.urlsafe_b64encode(str(position).encode()).decode().rstrip("=")


def page_token_of(place: lookups.DecisionPlace) -> str:
    """Return the page token of a place among decisions, several of which share a sequence."""
    data = pack((str(place.sequence), str(place.kind), place.decision_id))
    return base64.urlsafe_b64encode(data).decode().rstrip("=")


def place_in_pages(token: str) -> lookups.DecisionPlace:
    """Return what page_token_of was given, the place before all decisions for the first page. Raises InvalidField."""
    if not token:
        return lookups.NEWEST
    try:
        sequence, kind, name = unpack(base64.urlsafe_b64decode(token + "=" * (-len(token) % 4)))
        place = lookups.DecisionPlace(int(sequence), int(kind), name)
    except (ValueError, binascii.Error) as fault:
        raise InvalidField("page_token", "is not a token from an earlier page") from fault
    if not 0 <= place.sequence < 2**63 or not 0 <= place.kind < 2**15 or not name or "\0" in name:
        raise InvalidField("page_token", "is not a token from an earlier page")
    return place


def page_position(token: str) -> int | None:
    """The position in a token that page_token made, None for the first page. Raises InvalidField."""
    if not token:
        return None
    try:
        position = int(base64.urlsafe_b64decode(token + "=" * (-len(token) % 4)).decode("ascii"))
    except (ValueError, binascii.Error) as fault:
        raise InvalidField("page_token", "is not a token from an earlier page") from fault
    if not 0 <= position < 2**63:
        raise InvalidField("page_token", "is not a token from an earlier page")
    return position
