"""Erasure while the market runs: the log and the tables are rewritten, then the memory, and everything goes on."""

from __future__ import annotations

import logging

from dispatcher import commands
from dispatcher.errors import MarketUnavailable
from dispatcher.log.erasure import check_known
from services.host.log_writer import STORE_FAULTS
from services.host.market_host import MarketHost

log = logging.getLogger(__name__)


async def erase(host: MarketHost, command: commands.ErasePerson) -> int:
    """How many events named the person. Raises a DispatchError where something of theirs is under way."""
    await check_known(await host.projected(), host.market_id, command.person_id)
    await host.submit(command, lambda _market: None)
    try:
        return await host.sever(command.person_id, command.pseudonym)
    except STORE_FAULTS as fault:
        log.warning("an erasure could not be carried out: %s", fault)
        raise MarketUnavailable("ERASURE_FAILED", "the database is away; call again") from fault
