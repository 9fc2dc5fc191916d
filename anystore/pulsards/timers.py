"""The one timer of a server: it sleeps until the next thing is due, and not at all when nothing ever is."""

from __future__ import annotations

import math

import anyio
from anyio.abc import TaskStatus

from anystore.pulsards.engine import Engine
from anystore.pulsards.giving_way import give_way


async def run_timers(engine: Engine, *, task_status: TaskStatus[None] = anyio.TASK_STATUS_IGNORED) -> None:
    """Expire keys and time parked commands out, each when it is due; runs until it is cancelled.

    Several may run for one engine (every store on a shared `memory://` server brings its own): what is due
    is done once, by whichever wakes up first. A clock moved by hand runs what has become due at once.
    """
    earlier = anyio.Event()

    def wake() -> None:
        earlier.set()

    def moved() -> None:
        now = engine.clock.time_us() // 1000
        while (due := engine.next_due()) is not None and due <= now:
            engine.run_due()
            engine.flush()

    engine.due_watchers[wake] = None
    engine.clock.watch(moved)
    try:
        task_status.started()
        while True:
            due = engine.announce_due()
            delay = math.inf if due is None else engine.clock.seconds_until(due)
            if delay <= 0:
                await give_way()
            else:
                with anyio.move_on_after(delay):
                    await earlier.wait()
            earlier = anyio.Event()
            engine.run_due()
            engine.flush()
    finally:
        engine.clock.unwatch(moved)
        del engine.due_watchers[wake]
