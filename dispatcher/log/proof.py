"""A log proved as a whole, from its events alone: its order, its people, its money, and what people were promised."""

from __future__ import annotations

from collections.abc import AsyncIterable, Iterable, Iterator
from dataclasses import dataclass, field

from dispatcher.log.invariants import LogChecker
from dispatcher.log.journal import JournalCheck, Line
from dispatcher.pay.ledger_check import LedgerCheck
from gig.v1 import events_pb2 as events_pb

# More are counted, not told.
TOLD = 20


@dataclass(slots=True)
class LogProof:
    """Feed it every event in order, then ``finish``. ``faults``: how many; ``told``: the first ones in sentences."""

    journal: JournalCheck = field(default_factory=lambda: JournalCheck([]))
    events: int = 0
    faults: int = 0
    told: list[str] = field(default_factory=list)
    _checker: LogChecker = field(default_factory=LogChecker)
    _ledger: LedgerCheck = field(default_factory=LedgerCheck)

    def check(self, event: events_pb.Event) -> None:
        self.events += 1
        self._tell(self._checker.check(event))
        self._tell(self._ledger.check(event))
        self.journal.check(event)

    def finish(self) -> None:
        """Compare with what people were promised."""
        self._tell(self.journal.missing())

    @property
    def jobs(self) -> int:
        return len(self._checker.placed)

    def _tell(self, found: Iterator[str]) -> None:
        for sentence in found:
            self.faults += 1
            if len(self.told) < TOLD:
                self.told.append(sentence)


async def proved(events: AsyncIterable[events_pb.Event], promised: Iterable[Line] = ()) -> LogProof:
    """A whole log by itself, and by what people were promised."""
    proof = LogProof(JournalCheck([*promised]))
    async for event in events:
        proof.check(event)
    proof.finish()
    return proof
