"""Tokens of all the people whom a load plays: an app holds one, a city many."""

from __future__ import annotations

from services.auth.gate import bearer
from services.auth.issuing import Issuer

# Longer than any load.
LIFETIME_S = 7 * 86400

Metadata = tuple[tuple[str, str], ...]


class Wallet:
    def __init__(self, issuer: Issuer) -> None:
        self.issuer = issuer
        self._known: dict[tuple[str, str], Metadata] = {}

    def token(self, role: str, person_id: str) -> str:
        return self.issuer.token(role, person_id, LIFETIME_S)

    def of(self, role: str, person_id: str) -> Metadata:
        """The metadata of a person's calls; the token is made once."""
        known = self._known.get((role, person_id))
        if known is None:
            known = self._known[role, person_id] = bearer(self.token(role, person_id))
        return known

    def client(self, client_id: str) -> Metadata:
        return self.of("client", client_id)

    def courier(self, courier_id: str) -> Metadata:
        return self.of("courier", courier_id)

    def operator(self, operator_id: str = "operator-1") -> Metadata:
        return self.of("operator", operator_id)

    def reviewer(self, reviewer_id: str) -> Metadata:
        return self.of("reviewer", reviewer_id)
