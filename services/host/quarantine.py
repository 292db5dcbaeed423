"""Set aside the items that a loop of the market could not serve, report them, and retry them with back-off."""

from __future__ import annotations

import logging
import secrets
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from enum import StrEnum
from time import monotonic

from dispatcher.complete import complete
from services.telling import where

log = logging.getLogger(__name__)

# Wall seconds until an item is tried again: doubled after each failure.
FIRST_BACK_OFF_S = 1.0
LONGEST_BACK_OFF_S = 300.0
# Items of momentary loops are reported for this long after their last failure, in wall seconds.
REPORTED_FOR_S = 300.0
# The longest pause of a loop that fails without a single cause: the loop serves everybody.
LONGEST_LOOP_BACK_OFF_S = 10.0


class Loop(StrEnum):
    """Where an item is set aside. The values are labels of the metric ``gig_set_aside_total``."""

    ROUND = "round"
    DUE = "due"
    SURGE = "surge"
    ZONE_QUEUES = "zone_queues"
    SILENCE = "silence"
    CONTACT = "contact"
    LOCATIONS = "locations"
    CLOCKS = "clocks"
    COMMANDS = "commands"
    MEASURES = "measures"
    SESSIONS = "sessions"
    WATCHES = "watches"
    TABLES = "tables"
    LOG = "log"


class Kind(StrEnum):
    """What is set aside, as a noun for the operator."""

    JOB = "job"
    COURIER = "courier"
    OFFER = "offer"
    PERSON = "person"
    CELL = "cell"
    ZONE = "zone"
    EVENT = "event"
    POLICY = "policy"
    # No single item is the cause.
    LOOP = "loop"


# The most incidents of one loop about events and callers, whose number has no bound; further ones count as the loop's
# own. The market bounds the number of its jobs, couriers and the like by itself.
MOST_INCIDENTS = 200


@dataclass(frozen=True, slots=True)
class Item:
    """``detail`` distinguishes what can fail separately about the same subject, such as the commands of a person."""

    kind: Kind
    name: str
    detail: str = ""


def loop_item(loop: Loop) -> Item:
    """Return the item that stands for a loop which fails without a single cause."""
    return Item(Kind.LOOP, loop.value)


# Loops whose items concern one moment: the loops do not try them again.
_MOMENTARY = frozenset({Loop.COMMANDS, Loop.SESSIONS, Loop.WATCHES, Loop.LOCATIONS, Loop.CLOCKS})

# What each loop does without an item, and what the operator can do.
_EFFECTS: dict[Loop, str] = complete(
    {
        Loop.ROUND: "is left out of batch rounds",
        Loop.DUE: "does not time out or move on by itself",
        Loop.SURGE: "is not counted for surge pricing",
        Loop.ZONE_QUEUES: "is not observed for queue zones",
        Loop.SILENCE: "is not taken offline when silent",
        Loop.CONTACT: "keeps its jobs although its phone may be silent",
        Loop.LOCATIONS: "has had positions refused",
        Loop.CLOCKS: "has no estimate of the device's clock on the log",
        Loop.COMMANDS: "has commands refused",
        Loop.MEASURES: "is missing from the measures",
        Loop.SESSIONS: (
            "could not be sent to the courier's stream, which was ended so that the app reads the state again"
        ),
        Loop.WATCHES: "could not be sent to those who watch the job",
        Loop.TABLES: "is missing from the tables",
        Loop.LOG: "could not be written to the log",
    },
    Loop,
    "sentences about items that a loop sets aside",
)
_ADVICE: dict[Kind, str] = complete(
    {
        Kind.JOB: "If it stays, cancel the job or correct what the error names.",
        Kind.COURIER: "If it stays, ask the courier to go offline and online again.",
        Kind.OFFER: "If it stays, cancel the offer's job.",
        Kind.PERSON: "If it stays, correct what the error names.",
        Kind.CELL: "If it stays, check the surge policy.",
        Kind.ZONE: "If it stays, replace the zone with SetZones.",
        Kind.EVENT: "If it stays, correct what the error names and restart the server.",
        Kind.POLICY: "If it stays, announce another policy.",
        Kind.LOOP: "Look up the incident in the server's log.",
    },
    Kind,
    "advice about items that are set aside",
)


@dataclass(slots=True)
class Incident:
    """``since_us``: market time. ``retry_s``: monotonic wall seconds of the next try. ``stage``: where it failed.
    ``needs_proof``: being tried is not enough to be released, only being served is."""

    loop: Loop
    item: Item
    incident_id: str
    since_us: int
    stage: str
    error: str
    attempts: int = 0
    retry_s: float = 0.0
    needs_proof: bool = False

    @property
    def subject(self) -> str:
        return self.item.name

    def sentence(self) -> str:
        """Return what is wrong, what the market does about it, and what the operator can do. Holds no personal text."""
        if self.item.kind is Kind.LOOP:
            what = f"The loop {self.loop.value!r} fails, and no single item is the cause"
        else:
            detail = f" ({self.item.detail})" if self.item.detail else ""
            what = f"The {self.item.kind.value} {self.item.name}{detail} {_EFFECTS[self.loop]}"
        return (
            f"{what}: {self.error} while {self.stage}. All others are served. The market tries it again with growing "
            f"pauses of up to {LONGEST_BACK_OFF_S / 60:.0f} min; it has failed {self.attempts} times. "
            f"{_ADVICE[self.item.kind]} The server's log has incident {self.incident_id}."
        )


