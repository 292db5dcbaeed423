"""Whether a courier can have done what they report: by the distance to the stop, and by the speed between events."""

from __future__ import annotations

from collections.abc import Iterator

from dispatcher.commands import SeenAt
from dispatcher.complete import complete, numbers_of
from dispatcher.market import lifecycle
from dispatcher.market.plans import stop_position
from dispatcher.market.state import MarketState
from dispatcher.times import SECOND, duration, micros, span
from geo.travel import StraightLine
from geo.units import from_e7
from gig.v1 import courier_service_pb2 as courier_pb
from gig.v1 import job_pb2 as job_pb
from gig.v1 import policy_pb2 as policy_pb
from gig.v1 import transparency_service_pb2 as pb
from gig.v1 import types_pb2 as types_pb

ARRIVED, PICKED_UP, COMPLETED, NO_SHOW = (
    courier_pb.PROGRESS_STEP_ARRIVED,
    courier_pb.PROGRESS_STEP_PICKED_UP,
    courier_pb.PROGRESS_STEP_COMPLETED,
    courier_pb.PROGRESS_STEP_NO_SHOW,
)
# The stop at which a step is reported.
STOPS = complete(
    {
        ARRIVED: job_pb.STOP_KIND_PICKUP,
        PICKED_UP: job_pb.STOP_KIND_PICKUP,
        NO_SHOW: job_pb.STOP_KIND_PICKUP,
        COMPLETED: job_pb.STOP_KIND_DROPOFF,
    },
    numbers_of(courier_pb.ProgressStep),
    "stops at which steps are reported",
    without={courier_pb.PROGRESS_STEP_FAILED},
)
STOP_DISTANCE, SPEED = pb.PLAUSIBILITY_CHECK_STOP_DISTANCE, pb.PLAUSIBILITY_CHECK_SPEED
FLAG_FOLLOWS = "A human is asked. Your report counts, your pay stays, and nothing else follows unless they decide so."
_GREAT_CIRCLE = StraightLine(circuity=1.0, speeds_mps=(1.0,))
_DONE = complete(
    {
        ARRIVED: "arrived at the pickup",
        PICKED_UP: "picked up",
        NO_SHOW: "left by its client",
        COMPLETED: "completed",
    },
    STOPS,
    "words for reported steps",
)


def facts(
    state: MarketState, job: job_pb.Job, step: courier_pb.ProgressStep, seen: SeenAt | None, at_us: int
) -> Iterator[pb.ImplausibleFact]:
    """Yield each bound of the policy that a report does not fit.

    ``job``: as it was before the report; ``at_us``: when the step happened. A late report may follow a newer position.
    """
    policy = state.policy
    if step not in STOPS or not policy.HasField("plausibility") or policy.travel.HasField("planar"):
        return
    bounds = policy.plausibility
    stop = stop_position(job, STOPS[step])
    last = _newest(seen, _on_the_log(state, job.courier_id))
    if last is not None:
        metres = _apart(last, stop)
        elapsed_us = abs(at_us - last.time_us)
        yield from _fact(STOP_DISTANCE, metres, elapsed_us, _reach(bounds, elapsed_us, 1))
    if step == COMPLETED and job.state == lifecycle.PICKED_UP:
        start = job.spec.pickup.position
        metres = _apart(start, stop)
        elapsed_us = max(at_us - micros(job.pickup_time), 0)
        # Both steps may have been reported away from their stops.
        yield from _fact(SPEED, metres, elapsed_us, _reach(bounds, elapsed_us, 2))


def _apart(here: SeenAt | types_pb.Position, there: types_pb.Position) -> float:
    """Return metres along the great circle."""
    metres, _ = _GREAT_CIRCLE.leg(here.latitude, here.longitude, there.latitude, there.longitude, 0.0)
    return metres


def _fact(
    check: pb.PlausibilityCheck, metres: float, elapsed_us: int, most_metres: float
) -> Iterator[pb.ImplausibleFact]:
    if metres > most_metres:
        yield pb.ImplausibleFact(check=check, metres=metres, elapsed=duration(elapsed_us), most_metres=most_metres)


def _reach(bounds: policy_pb.PlausibilityPolicy, elapsed_us: int, ends: int) -> float:
    """Return the most metres that can lie between two reports. ``ends``: how many of them are inexact."""
    return float(ends * bounds.stop_distance_metres + bounds.fastest_mps * elapsed_us / SECOND)


def _on_the_log(state: MarketState, courier_id: str) -> SeenAt | None:
    """Return the position that the log holds; None where it holds no time for it."""
    columns, number = state.columns, state.numbers[courier_id]
    time_us = int(columns.position_us[number])
    if not time_us:
        return None
    return SeenAt(from_e7(int(columns.latitude_e7[number])), from_e7(int(columns.longitude_e7[number])), time_us)


def _newest(*seen: SeenAt | None) -> SeenAt | None:
    """Return the newest position that is known, of equally new ones the first."""
    return max((one for one in seen if one is not None), key=lambda one: one.time_us, default=None)


def flag_sentence(flag: pb.ProgressFlag) -> str:
    """Return what does not fit, for the courier and for the human who is asked."""
    reasons = ", and ".join(_reason(fact) for fact in flag.facts)
    return f"Job {flag.job_id} was reported as {_DONE[flag.step]}, but {reasons}."


def _reason(fact: pb.ImplausibleFact) -> str:
    far, most = _distance(fact.metres), _distance(fact.most_metres)
    ago = _span(span(fact.elapsed))
    if fact.check == SPEED:
        return f"the drop-off is {far} from the pickup, which was reported {ago} before (the policy allows {most})"
    return (
        f"the courier's newest position, taken within {ago} of it, was {far} from the stop (the policy allows {most})"
    )


def _distance(metres: float) -> str:
    return f"{metres / 1000:.1f} km" if metres >= 1000 else f"{metres:.0f} m"


def _span(time_us: int) -> str:
    """Return a span of time as people read it."""
    seconds = time_us / SECOND
    return f"{seconds // 60:.0f} min {seconds % 60:.0f} s" if seconds >= 60 else f"{seconds:.1f} s"
