"""An attacker as a process of its own, bound to one core: reads an order, attacks until its time is over, then ends."""

from __future__ import annotations

import asyncio
import json
import os
import resource
import sys

from load_tests.bench.hostile.attacks import ATTACKS
from load_tests.bench.hostile.order import Order

READY = "ready"
# Time to come to an end after the attack.
GRACE_S = 5.0


async def attack(order: Order) -> dict[str, int]:
    """Run the attack for its seconds and return what it counted."""
    run = ATTACKS[order.name](order)
    await run.prepare()
    print(READY, flush=True)
    try:
        async with asyncio.timeout(order.seconds):
            await run.attack()
    except TimeoutError:
        pass
    return dict(run.counts)


def main() -> None:
    order = Order.from_json(sys.stdin.readline())
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    if order.core is not None:
        os.sched_setaffinity(0, {order.core})
    print(json.dumps(asyncio.run(attack(order))), flush=True)
    # Thousands of connections end with the process.
    os._exit(0)


if __name__ == "__main__":
    main()
