"""The time that counts for a step of progress: as the device reports it, within bounds."""

from __future__ import annotations

from dispatcher import commands
from dispatcher.late_reports import late_reports
from dispatcher.market.lifecycle import PICKED_UP
from dispatcher.market.state import MarketState
from dispatcher.times import micros, span, timestamp
from geo.sightings import Sightings, first_possible_us, without_strays
from gig.v1 import courier_service_pb2 as courier_pb
from gig.v1 import events_pb2 as events_pb
from gig.v1 import job_pb2 as job_pb
from gig.v1 import types_pb2 as types_pb

_AT_PICKUP = (
    courier_pb.PROGRESS_STEP_ARRIVED,
    courier_pb.PROGRESS_STEP_PICKED_UP,
    courier_pb.PROGRESS_STEP_NO_SHOW,
)


def occurred(
    state: MarketState, job: job_pb.Job, command: commands.ReportProgress, now_us: int
) -> events_pb.Occurred | None:
    """Return the time that counts for a step of a job that the courier holds; None: that of the report.

    The reported time is corrected by the clock of the device, and moved later as far as each bound requires: the
    policy, the steps before it, and the courier's positions. It never lies after the report.
    """
    progress = command.progress
    if not progress.HasField("occurred_time"):
        return None
    courier = state.courier(command.courier_id)
    rule = late_reports(state.policy)
    found = events_pb.Occurred(reported_time=progress.occurred_time)
    at_us = micros(progress.occurred_time) + span(courier.clock_offset)
    for bound, least_us in (
        (events_pb.OCCURRED_BOUND_POLICY, now_us - rule.within_us),
        (events_pb.OCCURRED_BOUND_ORDER, _previous_us(job, courier)),
    ):
        if at_us < least_us:
            at_us, found.bound = least_us, bound
    stop = _stop(job, progress.step)
    if stop is not None and at_us < now_us:
        seen = _with_pickup(without_strays(command.sightings, rule.reach), job)
        possible_us = first_possible_us(seen, stop.latitude, stop.longitude, at_us, now_us, rule.reach)
        if possible_us > at_us:
            at_us, found.bound = possible_us, events_pb.OCCURRED_BOUND_POSITIONS
    if at_us > now_us:
        at_us, found.bound = now_us, events_pb.OCCURRED_BOUND_RECEPTION
    found.time.CopyFrom(timestamp(at_us))
    return found


def _previous_us(job: job_pb.Job, courier: courier_pb.Courier) -> int:
    """Return the time of the last step of the job so far, or of the start of the shift."""
    steps = ("assign_time", "arrive_time", "pickup_time")
    taken = [micros(getattr(job, name)) for name in steps if job.HasField(name)]
    return max([*taken, micros(courier.online_time)])


def _stop(job: job_pb.Job, step: courier_pb.ProgressStep) -> types_pb.Position | None:
    """Return where the courier must have been for a step; None where that may be anywhere."""
    if step in _AT_PICKUP:
        return job.spec.pickup.position
    return job.spec.dropoff.position if step == courier_pb.PROGRESS_STEP_COMPLETED else None


def _with_pickup(seen: Sightings, job: job_pb.Job) -> Sightings:
    """The pickup is a sighting too: nobody is at the drop-off sooner than the way from there takes."""
    if job.state != PICKED_UP:
        return seen
    at = job.spec.pickup.position
    return seen.and_at(micros(job.pickup_time), at.latitude, at.longitude)
