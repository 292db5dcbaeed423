"""Tokens of one's own: a private key, what it signs, and the key that a suite makes itself for development."""

from __future__ import annotations

import base64
import contextlib
import hashlib
import json
import os
import secrets
import time
from pathlib import Path
from typing import Any

import jwt
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ec import (
    SECP256R1,
    EllipticCurvePrivateKey,
    EllipticCurvePublicKey,
    generate_private_key,
)
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
)
from jwt.algorithms import ECAlgorithm, OKPAlgorithm

from services.auth.keys import WANTED, KeysError
from services.auth.tokens import AUDIENCE

PrivateKey = EllipticCurvePrivateKey | Ed25519PrivateKey
KEY_FILE, JWKS_FILE = "development-key.pem", "development-jwks.json"


class Issuer:
    """Signs tokens with a private key; the key's id is its thumbprint (RFC 7638). ``name``: the tokens' iss, if any."""

    def __init__(self, key: PrivateKey, audience: str = AUDIENCE, name: str = "") -> None:
        self._key, self._audience, self._name = key, audience, name
        self._algorithm = "ES256" if isinstance(key, EllipticCurvePrivateKey) else "EdDSA"
        self.jwk = _public_jwk(key)

    def token(self, role: str, person_id: str, lifetime_s: float) -> str:
        now_s = int(time.time())
        content = {"sub": person_id, "role": role, "aud": self._audience, "iat": now_s, "exp": now_s + int(lifetime_s)}
        if self._name:
            content["iss"] = self._name
        return jwt.encode(content, self._key, self._algorithm, headers={"kid": self.jwk["kid"]})


def new_key(algorithm: str = "ES256") -> PrivateKey:
    return generate_private_key(SECP256R1()) if algorithm == "ES256" else Ed25519PrivateKey.generate()


def read_private_key(path: Path) -> PrivateKey:
    """Raises KeysError."""
    try:
        key = load_pem_private_key(path.read_bytes(), None)
    except (OSError, ValueError, TypeError, UnsupportedAlgorithm) as fault:
        raise KeysError(f"{path}: cannot be read as a private key in PEM without a password: {fault}") from fault
    if isinstance(key, Ed25519PrivateKey) or (
        isinstance(key, EllipticCurvePrivateKey) and isinstance(key.curve, SECP256R1)
    ):
        return key
    raise KeysError(f"{path}: the key is of another kind: {WANTED}")


def write_private_key(path: Path, key: PrivateKey) -> None:
    """A new file that its owner alone can read. Raises FileExistsError rather than replace a key."""
    text = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    path.parent.mkdir(parents=True, exist_ok=True)
    # Aside first, and linked: whoever finds the file finds the whole key.
    unfinished = path.with_name(f"{path.name}.{secrets.token_hex(4)}")
    with os.fdopen(os.open(unfinished, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
        file.write(text)
    try:
        os.link(unfinished, path)
    finally:
        unfinished.unlink()


def jwks(issuers: list[Issuer]) -> str:
    """The public keys as a JSON Web Key Set (RFC 7517)."""
    return json.dumps({"keys": [issuer.jwk for issuer in issuers]}, indent=1) + "\n"


def development_issuer(data_dir: Path, audience: str = AUDIENCE, name: str = "") -> Issuer:
    """Of the key in the data directory, which is made where there is none: whoever can read it may be anybody."""
    path = data_dir / KEY_FILE
    if not path.exists():
        with contextlib.suppress(FileExistsError):  # made by another process in this very moment
            write_private_key(path, new_key())
    issuer = Issuer(read_private_key(path), audience, name)
    published = data_dir / JWKS_FILE
    if not published.exists():
        unfinished = published.with_name(f"{JWKS_FILE}.{secrets.token_hex(4)}")
        unfinished.write_text(jwks([issuer]), "utf-8")
        unfinished.replace(published)
    return issuer


def _public_jwk(key: PrivateKey) -> dict[str, Any]:
    public = key.public_key()
    if isinstance(public, EllipticCurvePublicKey):
        found = dict(ECAlgorithm.to_jwk(public, as_dict=True))
    else:
        found = dict(OKPAlgorithm.to_jwk(public, as_dict=True))
    return found | {"kid": _thumbprint(found), "use": "sig"}


def _thumbprint(jwk: dict[str, Any]) -> str:
    """RFC 7638: over the members that the kind of key requires, sorted, without space."""
    needed = {name: jwk[name] for name in ("crv", "kty", "x", "y") if name in jwk}
    digest = hashlib.sha256(json.dumps(needed, sort_keys=True, separators=(",", ":")).encode()).digest()
    return base64.urlsafe_b64encode(digest).rstrip(b"=").decode()
