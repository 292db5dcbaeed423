"""Attacks by calls: compressed bombs, one courier's flood, erasures of a long history, thousands of zones."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import json
import zlib
from typing import Any

import grpc

from geo.geojson import MOST_ZONES
from gig.v1 import oversight_service_pb2 as oversight_pb
from gig.v1 import oversight_service_pb2_grpc as oversight_rpc
from gig.v1 import transparency_service_pb2 as transparency_pb
from gig.v1 import transparency_service_pb2_grpc as transparency_rpc
from load_tests.bench.hostile.attack import ATTACKER, HOST, Attack
from load_tests.bench.hostile.http2 import Http2Connection, grpc_frame

# A frame of half a MiB that unpacks to this many bytes.
UNPACKED, CHUNK = 512 << 20, 1 << 20
BOMBERS, RETRY_S, ANSWER_S = 4, 0.02, 10.0
FLOOD_IN_FLIGHT, ERASURES_IN_FLIGHT = 64, 2
ZONES, LARGEST_ZONES, CALL_LIMIT_S = 12_000, MOST_ZONES, 30.0


class CompressedBomb(Attack):
    """gzip frames that unpack a thousandfold, without a token."""

    async def prepare(self) -> None:
        packer = zlib.compressobj(9, zlib.DEFLATED, zlib.MAX_WBITS | 16)
        parts = [packer.compress(bytes(CHUNK)) for _ in range(UNPACKED // CHUNK)]
        self._frame = grpc_frame(b"".join([*parts, packer.flush()]), compressed=True)

    async def attack(self) -> None:
        await asyncio.gather(*(self._bomb() for _ in range(BOMBERS)))

    async def _bomb(self) -> None:
        while True:
            with contextlib.suppress(ConnectionError, OSError, TimeoutError):
                connection = await Http2Connection.open(HOST, self.order.grpc_port, ATTACKER)
                try:
                    while True:
                        await connection.begin("/gig.v1.JobService/PlaceJob", {"grpc-encoding": "gzip"})
                        self.counts["bombs"] += 1
                        async with asyncio.timeout(ANSWER_S):
                            await connection.send(self._frame, end=True)
                            await connection.ended()
                finally:
                    await connection.close()
            await asyncio.sleep(RETRY_S)


class _Calls(Attack):
    """Calls over one channel, by the one person whose token is given."""

    in_flight = 1

    async def attack(self) -> None:
        async with grpc.aio.insecure_channel(f"{HOST}:{self.order.grpc_port}") as channel:
            ((self.person_id, token),) = self.order.tokens.items()
            self.metadata = (("authorization", f"Bearer {token}"),)
            self.numbers = itertools.count()
            await asyncio.gather(*(self._caller(channel) for _ in range(self.in_flight)))

    async def _caller(self, channel: grpc.aio.Channel) -> None:
        while True:
            try:
                await self.call(channel)
                self.counts["OK"] += 1
            except grpc.aio.AioRpcError as fault:
                self.counts[fault.code().name] += 1

    async def call(self, channel: grpc.aio.Channel) -> Any:
        """Make one call."""
        raise NotImplementedError


class ExplainFlood(_Calls):
    """One courier asks why a job was not offered, as fast as possible."""

    in_flight = FLOOD_IN_FLIGHT

    async def call(self, channel: grpc.aio.Channel) -> Any:
        request = transparency_pb.ExplainNoOfferRequest(courier_id=self.person_id, job_id=self.order.facts["job_id"])
        explain = transparency_rpc.TransparencyServiceStub(channel).ExplainNoOffer
        return await explain(request, metadata=self.metadata, timeout=CALL_LIMIT_S)


class ErasureRepeat(_Calls):
    """A client with a long history asks to be erased, again and again."""

    in_flight = ERASURES_IN_FLIGHT

    async def call(self, channel: grpc.aio.Channel) -> Any:
        request = transparency_pb.EraseMyDataRequest(request_id=f"e{next(self.numbers)}", person_id=self.person_id)
        erase = transparency_rpc.TransparencyServiceStub(channel).EraseMyData
        return await erase(request, metadata=self.metadata, timeout=CALL_LIMIT_S)


class QueueZones(_Calls):
    """An operator sets thousands of queue zones again and again, alternately above the limit and at the limit."""

    async def prepare(self) -> None:
        self._documents = [zones_document(count) for count in (ZONES, LARGEST_ZONES)]

    async def call(self, channel: grpc.aio.Channel) -> Any:
        number = next(self.numbers)
        request = oversight_pb.SetZonesRequest(
            request_id=f"z{number}",
            operator_id=self.person_id,
            # One name differs, so that no two documents are the same.
            geojson=self._documents[number % 2].replace('"q0"', f'"q0-{number}"', 1),
        )
        set_zones = oversight_rpc.OversightServiceStub(channel).SetZones
        return await set_zones(request, metadata=self.metadata, timeout=CALL_LIMIT_S)


def zones_document(count: int) -> str:
    """Return GeoJSON of ``count`` queue zones: small triangles far from every courier."""
    features = []
    for number in range(count):
        east, north = round(number % 120 * 0.01, 2), round(number // 120 * 0.01, 2)
        ring = [[east, north], [east + 0.001, north], [east, north + 0.001], [east, north]]
        ring = [[round(longitude, 3), round(latitude, 3)] for longitude, latitude in ring]
        geometry = {"type": "Polygon", "coordinates": [ring]}
        features.append(
            {"type": "Feature", "properties": {"name": f"q{number}", "rule": "queue"}, "geometry": geometry}
        )
    return json.dumps({"type": "FeatureCollection", "features": features}, separators=(",", ":"))
