"""Tokens: what is valid is who it says; whatever else comes is refused in a line that never repeats it."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import os
import stat
from pathlib import Path
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric.rsa import generate_private_key
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from dispatcher.errors import NoCaller
from services.auth import keys as key_files
from services.auth.caller import PERSON_ID, ROLES
from services.auth.issuing import Issuer, development_issuer, jwks, new_key, read_private_key, write_private_key
from services.auth.keys import KeyFile, KeysError
from services.auth.tokens import Tokens

KEY = new_key()
ISSUER = Issuer(KEY)


def tokens_of(folder: Path, *issuers: Issuer, **more: Any) -> Tokens:
    path = folder / "keys.json"
    path.write_text(jwks(list(issuers or (ISSUER,))), "utf-8")
    return Tokens(KeyFile(path), **more)


@pytest.fixture(scope="module")
def tokens(tmp_path_factory) -> Tokens:
    return tokens_of(tmp_path_factory.mktemp("keys"))


@pytest.mark.parametrize("algorithm", ["ES256", "EdDSA"])
@pytest.mark.parametrize("role", ROLES)
def test_a_valid_token_is_who_it_says(tmp_path, algorithm, role) -> None:
    issuer = Issuer(new_key(algorithm))
    found = tokens_of(tmp_path, issuer).caller(issuer.token(role, "ann", 60))
    assert (found.role, found.person_id) == (role, "ann")
    assert 0 < found.seconds_left() <= 60 + 30


def claims(**changed: Any) -> str:
    content = {"sub": "ann", "role": "client", "aud": "gig-dispatch", "exp": 4_000_000_000} | changed
    held = {name: value for name, value in content.items() if value is not None}
    return jwt.encode(held, KEY, "ES256", headers={"kid": ISSUER.jwk["kid"]})


@pytest.mark.parametrize(
    ("token", "said"),
    [
        (claims(exp=1_000_000_000), "expired"),
        (claims(exp=None), "'exp'"),
        (claims(sub=None), "'sub'"),
        (claims(sub="a b"), "subject"),
        (claims(sub="x" * 129), "subject"),
        (claims(aud="another"), "audience"),
        (claims(aud=None), "'aud'"),
        (claims(nbf=3_999_999_999), "not valid yet"),
        (claims(role="emperor"), "role"),
        (claims(role=None), "role"),
        (claims(role=["client"]), "role"),
        (Issuer(new_key()).token("client", "ann", 60), "not among those in force"),
        (jwt.encode({"sub": "ann"}, "s" * 64, "HS256", headers={"kid": ISSUER.jwk["kid"]}), "cannot be read"),
        (jwt.encode({"sub": "ann"}, None, "none", headers={"kid": ISSUER.jwk["kid"]}), "cannot be read"),
        (claims()[:-6], "signature"),
        ("x" * 5000, "longer"),
        ("", "cannot be read"),
    ],
)
def test_what_is_not_valid_is_refused_and_not_repeated(tokens, token, said) -> None:
    with pytest.raises(NoCaller) as refused:
        tokens.caller(token)
    assert said in refused.value.message
    assert not token or token not in refused.value.message


ABSURD = st.one_of(
    st.sampled_from(
        [10**400, -(10**400), 2**63, 253_402_300_800, -1, float("inf"), float("-inf"), float("nan"), 1e308]
    ),
    st.floats(max_value=-1e-9),
    st.integers(max_value=-1),
    st.text(max_size=20),
    st.booleans(),
    st.lists(st.integers(), max_size=2),
    st.dictionaries(st.text(max_size=3), st.integers(), max_size=1),
)


def signed(content: dict[str, Any]) -> str:
    """A signed token with any payload that JSON can spell; PyJWT itself refuses to encode some of them."""
    payload = json.dumps(content).encode()
    return jwt.PyJWS().encode(payload, KEY, "ES256", headers={"kid": ISSUER.jwk["kid"]})


VALID = {"sub": "ann", "role": "client", "aud": "gig-dispatch", "exp": 4_000_000_000}


@settings(max_examples=60, deadline=None)
@given(name=st.sampled_from(["exp", "nbf", "iat", "role", "sub"]), value=ABSURD)
def test_a_signed_claim_that_makes_no_sense_is_refused_by_name(tokens, name, value) -> None:
    assume(not (name == "sub" and isinstance(value, str) and PERSON_ID.fullmatch(value)))
    with pytest.raises(NoCaller) as refused:
        tokens.caller(signed(VALID | {name: value}))
    assert refused.value.reason == "TOKEN_INVALID"
    assert "token is not valid" in refused.value.message
    assert name in refused.value.message


@pytest.mark.parametrize("exp", [4_000_000_000, 4_000_000_000.5, 253_402_300_799])
def test_a_claim_of_time_may_be_whole_or_not(tokens, exp) -> None:
    assert tokens.caller(signed(VALID | {"exp": exp, "iat": 0, "nbf": 1.5})).expires_s == exp + 30
    assert tokens.caller(signed(VALID | {"exp": exp, "iat": exp})).expires_s == exp + 30


@pytest.mark.parametrize("payload", ["[]", "1", "null", '"x"', "NaN", "{", ""])
def test_a_signed_payload_that_is_no_object_is_refused(tokens, payload) -> None:
    token = jwt.PyJWS().encode(payload.encode(), KEY, "ES256", headers={"kid": ISSUER.jwk["kid"]})
    with pytest.raises(NoCaller, match="not valid"):
        tokens.caller(token)


@pytest.mark.parametrize("person_id", ["ann\n", "\nann", "ann\r\n", "ann\u2028"])
def test_an_id_ends_where_its_text_ends(tokens, person_id) -> None:
    with pytest.raises(NoCaller, match="sub"):
        tokens.caller(signed(VALID | {"sub": person_id}))


def test_a_public_key_cannot_be_turned_into_a_shared_secret(tokens) -> None:
    """The header has no say in how a token is checked."""
    public = KEY.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    header = {"alg": "HS256", "typ": "JWT", "kid": ISSUER.jwk["kid"]}
    parts = [
        base64.urlsafe_b64encode(json.dumps(part).encode()).rstrip(b"=")
        for part in (header, {"sub": "ann", "role": "operator", "aud": "gig-dispatch", "exp": 4_000_000_000})
    ]
    signature = base64.urlsafe_b64encode(hmac.new(public, b".".join(parts), hashlib.sha256).digest()).rstrip(b"=")
    with pytest.raises(NoCaller):
        tokens.caller(b".".join([*parts, signature]).decode())


@given(text=st.text(max_size=300) | st.binary(max_size=300).map(lambda raw: raw.decode("latin-1")))
def test_whatever_text_comes_is_refused_in_order(tokens, text) -> None:
    with pytest.raises(NoCaller):
        tokens.caller(text)


@given(header=st.binary(max_size=80), body=st.binary(max_size=80), data=st.binary(max_size=70))
def test_whatever_has_the_form_of_a_token_is_refused_in_order(tokens, header, body, data) -> None:
    with pytest.raises(NoCaller):
        tokens.caller(".".join(base64.urlsafe_b64encode(part).decode().rstrip("=") for part in (header, body, data)))


def test_the_issuer_is_checked_where_one_is_set(tmp_path) -> None:
    tokens = tokens_of(tmp_path, issuer="https://people.example")
    ours, other = (Issuer(KEY, name=f"https://{name}.example") for name in ("people", "other"))
    assert tokens.caller(ours.token("client", "ann", 60)).person_id == "ann"
    for wrong in (ISSUER.token("client", "ann", 60), other.token("client", "ann", 60)):
        with pytest.raises(NoCaller, match="iss"):
            tokens.caller(wrong)


def test_keys_rotate_without_a_restart_and_a_broken_file_changes_nothing(tmp_path, monkeypatch) -> None:
    monkeypatch.setattr(key_files, "LOOK_EVERY_S", 0.0)
    old, new, path = Issuer(new_key()), Issuer(new_key("EdDSA")), tmp_path / "keys.json"
    tokens = tokens_of(tmp_path, old)
    before, after = old.token("client", "ann", 60), new.token("client", "ann", 60)
    tokens.caller(before)
    with pytest.raises(NoCaller):
        tokens.caller(after)
    path.write_text(jwks([old, new]), "utf-8")
    assert tokens.caller(before) == tokens.caller(before)
    tokens.caller(after)
    path.write_text("{", "utf-8")
    tokens.caller(before)
    path.write_text(jwks([new]), "utf-8")
    tokens.caller(after)
    with pytest.raises(NoCaller):
        tokens.caller(before)
    path.unlink()
    tokens.caller(after)


def test_a_single_key_in_pem_will_do(tmp_path) -> None:
    path = tmp_path / "key.pem"
    path.write_bytes(KEY.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo))
    assert Tokens(KeyFile(path)).caller(ISSUER.token("courier", "bo", 60)).person_id == "bo"


@pytest.mark.parametrize(
    "text", ["", "{}", "[]", '{"keys": 1}', '{"keys": [{"kty": "EC", "crv": "P-256"}]}', "[" * 10_000]
)
def test_a_file_that_holds_no_keys_is_told(tmp_path, text) -> None:
    path = tmp_path / "keys.json"
    path.write_text(text, "utf-8")
    with pytest.raises(KeysError, match=r"keys\.json"):
        KeyFile(path)


def test_other_kinds_of_keys_are_passed_over_and_alone_refused(tmp_path) -> None:
    path = tmp_path / "keys.json"
    rsa = json.loads(jwt.algorithms.RSAAlgorithm.to_jwk(generate_private_key(65537, 2048).public_key()))
    path.write_text(json.dumps({"keys": [rsa]}), "utf-8")
    with pytest.raises(KeysError, match="ES256"):
        KeyFile(path)
    path.write_text(json.dumps({"keys": [rsa, ISSUER.jwk]}), "utf-8")
    assert len(KeyFile(path).keys) == 1


def test_the_key_for_development_is_made_once_and_is_its_owners_alone(tmp_path) -> None:
    first, second = development_issuer(tmp_path), development_issuer(tmp_path)
    assert first.jwk == second.jwk
    path = tmp_path / "development-key.pem"
    assert stat.S_IMODE(os.stat(path).st_mode) == 0o600
    with pytest.raises(FileExistsError):
        write_private_key(path, new_key())
    assert Issuer(read_private_key(path)).jwk == first.jwk
