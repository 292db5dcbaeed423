"""Public keys that tokens are checked with: a JWKS file or PEM, read again when it changes."""

from __future__ import annotations

import json
import logging
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import jwt
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, EllipticCurvePublicKey
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import load_pem_public_key

log = logging.getLogger(__name__)

# A file that has changed is noticed within so many seconds.
LOOK_EVERY_S = 1.0
WANTED = "tokens are signed by ES256 (P-256) or EdDSA (Ed25519)"


class KeysError(ValueError):
    """A file without usable keys; the message names it and the fault."""


@dataclass(frozen=True, slots=True)
class VerifyingKey:
    """A key and the one algorithm that it is for: a token's header has no say in it."""

    key: Any
    algorithm: str


class KeyFile:
    """The keys of a file by their ids. Rotation is a change of the file: put the new key beside the old one, sign with
    the new one, take the old one out when its last token has expired."""

    def __init__(self, path: Path) -> None:
        """Raises KeysError."""
        self._path = path
        self._stamp = self._stamped()
        self._looked_s = time.monotonic()
        self.keys = read_keys(path)
        # Grows with each change: what was verified before has to be verified again.
        self.generation = 0

    def refresh(self) -> None:
        """Take up a changed file. One that cannot be used is told in the log, and the keys before it stay."""
        now_s = time.monotonic()
        if now_s < self._looked_s + LOOK_EVERY_S:
            return
        self._looked_s = now_s
        stamp = self._stamped()
        if stamp == self._stamp:
            return
        self._stamp = stamp
        try:
            self.keys = read_keys(self._path)
        except KeysError as fault:
            log.error("the keys in force stay: %s", fault)
            return
        self.generation += 1
        log.info("%d keys for tokens were read anew", len(self.keys))

    def _stamped(self) -> tuple[int, int, int] | None:
        try:
            found = self._path.stat()
        except OSError:
            return None
        return found.st_mtime_ns, found.st_size, found.st_ino


def read_keys(path: Path) -> Mapping[str, VerifyingKey]:
    """Keys by id; the one of a PEM file has none. Raises KeysError."""
    try:
        text = path.read_text("utf-8-sig")
    except (OSError, UnicodeDecodeError) as fault:
        raise KeysError(f"cannot read the keys for tokens: {fault}") from fault
    if text.lstrip().startswith("-----BEGIN"):
        return {"": _from_pem(path, text)}
    return _from_jwks(path, text)


def _from_pem(path: Path, text: str) -> VerifyingKey:
    try:
        key = load_pem_public_key(text.encode())
    except (ValueError, UnsupportedAlgorithm) as fault:
        raise KeysError(f"{path}: is no public key in PEM: {fault}") from fault
    if isinstance(key, EllipticCurvePublicKey) and isinstance(key.curve, SECP256R1):
        return VerifyingKey(key, "ES256")
    if isinstance(key, Ed25519PublicKey):
        return VerifyingKey(key, "EdDSA")
    raise KeysError(f"{path}: the key is of another kind: {WANTED}")


def _from_jwks(path: Path, text: str) -> Mapping[str, VerifyingKey]:
    try:
        listed = json.loads(text)["keys"]
        found = {
            str(one.get("kid", "")): VerifyingKey(jwt.PyJWK(dict(one)).key, _algorithm(one)) for one in _usable(listed)
        }
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError, jwt.PyJWTError) as fault:
        raise KeysError(f"{path}: is no JSON Web Key Set: {fault}") from fault
    if not found:
        raise KeysError(f"{path}: holds no key that can be used: {WANTED}")
    return found


def _usable(listed: list[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    """Other kinds may stand beside them, as identity providers publish them."""
    return [one for one in listed if _algorithm(one) and one.get("use", "sig") == "sig"]


def _algorithm(one: Mapping[str, Any]) -> str:
    return {"EC P-256": "ES256", "OKP Ed25519": "EdDSA"}.get(
        " ".join(str(one.get(name)) for name in ("kty", "crv")), ""
    )
