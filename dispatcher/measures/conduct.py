"""What steers couriers besides offers: nudges, standing, being kept out; and who is not seen again."""

from __future__ import annotations

from collections import Counter, deque
from dataclasses import dataclass, field

from dispatcher.measures.records import CourierRecord
from dispatcher.times import SECOND
from gig.v1 import courier_service_pb2 as courier_pb
from gig.v1 import policy_pb2 as policy_pb
from gig.v1 import rating_service_pb2 as rating_pb

NUDGES = {
    number: name.removeprefix("NUDGE_OUTCOME_").lower() for name, number in courier_pb.NudgeOutcome.items() if number
}
COMPARED = ("followed", "not_followed")
LEVELS = {
    number: name.removeprefix("STANDING_LEVEL_").lower() for name, number in policy_pb.StandingLevel.items() if number
}
CAUSES = {number: name.removeprefix("STANDING_CAUSE_").lower() for name, number in policy_pb.StandingCause.items()}
GOOD, RESTRICTED = policy_pb.STANDING_LEVEL_GOOD, policy_pb.STANDING_LEVEL_RESTRICTED
DAY_US = 86_400 * SECOND
# What followers of a nudge earn is compared over so long.
EARNING_WINDOW_US = 30 * 60 * SECOND
# Not seen for so long: gone.
GONE_AFTER_US = 28 * DAY_US
# New York's rule for lockouts.
NOTICE_US = 72 * 3600 * SECOND
COHORTS = ("standing_decision", "bad_week", "neither")


@dataclass(slots=True)
class Nudges:
    """``earned``: of followers and of those who stayed, [how many, what they earned within 30 minutes, minor units].
    ``watched``: (until, courier, outcome, earned before) in order of time."""

    sent: int = 0
    closed: Counter[str] = field(default_factory=Counter)
    earned: dict[str, list[int]] = field(default_factory=lambda: {name: [0, 0] for name in COMPARED})
    watched: deque[tuple[int, str, str, int]] = field(default_factory=deque)

    def close(self, outcome: courier_pb.NudgeOutcome, courier_id: str, courier: CourierRecord, now_us: int) -> None:
        name = NUDGES[outcome]
        self.closed[name] += 1
        if name in COMPARED:
            self.watched.append((now_us + EARNING_WINDOW_US, courier_id, name, courier.earned))

    def look(self, couriers: dict[str, CourierRecord], now_us: int) -> None:
        """Call it when ``watched`` has something due."""
        while self.watched and self.watched[0][0] <= now_us:
            _, courier_id, name, before = self.watched.popleft()
            courier = couriers.get(courier_id)
            if courier is not None:
                self.earned[name][0] += 1
                self.earned[name][1] += courier.earned - before


@dataclass(slots=True)
class Lockout:
    """``since_us``: an account that was at work within the 28 days before was restricted or ended then."""

    since_us: int
    until_us: int


@dataclass(slots=True)
class Accounts:
    """``levels``: of accounts that are not in good standing. ``changes``: "level/cause/decider" -> count, with the
    rule's cause, or "human". ``lockouts``: running ones; ``locked_us``: what ended ones took; ``notices``: those that
    began with under 72 hours' notice, and others."""

    levels: dict[str, int] = field(default_factory=dict)
    changes: Counter[str] = field(default_factory=Counter)
    lockouts: dict[str, Lockout] = field(default_factory=dict)
    locked_us: int = 0
    notices: Counter[str] = field(default_factory=Counter)

    def change(
        self, change: rating_pb.StandingChange, courier: CourierRecord | None, asked_us: int | None, now_us: int
    ) -> None:
        """``asked_us``: when the review that led there was opened, and the person told."""
        level = LEVELS[change.after]
        cause = "human" if change.decided_by else CAUSES[change.cause]
        self.changes[f"{level}/{cause}/{'human' if change.decided_by else 'rule'}"] += 1
        if change.after == GOOD:
            self.levels.pop(change.person_id, None)
        else:
            self.levels[change.person_id] = change.after
        running = self.lockouts.get(change.person_id)
        if change.after >= RESTRICTED:
            if running is None and courier is not None and now_us - courier.last_us <= GONE_AFTER_US:
                self.lockouts[change.person_id] = Lockout(now_us, now_us + GONE_AFTER_US)
                short = asked_us is None or now_us - asked_us < NOTICE_US
                self.notices["under_72h" if short else "72h_or_more"] += 1
        elif running is not None:
            del self.lockouts[change.person_id]
            self.locked_us += min(now_us, running.until_us) - running.since_us

    def locked_until(self, now_us: int) -> int:
        """Microseconds of all lockouts, each counted for 28 days at most."""
        running = (min(now_us, kept.until_us) - kept.since_us for kept in self.lockouts.values())
        return self.locked_us + sum(max(spent, 0) for spent in running)


@dataclass(slots=True)
class Exits:
    """Couriers followed for 28 days from a standing decision, or from the end of a week. ``followed``, ``gone``: by
    cohort; ``watched``: (until, courier, cohort, since) in order of time."""

    followed: Counter[str] = field(default_factory=Counter)
    gone: Counter[str] = field(default_factory=Counter)
    watched: deque[tuple[int, str, str, int]] = field(default_factory=deque)

    def watch(self, courier_id: str, cohort: str, now_us: int) -> None:
        self.watched.append((now_us + GONE_AFTER_US, courier_id, cohort, now_us))

    def look(self, couriers: dict[str, CourierRecord], online: dict[str, int], now_us: int) -> None:
        """Call it when ``watched`` has something due."""
        while self.watched and self.watched[0][0] <= now_us:
            _, courier_id, cohort, since_us = self.watched.popleft()
            courier = couriers.get(courier_id)
            self.followed[cohort] += 1
            seen = courier is not None and (courier_id in online or courier.last_us > since_us)
            self.gone[cohort] += not seen

    def pending(self) -> Counter[str]:
        return Counter(cohort for _, _, cohort, _ in self.watched)
