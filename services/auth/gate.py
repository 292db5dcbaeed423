"""The one way in, of gRPC calls as of pages: a valid token, a role that may, a limit that is not reached."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from dispatcher.errors import NoCaller
from services.auth import access
from services.auth.caller import Caller
from services.auth.limits import Limits
from services.auth.tokens import Tokens

# Metadata of a call, as HTTP has it (RFC 6750).
KEY = "authorization"
SCHEME = "bearer "
HOW = "send the metadata authorization: Bearer <token>; for development, gig token issues one"


def bearer(token: str) -> tuple[tuple[str, str], ...]:
    """The metadata of a caller with this token."""
    return ((KEY, f"Bearer {token}"),)


class Gate:
    def __init__(self, tokens: Tokens, limits: Limits) -> None:
        self.tokens, self.limits = tokens, limits

    def admit(self, path: str, caller: Caller) -> access.Call:
        """Raises NotAllowed or Exhausted."""
        call = access.begin(path, caller)
        self.limits.call(caller)
        return call

    def beyond_capacity(self, caller: Caller) -> bool:
        """Charge a call to the capacity of the service; return whether the capacity is used up.

        A call that the caller's own limit will refuse is not charged.
        """
        return not self.limits.spent(caller) and self.limits.beyond_capacity()

    def caller(self, metadata: Iterable[tuple[str, Any]] | None) -> Caller:
        """Raises NoCaller."""
        found = [value for key, value in metadata or () if key == KEY]
        if not found:
            raise NoCaller("NO_TOKEN", f"say who calls: {HOW}")
        if len(found) > 1 or not isinstance(found[0], str) or found[0][: len(SCHEME)].lower() != SCHEME:
            raise NoCaller("TOKEN_INVALID", f"authorization is not a bearer token: {HOW}")
        return self.tokens.caller(found[0][len(SCHEME) :].strip())
