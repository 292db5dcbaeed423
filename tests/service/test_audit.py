"""What people do by office is on the log: what they set, and whose data they looked at; and the people can see it."""

from __future__ import annotations

import asyncio
import json

from typer.testing import CliRunner

from gig.v1 import courier_service_pb2 as courier_pb
from gig.v1 import job_service_pb2 as job_pb
from gig.v1 import oversight_service_pb2 as oversight_pb
from gig.v1 import pay_service_pb2 as pay_pb
from services.cli.main import app
from tests.service.stream import place_request
from tests.service.test_policy_commands import at
from tests.service.test_rights import export
from tests.signing import caller


async def acts(suite, person: str) -> list[dict[str, object]]:
    command = ["log", "audit", "--person", person, "--json", *at(suite)[2:]]
    outcome = await asyncio.to_thread(CliRunner().invoke, app(), command)
    assert outcome.exit_code == 0, outcome.stderr
    return [json.loads(line) for line in outcome.stdout.splitlines()]


async def test_who_looks_at_another_by_office_is_on_the_log_and_in_their_export(
    suite, jobs, couriers, pay, transparency, connect, name, island
) -> None:
    bo, olu = connect(f"{name}-bo"), f"{name}-olu"
    await bo.online(island)
    job = (await jobs.PlaceJob(place_request(name, island))).job
    metadata = caller("operator", olu)
    await couriers.GetCourier(courier_pb.GetCourierRequest(courier_id=bo.courier_id), metadata=metadata)
    await pay.GetStatement(pay_pb.GetStatementRequest(worker_id=bo.courier_id), metadata=metadata)
    await jobs.GetJob(job_pb.GetJobRequest(job_id=job.job_id), metadata=metadata)
    watch = jobs.WatchJob(job_pb.WatchJobRequest(job_id=job.job_id), metadata=metadata)
    await watch.read()
    watch.cancel()
    # About oneself, or about nobody: nothing to note.
    await couriers.GetCourier(
        courier_pb.GetCourierRequest(courier_id=bo.courier_id), metadata=caller("courier", bo.courier_id)
    )
    await jobs.GetJob(job_pb.GetJobRequest(job_id=job.job_id), metadata=caller("client", name))
    looked = [(act["did"], act["about"]) for act in await acts(suite, olu)]
    assert looked == [
        ("looked by CourierService/GetCourier", bo.courier_id),
        ("looked by PayService/GetStatement", bo.courier_id),
        ("looked by JobService/GetJob", name),
        ("looked by JobService/WatchJob", name),
    ]
    own = await export(transparency, "courier", bo.courier_id)
    assert [(row["role"], row["method"]) for row in own["accesses"]] == [
        ("operator", "CourierService/GetCourier"),
        ("operator", "PayService/GetStatement"),
    ]
    assert olu not in json.dumps(own["accesses"])


async def test_what_operators_set_is_on_the_log_with_their_names(suite, oversight, name) -> None:
    olu = f"{name}-olu"
    block = oversight_pb.SetBlockRequest(
        request_id="b", operator_id=olu, client_id=f"{name}-a", courier_id=f"{name}-b", blocked=True, reason="asked"
    )
    await oversight.SetBlock(block)
    review = oversight_pb.OpenReviewRequest(
        request_id="o", operator_id=olu, subject_id=f"{name}-b", statement="two complaints in a day"
    )
    await oversight.OpenReview(review)
    did = [act["did"] for act in await acts(suite, olu)]
    assert did == ["kept apart: asked", "set a standing: under_review", "asked for a review"]
