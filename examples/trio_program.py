"""A trio program: jobs in a list, and workers that take them and may be cancelled at any moment without losing one.

    python examples/trio_program.py [URL]

A worker moves a job to a list of its own while it works on it (BLMOVE), so that a job is always in some list. One of
the workers is cancelled in the middle of a job; what it had taken is put back, and another one does it.
"""

from __future__ import annotations

import sys

import trio

from anystore import Store, start_store

JOBS = 20
WORKERS = ("Anne", "Elinor", "Fanny")


async def work(store: Store[str], name: str, about_to_work: trio.Event | None = None) -> None:
    """Do jobs until cancelled. A worker with an event sets it when it has taken a job, and never gets further."""
    client = store.client()
    try:
        while True:
            job = await client.blmove("jobs:waiting", f"jobs:{name}", timeout=0)
            if about_to_work is not None:
                about_to_work.set()
                await trio.sleep_forever()
            square = int(job or 0) ** 2
            # Done and no longer with the worker: both or neither.
            async with store.pipeline() as pipe:
                pipe.hset("results", job, f"{square} by {name}")
                pipe.lrem(f"jobs:{name}", 1, job or "")
                pipe.publish("jobs:done", job or "")
                await pipe.commit()
    finally:
        with trio.move_on_after(2) as cleanup:
            cleanup.shield = True
            while await client.lmove(f"jobs:{name}", "jobs:waiting", "LEFT", "LEFT") is not None:
                print(f"{name} puts a job back")


async def main(url: str = "memory://") -> dict[str, str]:
    async with start_store(url, namespace="trio-program:", decode_responses=True) as store:
        await store.flush()
        client = store.client()
        await client.rpush("jobs:waiting", *range(1, JOBS + 1))
        async with trio.open_nursery() as nursery:
            taken = trio.Event()
            slow = trio.CancelScope()

            async def work_slowly() -> None:
                with slow:
                    await work(store, "Marianne", taken)

            nursery.start_soon(work_slowly)
            await taken.wait()
            slow.cancel()
            async with store.pubsub() as done:
                await done.subscribe("jobs:done")
                for name in WORKERS:
                    nursery.start_soon(work, store, name)
                for _ in range(JOBS):
                    await anext(done)
            # Three workers wait for jobs now, each with BLMOVE on the server; cancelling ends that, too.
            nursery.cancel_scope.cancel()
        results = await client.hgetall("results")
        left = await client.llen("jobs:waiting")
        await store.flush()
    print(f"{len(results)} jobs done, {left} left; 7² = {results['7'].split()[0]}")
    return results


if __name__ == "__main__":
    trio.run(main, sys.argv[1] if len(sys.argv) > 1 else "memory://")
