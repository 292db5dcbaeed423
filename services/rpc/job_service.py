"""JobService: quote, place, get, list, cancel, watch."""

from __future__ import annotations

from collections.abc import AsyncIterator

from dispatcher import commands
from dispatcher.errors import MarketUnavailable, NotFound
from dispatcher.log import lookups
from dispatcher.log.store import FROM_THE_END
from dispatcher.market import Market
from dispatcher.market.lifecycle import TERMINAL
from dispatcher.messages import copied
from dispatcher.pricing.job_price import waiting_terms
from gig.v1 import job_pb2 as job_pb
from gig.v1 import job_service_pb2 as pb
from services.auth import access
from services.host.market_host import MarketHost
from services.rpc.requests import DEFAULT_PAGE, new_id, page_position, page_token, request_of


class JobService:
    def __init__(self, host: MarketHost) -> None:
        self._host = host

    async def quote_job(self, call: pb.QuoteJobRequest) -> pb.QuoteJobResponse:
        request = request_of(call)
        command = commands.QuoteJob(
            request=request, job_id=new_id(self._host.market_id), client_id=call.client_id, spec=call.spec
        )
        job = await self._submit(command)
        quote = pb.Quote(
            quote_id=job.job_id,
            fare=job.fare,
            trip_distance_metres=job.trip_distance_metres,
            trip_duration=job.trip_duration,
            expire_time=job.quote_expire_time,
            policy_version=job.policy_version,
            surge=job.surge if job.HasField("surge") else None,
            waiting=waiting_terms(self._host.market.state.fares.get(job.spec.kind)),
        )
        return pb.QuoteJobResponse(quote=quote)

    async def place_job(self, call: pb.PlaceJobRequest) -> pb.PlaceJobResponse:
        request = request_of(call)
        command: commands.Command
        if call.HasField("spec"):
            command = commands.PlaceJob(
                request=request, job_id=new_id(self._host.market_id), client_id=call.client_id, spec=call.spec
            )
        else:
            command = commands.TakeQuote(request=request, quote_id=call.quote_id, client_id=call.client_id)
        return pb.PlaceJobResponse(job=await self._submit(command))

    async def cancel_job(self, call: pb.CancelJobRequest) -> pb.CancelJobResponse:
        request = request_of(call)
        command = commands.CancelJob(request=request, job_id=call.job_id, client_id=call.client_id, reason=call.reason)
        return pb.CancelJobResponse(job=await self._submit(command))

    async def get_job(self, call: pb.GetJobRequest) -> pb.GetJobResponse:
        job = await self._find(call.job_id)
        access.check_subject(job.client_id)
        return pb.GetJobResponse(job=job)

    async def list_jobs(self, call: pb.ListJobsRequest) -> pb.ListJobsResponse:
        before = page_position(call.page_token)
        size = call.page_size or DEFAULT_PAGE
        found = await lookups.list_jobs(
            await self._host.projected(),
            self._host.market_id,
            call.client_id,
            FROM_THE_END if before is None else before,
            call.states,
            size + 1,
        )
        page = found[:size]
        more = page_token(page[-1][0]) if len(found) > size else ""
        return pb.ListJobsResponse(jobs=[job for _, job in page], next_page_token=more)

    async def watch_job(self, call: pb.WatchJobRequest) -> AsyncIterator[pb.WatchJobResponse]:
        with self._host.watches.watch(call.job_id) as changes:
            job: job_pb.Job | None = await self._find(call.job_id)
            assert job is not None, "found"
            access.check_subject(job.client_id)
            shown = 0
            while job is not None:
                if job.sequence > shown:
                    shown = job.sequence
                    yield pb.WatchJobResponse(job=job)
                if job.state in TERMINAL:
                    return
                job = await changes.get()
            raise MarketUnavailable("DRAINING", "the service is stopping; watch again")

    async def _submit(self, command: commands.Command) -> job_pb.Job:
        def view(market: Market) -> job_pb.Job | str:
            subject = market.subject(command.request) or ""
            job = market.state.jobs.get(subject)
            return copied(job) if job is not None else subject

        found = await self._host.submit(command, view)
        # A repetition of a request whose job has left the memory.
        return found if isinstance(found, job_pb.Job) else await self._find(found)

    async def _find(self, job_id: str) -> job_pb.Job:
        """From memory, or from the table of jobs that ended a while ago."""

        def view(market: Market) -> job_pb.Job | None:
            job = market.state.jobs.get(job_id)
            return copied(job) if job is not None else None

        job = await self._host.read(view)
        if job is None:
            job = await lookups.get_job(await self._host.projected(), self._host.market_id, job_id)
        if job is None:
            raise NotFound("job", job_id)
        return job
