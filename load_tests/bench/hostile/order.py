"""The order to an attacker's process: ports, tokens, subjects and duration."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field


@dataclass(frozen=True, slots=True)
class Order:
    """``tokens``: by a person's id. ``facts``: ids that the attack needs.

    ``core``: the CPU that the attacker is bound to; None where the machine has only one.
    """

    name: str
    grpc_port: int
    http_port: int
    seconds: float
    core: int | None
    tokens: dict[str, str] = field(default_factory=dict)
    facts: dict[str, str] = field(default_factory=dict)

    def to_json(self) -> str:
        return json.dumps(asdict(self))

    @classmethod
    def from_json(cls, text: str) -> Order:
        return cls(**json.loads(text))
