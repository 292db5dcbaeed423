"""Who makes a call: a role and an id."""

from __future__ import annotations

import re
import time
from dataclasses import dataclass

from dispatcher.ids import pack

ROLES = ("client", "courier", "reviewer", "operator", "researcher")
CLIENT, COURIER, REVIEWER, OPERATOR, RESEARCHER = ROLES
# The pattern of ids of people in the contract. Always use it with fullmatch: `$` would accept a trailing newline.
PERSON_ID = re.compile(r"[A-Za-z0-9._:@-]{1,128}")


@dataclass(frozen=True, slots=True)
class Caller:
    """``expires_s``: when the token stops being valid, seconds since the Unix epoch."""

    role: str
    person_id: str
    expires_s: float = float("inf")

    @property
    def principal(self) -> str:
        """Names the caller in limits."""
        return pack((self.role, self.person_id)).hex()

    def seconds_left(self) -> float:
        return self.expires_s - time.time()
