"""Bearer tokens (JWT, RFC 7519): checked once, and remembered while they and the keys hold."""

from __future__ import annotations

import time
from collections import OrderedDict
from typing import Any

import jwt

from dispatcher.errors import NoCaller
from services.auth.caller import PERSON_ID, ROLES, Caller
from services.auth.keys import KeyFile, VerifyingKey

AUDIENCE = "gig-dispatch"
# The clocks of those who issue tokens may differ from ours by so many seconds.
LEEWAY_S = 30.0
# Longer ones are none of ours, and are not looked at.
LONGEST_TOKEN = 4096
# Checking a signature takes a tenth of a millisecond; a courier sends the same token all day.
REMEMBERED = 20_000


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
                leeway=LEEWAY_S,
                options={"require": ["exp", "sub", "aud", *(["iss"] if self._issuer else [])]},
            )
        except jwt.ExpiredSignatureError as fault:
            raise NoCaller("TOKEN_EXPIRED", "the token has expired: get a new one") from fault
        except jwt.InvalidAudienceError as fault:
            raise _invalid(f"its audience (aud) is not {self._audience!r}") from fault
        except jwt.InvalidIssuerError as fault:
            raise _invalid(f"its issuer (iss) is not {self._issuer!r}") from fault
        except jwt.ImmatureSignatureError as fault:
            raise _invalid("it is not valid yet (nbf, iat): compare the clocks") from fault
        except jwt.MissingRequiredClaimError as fault:
            raise _invalid(f"it lacks the claim {fault.claim!r}") from fault
        except jwt.InvalidSignatureError as fault:
            raise _invalid("its signature is not by the key in force") from fault
        # Whatever bytes a stranger may send: large numbers, deep nesting, lone surrogates.
        except (jwt.PyJWTError, ValueError, TypeError, RecursionError, OverflowError) as fault:
            raise _invalid("it cannot be read") from fault
        return _caller(claims)

    def _key_of(self, header: dict[str, Any]) -> VerifyingKey:
        keys, named = self._keys.keys, header.get("kid")
        if len(keys) == 1 and (named is None or "" in keys):
            return next(iter(keys.values()))
        found = keys.get(named) if isinstance(named, str) else None
        if found is None:
            raise _invalid("the key that it names (kid) is not among those in force")
        return found


def _caller(claims: dict[str, Any]) -> Caller:
    role, person_id = claims.get("role"), claims["sub"]
    if role not in ROLES:
        raise _invalid(f"its claim 'role' is none of {', '.join(ROLES)}")
    if not PERSON_ID.match(person_id):
        raise _invalid("its subject (sub) is no id of a person: letters, digits and ._:@- only, at most 128")
    return Caller(role, person_id, float(claims["exp"]) + LEEWAY_S)


def _invalid(why: str) -> NoCaller:
    return NoCaller("TOKEN_INVALID", f"the token is not valid: {why}")
