"""What the projection remembers of a live job, and of everyone who was online lately."""

from __future__ import annotations

from dataclasses import dataclass, field

# Phases of a courier's time, after New York's Taxi and Limousine Commission: P1 waiting for work, P2 to the pickup,
# P2w waiting there, P3 with a job aboard.
P1, P2, P2W, P3 = range(4)
PHASES = ("P1", "P2", "P2w", "P3")
STATES = ("free", "to_pickup", "at_pickup", "with_job")


@dataclass(slots=True)
class LiveJob:
    """Amounts in minor units; ``charged`` and ``paid``: what surge added to fare and pay. Times in microseconds.

    ``to_pickup_us``, ``at_pickup_us``: time that its courier gave to it before the pickup.
    """

    kind: int
    state: str
    placed_us: int = 0
    area: str = ""
    metres: int = 0
    pickup_metres: int = 0
    # Degrees.
    pickup: tuple[float, float] = (0.0, 0.0)
    dropoff: tuple[float, float] = (0.0, 0.0)
    base_pay: int = 0
    charged: int = 0
    paid: int = 0
    offer_id: str = ""
    courier_id: str = ""
    # Waiting at the pickup that is not paid; None: none of it is.
    free_waiting_us: int | None = None
    to_pickup_us: int = 0
    at_pickup_us: int = 0
    picked_up_us: int = 0


@dataclass(slots=True)
class Totals:
    """What somebody did and got up to a moment: microseconds, minor units without tips, metres."""

    online_us: int = 0
    engaged_us: int = 0
    earned: int = 0
    metres: float = 0.0


@dataclass(slots=True)
class CourierRecord:
    """Sums since the record began, which is when its courier was first online.

    ``lead``: of the jobs in hand, the one furthest along, which the time goes to. ``after``, ``after_us``,
    ``after_place``: since what, when and where the courier waits for the next offer. ``week``, ``version``: the sums
    when the week and the policy in force began; ``before``: what the policy before it came to.
    """

    number: int
    vehicle: int = 0
    last_us: int = 0
    phase: int = P1
    since_us: int = 0
    # Of the last step of a job, or the start of the shift.
    moved_us: int = 0
    jobs: dict[str, int] = field(default_factory=dict)
    lead: str = ""
    spell_us: int = 0
    free_us: int = 0
    open_offers: int = 0
    queues: int = 0
    after: str = ""
    after_us: int = 0
    # Cell and hour of the day.
    after_place: tuple[str, int] = ("", 0)
    phases_us: list[int] = field(default_factory=lambda: [0, 0, 0, 0])
    with_offer_us: int = 0
    commanded_us: int = 0
    # Before pickups, counted by no line of pay: waiting there, and for jobs that ended without pay.
    waiting_us: int = 0
    cancelled_us: int = 0
    metres: float = 0.0
    pay: dict[str, int] = field(default_factory=dict)
    earned: int = 0
    offers: dict[str, int] = field(default_factory=dict)
    offers_made: int = 0
    jobs_done: int = 0
    ratings: int = 0
    score: float = 0.0
    # Weight of the ratings behind the score, and by how much they were corrected in sum, both decayed to rated_us.
    weight: float = 0.0
    corrected: float = 0.0
    rated_us: int = 0
    week: Totals = field(default_factory=Totals)
    version: Totals = field(default_factory=Totals)
    before: Totals = field(default_factory=Totals)

    def totals(self) -> Totals:
        waiting, *engaged = self.phases_us
        return Totals(waiting + sum(engaged), sum(engaged), self.earned, self.metres)

    def since(self, mark: Totals) -> Totals:
        """What came on top of a mark."""
        now = self.totals()
        return Totals(
            now.online_us - mark.online_us,
            now.engaged_us - mark.engaged_us,
            now.earned - mark.earned,
            now.metres - mark.metres,
        )
