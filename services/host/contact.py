"""Look for couriers whose phone falls silent with a job aboard, and carry out the policy's rule on them."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from dispatcher import commands
from dispatcher.errors import DispatchError
from dispatcher.lost_contact import lost_contact
from dispatcher.times import SECOND, micros
from gig.v1 import courier_service_pb2 as courier_pb
from gig.v1 import events_pb2 as events_pb
from services.host.market_host import MarketHost
from services.host.quarantine import Item, Kind, Loop
from services.host.subjects import courier, of_courier

# Market seconds between looks at every courier online; those who are silent already are looked at in each tick.
LOOK_EVERY_S = 5
WITH_JOB = courier_pb.COURIER_STATE_WITH_JOB


class ContactCheck:
    def __init__(self, host: MarketHost) -> None:
        self._host = host
        self._look_us = 0

    async def run(self, now: int) -> None:
        """Note who is heard of again, end jobs whose time is up, and look for phones that have fallen silent.

        ``now``: market time, microseconds. Those heard of go first, so that a sign of life always saves the job.
        """
        host = self._host
        self._each(list(host.market.state.silent), lambda courier_id: self._silent(courier_id, now))
        if now >= self._look_us:
            self._look_us = now + LOOK_EVERY_S * SECOND
            before_us = now - lost_contact(host.market.state.policy).task_after_us
            self._each(list(host.measures.online), lambda courier_id: self._with_job(courier_id, before_us, now))
        host.quarantine.forget(Loop.CONTACT, self._is_gone)

    def _each(self, courier_ids: Iterable[str], decide: Callable[[str], list[events_pb.Event]]) -> None:
        """Decide for each courier, and set aside those for whom it fails."""
        host, held = self._host, self._host.quarantine.held(Loop.CONTACT)
        for courier_id in courier_ids:
            item = courier(courier_id)
            if item in held:
                continue
            try:
                events = decide(courier_id)
            except DispatchError:
                continue  # changed in this very moment
            except Exception as fault:  # a failure stays with its courier
                host.quarantine.add(Loop.CONTACT, item, fault, "checking for lost contact")
                continue
            if events:
                host.take(events, Loop.CONTACT, of_courier)
                host.quarantine.release(Loop.CONTACT, (item,))

    def _silent(self, courier_id: str, now: int) -> list[events_pb.Event]:
        market = self._host.market
        if self._heard_us(courier_id, now) > micros(market.state.couriers[courier_id].silent_since):
            return market.decide(commands.RegainContact(courier_id=courier_id), now)
        return market.decide(commands.EndLostJobs(courier_id=courier_id), now)

    def _with_job(self, courier_id: str, before_us: int, now: int) -> list[events_pb.Event]:
        market = self._host.market
        known = market.state.couriers[courier_id]
        if known.state != WITH_JOB:
            return []
        heard_us = self._heard_us(courier_id, now)
        if known.HasField("silent_since") or heard_us > before_us:
            return []
        return market.decide(commands.LoseContact(courier_id=courier_id, last_heard_us=heard_us), now)

    def _heard_us(self, courier_id: str, now: int) -> int:
        """Market time of the phone's last sign of life, microseconds; an open stream counts as one."""
        host = self._host
        if host.sessions.connected(courier_id):
            return now
        return host.positions.heard_ms(host.market.state.numbers[courier_id]) * 1000

    def _is_gone(self, item: Item) -> bool:
        return item.kind is Kind.COURIER and item.name not in self._host.measures.online
