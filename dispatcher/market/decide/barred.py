"""Accounts that a human has restricted or ended: what they can no longer do."""

from __future__ import annotations

from dispatcher.errors import WrongState
from dispatcher.market.accounts import Account


def check_barred(account: Account) -> None:
    """Raises WrongState for an account that a human has restricted or ended."""
    if account.barred:
        raise WrongState(
            f"ACCOUNT_{account.level.name}",
            f"this account is {account.level.name.lower()}: GetStanding tells why, ContestDecision asks for a review",
            decision_id=account.decision_id,
        )
