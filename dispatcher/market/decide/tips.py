"""A tip: from the client to the courier, in full, within the policy's window after the job."""

from __future__ import annotations

from dispatcher import commands
from dispatcher.errors import InvalidField, NotYours, WrongState
from dispatcher.market import lifecycle
from dispatcher.market.decide.drafts import Drafts
from dispatcher.market.decide.ratings import ended_job
from dispatcher.market.state import MarketState
from dispatcher.occurred import known_end_us
from dispatcher.pay import ledger
from dispatcher.pricing.amounts import MOST
from dispatcher.times import span


def add_tip(state: MarketState, command: commands.AddTip, now_us: int, drafts: Drafts) -> str:
    job = ended_job(state, command.job_id, command.past)
    if job.client_id != command.client_id:
        raise NotYours("NOT_YOUR_JOB", f"job {job.job_id!r} belongs to another client", job_id=job.job_id)
    if job.state != lifecycle.COMPLETED:
        raise WrongState("JOB_STATE", "a tip is possible when the job is completed", job_id=job.job_id)
    policy = state.policy.jobs
    if not policy.HasField("tip_window"):
        raise WrongState("NO_TIPS", "this market takes no tips", job_id=job.job_id)
    if now_us > known_end_us(job) + span(policy.tip_window):
        raise WrongState("TIP_WINDOW_CLOSED", "the time to tip for this job is over", job_id=job.job_id)
    if job.money.tip_minor_units + command.minor_units > MOST:
        raise InvalidField("minor_units", f"the tips of a job may come to {MOST} minor units", "TIP_TOO_HIGH")
    event = drafts.add()
    tipped = event.tip_added.job
    tipped.CopyFrom(job)
    tipped.money.tip_minor_units += command.minor_units
    tipped.sequence = event.sequence
    event.tip_added.postings.CopyFrom(ledger.tip(job, command.minor_units))
    return job.job_id
