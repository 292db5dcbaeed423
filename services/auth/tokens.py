"""Bearer tokens (JWT, RFC 7519): checked once, and remembered while they and the keys hold."""

from __future__ import annotations

import time
from collections import OrderedDict
from typing import Any

import jwt

from dispatcher.errors import NoCaller
from dispatcher.times import LATEST_S
from services.auth.caller import PERSON_ID, ROLES, Caller
from services.auth.keys import KeyFile, VerifyingKey

AUDIENCE = "gig-dispatch"
# The clocks of those who issue tokens may differ from ours by so many seconds.
LEEWAY_S = 30.0
# Longer ones are none of ours, and are not looked at.
LONGEST_TOKEN = 4096
# Checking a signature takes a tenth of a millisecond; a courier sends the same token all day.
REMEMBERED = 20_000
# PyJWT checks the signature, the audience and the issuer; _caller checks the other claims and names them.
_PARTS: Any = {
    "verify_signature": True,
    "verify_exp": False,
    "verify_nbf": False,
    "verify_iat": False,
    "verify_sub": False,
    "verify_jti": False,
}


class Tokens:
    def __init__(self, keys: KeyFile, audience: str = AUDIENCE, issuer: str = "") -> None:
        """``issuer`` empty: any, for the keys are the issuer's."""
        self._keys, self._audience, self._issuer = keys, audience, issuer
        self._known: OrderedDict[str, Caller] = OrderedDict()
        self._generation = keys.generation

    def caller(self, token: str) -> Caller:
        """Raises NoCaller, which says what is wrong and never repeats the token."""
        self._keys.refresh()
        if self._keys.generation != self._generation:
            self._known.clear()
            self._generation = self._keys.generation
        known = self._known.get(token)
        if known is not None and known.expires_s > time.time():
            self._known.move_to_end(token)
            return known
        found = self._checked(token)
        self._known[token] = found
        if len(self._known) > REMEMBERED:
            self._known.popitem(last=False)
        return found

    def _checked(self, token: str) -> Caller:
        """Check the signature, the audience and the issuer, then each claim that is read. Raises NoCaller."""
        if len(token) > LONGEST_TOKEN:
            raise _invalid("it is longer than any of ours")
        try:
            key = self._key_of(jwt.get_unverified_header(token))
            claims = jwt.decode(
                token,
                key.key,
                [key.algorithm],
                audience=self._audience,
                issuer=self._issuer or None,
                options=_PARTS,
            )
        except jwt.InvalidAudienceError as fault:
            raise _invalid(f"its audience (aud) is not {self._audience!r}") from fault
        except jwt.InvalidIssuerError as fault:
            raise _invalid(f"its issuer (iss) is not {self._issuer!r}") from fault
        except jwt.MissingRequiredClaimError as fault:
            raise _invalid(f"it lacks the claim {fault.claim!r}") from fault
        except jwt.InvalidSignatureError as fault:
            raise _invalid("its signature is not by the key in force") from fault
        # Whatever bytes a stranger may send: large numbers, deep nesting, lone surrogates.
        except (jwt.PyJWTError, ValueError, TypeError, RecursionError, OverflowError) as fault:
            raise _invalid("it cannot be read") from fault
        return _caller(claims, time.time())

    def _key_of(self, header: dict[str, Any]) -> VerifyingKey:
        keys, named = self._keys.keys, header.get("kid")
        if len(keys) == 1 and (named is None or "" in keys):
            return next(iter(keys.values()))
        found = keys.get(named) if isinstance(named, str) else None
        if found is None:
            raise _invalid("the key that it names (kid) is not among those in force")
        return found


def _caller(claims: dict[str, Any], now_s: float) -> Caller:
    """Return the caller that the claims name. Raises NoCaller, which names the claim at fault."""
    expires_s = _time(claims, "exp")
    if expires_s is None:
        raise _invalid("it lacks the claim 'exp'")
    if now_s >= expires_s + LEEWAY_S:
        raise NoCaller("TOKEN_EXPIRED", "the token has expired: get a new one")
    begins_s = _time(claims, "nbf")
    if begins_s is not None and now_s < begins_s - LEEWAY_S:
        raise _invalid("it is not valid yet (nbf): compare the clocks")
    # A later time of issue is no reason to refuse (RFC 7519, 4.1.6): a clock that is set back must not end all calls.
    _time(claims, "iat")
    role, person_id = claims.get("role"), claims.get("sub")
    if role not in ROLES:
        raise _invalid(f"its claim 'role' must be one of {', '.join(ROLES)}")
    if person_id is None:
        raise _invalid("it lacks the claim 'sub'")
    if not isinstance(person_id, str) or not PERSON_ID.fullmatch(person_id):
        raise _invalid("its subject (sub) must be 1 to 128 letters, digits or ._:@-")
    return Caller(role, person_id, expires_s + LEEWAY_S)


def _time(claims: dict[str, Any], name: str) -> float | None:
    """Return the claim in seconds since the Unix epoch, or None where it is absent. Raises NoCaller."""
    value = claims.get(name)
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value <= LATEST_S:
        raise _invalid(f"its claim {name!r} must be a number of seconds from 0 to {LATEST_S}")
    return float(value)


def _invalid(why: str) -> NoCaller:
    return NoCaller("TOKEN_INVALID", f"the token is not valid: {why}")
