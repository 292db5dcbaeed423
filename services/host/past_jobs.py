"""Jobs that have left the market's memory, with what was said of them, from the tables."""

from __future__ import annotations

from dispatcher import commands
from dispatcher.log import lookups
from gig.v1 import job_pb2 as job_pb
from services.host.market_host import MarketHost


async def past_job(host: MarketHost, job_id: str) -> commands.PastJob | None:
    """None where the market remembers the job, or nobody ever placed it."""
    if job_id in host.market.state.jobs:
        return None
    pool = await host.projected()
    job = await lookups.get_job(pool, host.market_id, job_id)
    if job is None:
        return None
    given = await lookups.ratings_of_job(pool, host.market_id, job_id)
    stars = {side: rating.stars for side, rating in given.items()}
    return commands.PastJob(
        job=job, by_client=stars.get(job_pb.ACTOR_CLIENT), by_courier=stars.get(job_pb.ACTOR_COURIER)
    )
