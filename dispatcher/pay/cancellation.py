"""Who was at fault when a job did not go as agreed: one decision. What follows: a table of the policy."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from dispatcher.times import SECOND, micros, span
from gig.v1 import job_pb2 as job_pb
from gig.v1 import policy_pb2 as policy_pb

HELD = (job_pb.JOB_STATE_ASSIGNED, job_pb.JOB_STATE_AT_PICKUP)


@dataclass(frozen=True, slots=True)
class Finding:
    fault: job_pb.Fault
    reason: str


def client_cancels(job: job_pb.Job, expected_us: int | None, policy: policy_pb.JobPolicy, now_us: int) -> Finding:
    """``expected_us``: when the courier was expected at the pickup, None where that is not known."""
    nobody = job_pb.FAULT_NOBODY
    if job.state not in HELD:
        return Finding(nobody, "no courier had accepted yet")
    since = now_us - micros(job.assign_time)
    grace = span(policy.cancellation_grace)
    if since < grace:
        return Finding(nobody, f"within {grace // SECOND} s of the acceptance")
    late_us = 0 if expected_us is None or job.HasField("arrive_time") else now_us - expected_us
    if policy.HasField("late_tolerance") and late_us > span(policy.late_tolerance):
        return Finding(job_pb.FAULT_PLATFORM, f"the courier was {late_us // SECOND} s later than the client was told")
    if job.HasField("arrive_time"):
        return Finding(job_pb.FAULT_CLIENT, "the courier stood at the pickup")
    return Finding(job_pb.FAULT_CLIENT, f"{since // SECOND} s after the acceptance, while the courier was on the way")


def consequence(
    rows: Iterable[policy_pb.CancellationRow], job: job_pb.Job, by: job_pb.Actor, fault: job_pb.Fault
) -> policy_pb.CancellationRow | None:
    """The row with the most conditions that fits, among equals the first; None: nothing follows."""
    best, most = None, -1
    for row in rows:
        conditions = ((row.kind, job.spec.kind), (row.by, by), (row.fault, fault), (row.state, job.state))
        asked = [(wanted, is_) for wanted, is_ in conditions if wanted]
        if all(wanted == is_ for wanted, is_ in asked) and len(asked) > most:
            best, most = row, len(asked)
    return best
