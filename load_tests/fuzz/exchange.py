"""What all callers of a run share: connection, tokens, knowledge of the market, and where findings go."""

from __future__ import annotations

from collections import Counter, deque
from dataclasses import dataclass, field
from typing import Any

import grpc
import numpy as np

from load_tests.fuzz.findings import Findings
from load_tests.fuzz.lives import Lives
from load_tests.fuzz.world import World
from load_tests.fuzz.wrong import wrong
from load_tests.live.wallet import Wallet

# Of all messages, those that are made wrong.
WRONG_SHARE = 0.5
# Longer messages are not mixed into others.
MIXED_BYTES = 20_000


@dataclass(slots=True)
class Exchange:
    channel: grpc.aio.Channel
    wallet: Wallet
    world: World
    lives: Lives
    findings: Findings
    # Sound messages of before, whose bytes are mixed into others.
    sent: deque[bytes] = field(default_factory=lambda: deque([b"\x0a\x01a"], maxlen=50))
    # How many streams each courier has opened: a later one ends those before.
    streams: Counter[str] = field(default_factory=Counter)

    def bytes_of(self, rng: np.random.Generator, message: Any) -> bytes:
        """Return the message's bytes, made wrong now and then."""
        if rng.random() < WRONG_SHARE:
            return wrong(rng, message, self.sent)
        data: bytes = message.SerializeToString()
        if len(data) <= MIXED_BYTES:
            self.sent.append(data)
        return data

    def restarted_since(self, life: int) -> bool:
        """Return whether the server of this life may have ended."""
        return life != self.lives.number or not self.lives.serving.is_set()
