"""Tokens for tests: plain stubs whose calls are signed by whoever they are about, as an app would sign them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import grpc

from gig.v1 import job_pb2
from load_tests.live.wallet import Metadata, Wallet
from services.auth.access import RULES
from services.auth.caller import PERSON_ID
from services.auth.gate import KEY
from services.auth.issuing import KEY_FILE, Issuer, new_key, write_private_key

_PRIVATE = new_key()
WALLET = Wallet(Issuer(_PRIVATE))


def plant(folder: Path) -> None:
    """Make our key the one for development of a suite that will run on the folder."""
    write_private_key(folder / KEY_FILE, _PRIVATE)


def caller(role: str, person_id: str) -> Metadata:
    """Metadata that proves who asks."""
    return WALLET.of(role, person_id)


def signature(wallet: Wallet, method: str, request: Any) -> Metadata:
    """Of the person whom a request is about; else of an operator."""
    rule = RULES[method.rpartition(".")[2]]
    if not rule.own:
        return wallet.operator()
    role = next(iter(rule.own))
    if getattr(request, "rater", None) == job_pb2.ACTOR_COURIER:
        role = "courier"
    person_id = getattr(request, rule.subject)
    return wallet.of(role, person_id if PERSON_ID.fullmatch(person_id) else "nobody")


class _Signing:
    def __init__(self, wallet: Wallet) -> None:
        self._wallet = wallet

    def _signed(self, details: Any, request: Any) -> Any:
        metadata = tuple(details.metadata or ())
        if any(key == KEY for key, _ in metadata):
            return details
        method = details.method.decode() if isinstance(details.method, bytes) else details.method
        signed = grpc.aio.Metadata(*metadata, *signature(self._wallet, method, request))
        return details._replace(metadata=signed)


class _Unary(_Signing, grpc.aio.UnaryUnaryClientInterceptor):
    async def intercept_unary_unary(self, continuation: Any, client_call_details: Any, request: Any) -> Any:
        return await continuation(self._signed(client_call_details, request), request)


class _Streaming(_Signing, grpc.aio.UnaryStreamClientInterceptor):
    async def intercept_unary_stream(self, continuation: Any, client_call_details: Any, request: Any) -> Any:
        return await continuation(self._signed(client_call_details, request), request)


def signed_channel(target: str, wallet: Wallet = WALLET) -> grpc.aio.Channel:
    """Calls that carry no token of their own get that of the person whom they are about."""
    return grpc.aio.insecure_channel(target, interceptors=[_Unary(wallet), _Streaming(wallet)])
