"""The tasks that debug scripts, each with a worker thread for the script's Lua."""

from __future__ import annotations

from typing import Final

import anyio
import anyio.lowlevel
from anyio import from_thread, to_thread
from anyio.abc import TaskStatus

from anystore.pulsards.debugging.copying import Copy
from anystore.pulsards.debugging.sessions import ENDED, MOST_SESSIONS, DebugSession, failed
from anystore.pulsards.engine import Engine
from anystore.pulsards.persistence.keeping import next_limit
from anystore.pulsards.persistence.rdb import RdbError

#: The bytes that are copied first; from then on it goes by the time that they take.
_FIRST_BYTES: Final = 16 * 1024


async def run_debugging(engine: Engine, *, task_status: TaskStatus[None] = anyio.TASK_STATUS_IGNORED) -> None:
    """Debug the engine's scripts, each in a task, until cancelled; those under way are ended then, where they stop."""
    # Of its own: a stop may last for hours, and the program wants its threads.
    threads = anyio.CapacityLimiter(MOST_SESSIONS)
    debugging = engine.debugging
    async with anyio.create_task_group() as group:

        def drive(debugged: DebugSession) -> None:
            group.start_soon(_debug, engine, debugged, threads)

        debugging.drive = drive
        try:
            task_status.started()
            await anyio.sleep_forever()
        finally:
            debugging.drive = None
            debugging.stop()


async def _debug(engine: Engine, debugged: DebugSession, threads: anyio.CapacityLimiter) -> None:
    reply: object = ENDED
    try:
        if debugged.copy is not None:
            await _make_copy(engine, debugged.copy)
        reply = await _run(debugged, threads)
    except RdbError as error:
        reply = failed(error)
    finally:
        engine.start_turn()
        debugged.end(reply)
        engine.flush()


async def _make_copy(engine: Engine, copy: Copy) -> None:
    """Copy the data in slices, giving everybody else turns in between."""
    limit = _FIRST_BYTES
    while not copy.finished:
        begun = engine.clock.elapsed_ns()
        copy.step(limit)
        limit = next_limit(limit, engine.clock.elapsed_ns() - begun)
        await anyio.lowlevel.checkpoint()


async def _run(debugged: DebugSession, threads: anyio.CapacityLimiter) -> object:
    """Run the script in a thread: its reply. Cancelled, it is ended, and the thread is waited for: that takes moments."""

    async def stop_when_cancelled() -> None:
        try:
            await anyio.sleep_forever()
        finally:
            debugged.stop()

    reply: object = ENDED
    async with anyio.create_task_group() as group:
        group.start_soon(stop_when_cancelled)
        reply = await to_thread.run_sync(debugged.run, from_thread.run_sync, limiter=threads)
        group.cancel_scope.cancel()
    return reply
