"""Who may see and do what of a person's: one table. The caller names themselves; proving the name is not built yet."""

from __future__ import annotations

import re
from collections.abc import Iterable
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Any

from dispatcher.errors import InvalidField, NoCaller, NotAllowed

# Metadata of a call: role:id, for example courier:bo.
CALLER_KEY = "gig-caller"
ROLES = ("client", "courier", "reviewer", "operator")
_CALLER = re.compile(r"^(client|courier|reviewer|operator):([A-Za-z0-9._:@-]{1,128})$")
OPERATOR = "operator"


@dataclass(frozen=True, slots=True)
class Caller:
    role: str
    person_id: str


@dataclass(frozen=True, slots=True)
class Rule:
    """``subject``: the request's field that names the person whom the call is about: they may call, and nobody else but
    the ``roles``. Empty: the method checks what it has found, unless it is for the ``roles_only``."""

    subject: str
    roles: tuple[str, ...] = ()
    roles_only: bool = False


# Methods that are not in the table are open to everyone who reaches the port.
RULES = {
    # It tells the shift's pay and hours.
    "CourierService/GetCourier": Rule("courier_id", (OPERATOR,)),
    "PayService/GetStatement": Rule("worker_id", (OPERATOR,)),
    "PayService/AddTip": Rule("client_id"),
    "RatingService/ListRatings": Rule("person_id", (OPERATOR,)),
    "RatingService/GetStanding": Rule("person_id", (OPERATOR,)),
    "TransparencyService/ListDecisions": Rule("person_id", (OPERATOR,)),
    "TransparencyService/ExplainDecision": Rule("", (OPERATOR, "reviewer")),
    "TransparencyService/ContestDecision": Rule("person_id"),
    "TransparencyService/ExportMyData": Rule("person_id"),
    "TransparencyService/EraseMyData": Rule("person_id"),
    "TransparencyService/ExplainNoOffer": Rule("courier_id", (OPERATOR,)),
    "TransparencyService/GetMyMeasures": Rule("courier_id", (OPERATOR,)),
    "OversightService/ListReviews": Rule("", (OPERATOR, "reviewer"), roles_only=True),
    "OversightService/OpenReview": Rule("operator_id"),
    "OversightService/ClaimReview": Rule("reviewer_id"),
    "OversightService/DecideReview": Rule("reviewer_id"),
}
# Whose name alone is not enough: the role must fit too.
_ROLE_OF_FIELD = {"operator_id": (OPERATOR,), "reviewer_id": ("reviewer", OPERATOR), "client_id": ("client",)}

_caller: ContextVar[Caller | None] = ContextVar("caller", default=None)


def caller_of(metadata: Iterable[tuple[str, Any]] | None) -> Caller | None:
    """Who asks, or None where nothing is said. Raises InvalidField where it is said wrongly."""
    named = next((value for key, value in metadata or () if key == CALLER_KEY), None)
    return None if named is None else caller_named(named, f"metadata {CALLER_KEY}")


def caller_named(token: str | bytes, field: str) -> Caller:
    """Raises InvalidField, which names the field that held the token."""
    match = _CALLER.match(token) if isinstance(token, str) else None
    if match is None:
        raise InvalidField(field, f"must be role:id, with a role of {', '.join(ROLES)}")
    return Caller(match[1], match[2])


def check(path: str, request: Any, caller: Caller | None) -> None:
    """For a method of the table: raises NoCaller or NotAllowed, or lets the method know who calls."""
    _caller.set(caller)
    rule = RULES[path]
    if caller is None:
        text = f"say who asks: metadata {CALLER_KEY}, for example courier:bo"
        raise NoCaller("NO_CALLER", text, method=path)
    if caller.role in rule.roles or (not rule.subject and not rule.roles_only):
        return
    if not rule.subject:
        raise NotAllowed("NOT_YOURS", f"{path} is for these roles: {', '.join(rule.roles)}", method=path)
    roles = _ROLE_OF_FIELD.get(rule.subject, ROLES)
    if caller.person_id != getattr(request, rule.subject) or caller.role not in roles:
        raise NotAllowed("NOT_YOURS", f"{rule.subject}: {path} is about somebody else than the caller", method=path)


def check_subject(person_id: str, *roles: str) -> Caller:
    """What a method has found is about this person: only they, or the roles, may see it."""
    caller = _caller.get()
    if caller is None:
        raise NoCaller("NO_CALLER", f"say who asks: metadata {CALLER_KEY}, for example courier:bo")
    if caller.person_id != person_id and caller.role not in roles:
        raise NotAllowed("NOT_YOURS", "this is about somebody else than the caller")
    return caller


def current() -> Caller | None:
    """Who makes the call that is being carried out."""
    return _caller.get()
