"""PayService: a courier's statement, from the table of pay lines."""

from __future__ import annotations

from dispatcher.errors import InvalidField
from dispatcher.log import lookups
from dispatcher.times import micros
from gig.v1 import pay_service_pb2 as pb
from gig.v1 import types_pb2 as types_pb
from services.host.market_host import MarketHost


class PayService:
    def __init__(self, host: MarketHost) -> None:
        self._host = host

    async def get_statement(self, call: pb.GetStatementRequest) -> pb.GetStatementResponse:
        start = micros(call.start_time) if call.HasField("start_time") else None
        end = micros(call.end_time) if call.HasField("end_time") else None
        if start is not None and end is not None and end <= start:
            raise InvalidField("end_time", "must be after start_time")
        for field, at in (("start_time", start), ("end_time", end)):
            if at is not None and not 0 <= at < 253_402_300_800_000_000:
                raise InvalidField(field, "must lie between the years 1970 and 9999")
        lines = await lookups.statement(
            await self._host.projected(), self._host.market_id, call.courier_id, start, end, call.job_id
        )
        currency = lines[-1].currency_code if lines else self._host.measures.currency
        return pb.GetStatementResponse(
            lines=[_line(line) for line in lines],
            total=types_pb.Money(minor_units=sum(line.minor_units for line in lines), currency_code=currency),
            jobs=len({line.job_id for line in lines if line.job_id}),
        )


def _line(line: lookups.PayLine) -> pb.StatementLine:
    found = pb.StatementLine(
        job_id=line.job_id,
        kind=types_pb.PriceLineKind.Name(line.kind),
        minor_units=line.minor_units,
        sequence=line.sequence,
    )
    found.time.FromDatetime(line.time)
    return found
