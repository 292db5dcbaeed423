"""Bare grpc.aio handlers in a process of their own: what the transport alone can do, to compare with."""

from __future__ import annotations

import asyncio
import sys

import grpc

from gig.v1 import courier_service_pb2 as courier_pb
from gig.v1 import job_service_pb2 as job_pb

ECHO = "/bare.Bare/Echo"
COUNT = "/bare.Bare/Count"


async def serve() -> None:
    """Prints its port, and serves until its standard input closes."""

    async def echo(request: job_pb.PlaceJobRequest, _context: grpc.aio.ServicerContext) -> job_pb.PlaceJobRequest:
        return request

    async def count(_requests: object, context: grpc.aio.ServicerContext) -> None:
        """Counts pings; answers with the sum at the end."""
        pings = 0
        while (request := await context.read()) is not grpc.aio.EOF:
            pings += len(request.locations.latitudes)
        await context.write(courier_pb.ConnectResponse(number=pings))

    handlers = {
        "Echo": grpc.unary_unary_rpc_method_handler(
            echo, job_pb.PlaceJobRequest.FromString, job_pb.PlaceJobRequest.SerializeToString
        ),
        "Count": grpc.stream_stream_rpc_method_handler(
            count, courier_pb.ConnectRequest.FromString, courier_pb.ConnectResponse.SerializeToString
        ),
    }
    server = grpc.aio.server()
    server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler("bare.Bare", handlers),))
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    print(port, flush=True)
    await asyncio.to_thread(sys.stdin.read)
    await server.stop(None)


if __name__ == "__main__":
    asyncio.run(serve())
