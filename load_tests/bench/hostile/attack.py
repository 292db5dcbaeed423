"""The base class of all attacks."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections import Counter

from load_tests.bench.hostile.order import Order

HOST = "127.0.0.1"
# The attacker's address, apart from that of the others: a limit of one address must not be the others' limit.
ATTACKER = "127.0.0.2"


class Attack(ABC):
    """``counts``: what was sent, opened, answered or refused."""

    def __init__(self, order: Order) -> None:
        self.order = order
        self.counts: Counter[str] = Counter()

    async def prepare(self) -> None:
        """Do slow work before the attack begins."""
        return

    @abstractmethod
    async def attack(self) -> None:
        """Attack until cancelled."""
