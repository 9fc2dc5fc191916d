"""An asyncio program: a hundred tasks that move money between accounts, and not a penny is lost.

    python examples/asyncio_program.py [URL]

All tasks share one store, and so one connection: what they send in a turn of the event loop goes out together. A
transfer is a transaction that watches both accounts, and is tried again when somebody else changed one of them.
"""

from __future__ import annotations

import asyncio
import random
import sys
from collections.abc import Awaitable
from typing import Any

from anystore import Store, start_store
from anystore.redis.pipeline import Pipeline

ACCOUNTS = [f"account:{number}" for number in range(10)]
TRANSFERS = 100


async def transfer(store: Store[str], giver: str, taker: str, amount: int) -> bool:
    """Move money if there is enough of it; whether there was."""

    async def attempt(pipe: Pipeline[str]) -> bool:
        # Between watch and multi, commands are carried out at once.
        balance = int(await pipe.get(giver) or 0)
        pipe.multi()
        if balance < amount:
            return False
        pipe.decrby(giver, amount)
        pipe.incrby(taker, amount)
        return True

    return bool(await store.transaction(attempt, giver, taker, value_from_callable=True))


async def main(url: str = "memory://") -> tuple[int, int]:
    async with start_store(url, namespace="asyncio-program:", decode_responses=True) as store:
        await store.flush()
        client = store.client()
        await client.mset(dict.fromkeys(ACCOUNTS, 100))
        waits: list[Awaitable[Any]] = []
        for _ in range(TRANSFERS):
            giver, taker = random.sample(ACCOUNTS, 2)
            waits.append(transfer(store, giver, taker, random.randint(1, 60)))
        async with asyncio.timeout(30):
            done = await asyncio.gather(*waits)
        balances = await client.mget(ACCOUNTS)
        await store.flush()
    total = sum(int(balance or 0) for balance in balances)
    print(f"{sum(done)} of {TRANSFERS} transfers; the accounts hold {', '.join(map(str, balances))}")
    print(f"Altogether {total}, as in the beginning.")
    return sum(done), total


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1] if len(sys.argv) > 1 else "memory://"))