class Quarantine:
    """Incidents by loop and item. ``market_us`` returns the market time, ``wall_s`` monotonic wall seconds."""

    def __init__(self, market_us: Callable[[], int], wall_s: Callable[[], float] = monotonic) -> None:
        self._market_us, self._wall_s = market_us, wall_s
        self._incidents: dict[Loop, dict[Item, Incident]] = {loop: {} for loop in Loop}
        # How often anything was set aside, by loop, since the start.
        self.counts: Counter[str] = Counter({loop.value: 0 for loop in Loop})

    def add(
        self, loop: Loop, item: Item, fault: BaseException, stage: str, *, soon: bool = False, needs_proof: bool = False
    ) -> Incident:
        """Set an item aside, for longer each time. ``soon``: for half as long, as others are the likelier cause."""
        incidents = self._incidents[loop]
        endless = item.kind is Kind.EVENT or loop is Loop.COMMANDS
        if endless and item not in incidents and len(incidents) >= MOST_INCIDENTS:
            item = loop_item(loop)
        incident = incidents.get(item)
        if incident is None:
            incident = Incident(loop, item, secrets.token_hex(4), self._market_us(), stage, type(fault).__name__)
            incidents[item] = incident
            log.error(
                "incident %s: a %s is set aside by %s while %s: %s",
                *(incident.incident_id, item.kind.value, loop.value, stage, where(fault)),
            )
        incident.stage, incident.error, incident.needs_proof = stage, type(fault).__name__, needs_proof
        incident.retry_s = self._wall_s() + self._pause_s(incident) / (2 if soon else 1)
        self.counts[loop.value] += 1
        return incident

    def postpone(self, loop: Loop, items: Iterable[Item]) -> None:
        """Lengthen the pause of items that failed before and could not be tried in time."""
        incidents = self._incidents[loop]
        for item in items:
            if item in incidents:
                incidents[item].retry_s = self._wall_s() + self._pause_s(incidents[item])

    @staticmethod
    def _pause_s(incident: Incident) -> float:
        """The next pause, which is twice the one before."""
        longest = LONGEST_LOOP_BACK_OFF_S if incident.item.kind is Kind.LOOP else LONGEST_BACK_OFF_S
        # The exponent is bounded: a float overflows after a thousand failures.
        pause = min(FIRST_BACK_OFF_S * 2.0 ** min(incident.attempts, 30), longest)
        incident.attempts += 1
        return pause

    def held(self, loop: Loop) -> frozenset[Item]:
        """Items that must not be tried now."""
        incidents = self._incidents[loop]
        if not incidents:
            return frozenset()
        now_s = self._wall_s()
        return frozenset(item for item, incident in incidents.items() if incident.retry_s > now_s)

    def suspects(self, loop: Loop) -> frozenset[Item]:
        """Items that failed before and may be tried again."""
        incidents = self._incidents[loop]
        return frozenset(incidents) - self.held(loop) if incidents else frozenset()

    def find(self, loop: Loop, item: Item) -> Incident | None:
        return self._incidents[loop].get(item)

    def seconds_left(self, incident: Incident) -> float:
        """Return the wall seconds until the next try; 0 where it may be made now."""
        return max(incident.retry_s - self._wall_s(), 0.0)

    def release(self, loop: Loop, items: Iterable[Item], *, proof: bool = True) -> None:
        """Remove items that work again. Without ``proof`` they were only part of what worked."""
        incidents = self._incidents[loop]
        for item in items if incidents else ():
            incident = incidents.get(item)
            if incident is not None and (proof or not incident.needs_proof or self._tried_for_long(incident)):
                del incidents[item]

    def _tried_for_long(self, incident: Incident) -> bool:
        return self._wall_s() - incident.retry_s > LONGEST_BACK_OFF_S

    def forget(self, loop: Loop, gone: Callable[[Item], bool]) -> None:
        """Remove items that the market does not know any more."""
        incidents = self._incidents[loop]
        for item in [item for item in incidents if gone(item)]:
            del incidents[item]

    def drop(self, loop: Loop) -> None:
        """Remove all items of a loop that begins from the start."""
        self._incidents[loop].clear()

    def items(self) -> list[Incident]:
        """Return all open incidents, the oldest first."""
        until_s = self._wall_s() - REPORTED_FOR_S
        for loop in _MOMENTARY:
            incidents = self._incidents[loop]
            for item in [item for item, incident in incidents.items() if incident.retry_s < until_s]:
                del incidents[item]
        found = [incident for incidents in self._incidents.values() for incident in incidents.values()]
        return sorted(found, key=lambda incident: (incident.since_us, incident.incident_id))

    def has(self, loop: Loop) -> bool:
        return bool(self._incidents[loop])
