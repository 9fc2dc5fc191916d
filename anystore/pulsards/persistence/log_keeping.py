"""The tasks behind an append-only log: loading it at the start, syncing it each second, rewriting it.

Waiting for a disk is done in a worker thread; files are loaded and images taken in the server's own thread, in slices
between its turns. A log that is not there, or that has nothing to do, costs nothing.
"""

from __future__ import annotations

import logging
import math
from typing import Final

import anyio
import anyio.lowlevel
from anyio import to_thread
from anyio.abc import TaskStatus

from anystore.pulsards.engine import Engine
from anystore.pulsards.giving_way import give_way
from anystore.pulsards.persistence.aof.append_only import AppendOnly
from anystore.pulsards.persistence.aof.folder import LogError, LogFolder
from anystore.pulsards.persistence.keeping import load_image, write_image
from anystore.pulsards.persistence.loading import CannotLoad, Progress

logger = logging.getLogger("anystore.pulsards")

#: An orderly stop waits no longer than this for a disk that takes nothing, in seconds.
_STUCK: Final = 30.0


async def run_log(engine: Engine, *, task_status: TaskStatus[None] = anyio.TASK_STATUS_IGNORED) -> None:
    """Sync and rewrite the engine's log as it asks for, until cancelled; a rewrite under way is given up then."""
    async with anyio.create_task_group() as group:
        await group.start(_sync_each_second, engine)
        await group.start(_rewrite_when_wanted, engine)
        task_status.started()


class _Alarm:
    """What a task sleeps by: until a time that may change, or until it is woken."""

    def __init__(self, append_only: AppendOnly) -> None:
        self._append_only = append_only
        self._rung = anyio.Event()

    def ring(self) -> None:
        self._rung.set()

    def __enter__(self) -> _Alarm:
        self._append_only.wake[self.ring] = None
        return self

    def __exit__(self, *details: object) -> None:
        del self._append_only.wake[self.ring]

    async def wait(self, seconds: float | None) -> None:
        """Wait for so many seconds, None for ever, or until it rings."""
        with anyio.move_on_after(math.inf if seconds is None else seconds):
            await self._rung.wait()
        self._rung = anyio.Event()


async def _sync_each_second(
    engine: Engine, *, task_status: TaskStatus[None] = anyio.TASK_STATUS_IGNORED
) -> None:
    log = engine.append_only.log
    with _Alarm(engine.append_only) as alarm:
        task_status.started()
        while True:
            seconds = log.seconds_to_sync()
            if seconds is None or seconds > 0:
                await alarm.wait(seconds)
                continue
            sync = log.begin_sync()
            error = None
            with anyio.CancelScope(shield=True):
                try:
                    await to_thread.run_sync(sync.handle.sync)
                except OSError as failure:
                    error = failure
            log.end_sync(sync, error)
            engine.append_only.note_synced()
            engine.flush()
            await anyio.lowlevel.checkpoint()


async def _rewrite_when_wanted(
    engine: Engine, *, task_status: TaskStatus[None] = anyio.TASK_STATUS_IGNORED
) -> None:
    append_only = engine.append_only
    with _Alarm(append_only) as alarm:
        task_status.started()
        while True:
            seconds = append_only.seconds_to_rewrite()
            # An fsync that runs wakes this task up when it has ended.
            if seconds is None or seconds > 0 or append_only.log.is_syncing:
                await alarm.wait(None if append_only.log.is_syncing else seconds)
                continue
            await _rewrite(engine)


async def _rewrite(engine: Engine) -> None:
    """One rewrite, from its beginning to its end. Cancelled, it is given up, and the log is what it was."""
    append_only = engine.append_only
    try:
        rewrite = append_only.begin_rewrite()
    except (OSError, LogError):
        return  # it has been told, and will be tried again
    try:
        await to_thread.run_sync(rewrite.open)
        often = engine.config.values["aof-rewrite-incremental-fsync"]
        await write_image(engine, rewrite, rewrite.draft, often=often)
        if not rewrite.wanted:
            return  # the log has been switched off
        await to_thread.run_sync(rewrite.draft.sync)
        with anyio.CancelScope(shield=True):
            if rewrite.wanted:
                await to_thread.run_sync(rewrite.commit)
            if rewrite.wanted:
                append_only.finish_rewrite()
                await to_thread.run_sync(rewrite.remove_history)
                append_only.manifest = rewrite.manifest
        logger.info("the append-only log has been rewritten to %d bytes", append_only.base_size)
    except OSError as error:
        append_only.fail_rewrite(error)
    finally:
        if append_only.rewrite is rewrite:
            append_only.fail_rewrite(None)
        rewrite.discard()


async def load_log(engine: Engine) -> None:
    """Load the log that the storage has, or begin one with what `dump.rdb` holds; clients are answered LOADING meanwhile.

    Raises `CannotLoad`. Cancelled, nothing is loaded.
    """
    storage, append_only = engine.storage, engine.append_only
    assert storage is not None, "only a server with a directory loads"
    folder = LogFolder(storage, engine.config.values["appenddirname"], engine.config.values["appendfilename"])
    try:
        if append_only.is_as_left(folder):
            append_only.resume()
            return
        manifest = folder.load_manifest()
        if manifest is None:
            await load_image(engine)
            await _begin_log(engine, folder)
        else:
            for _ in append_only.load(folder, manifest):
                await give_way()
    except (OSError, LogError) as error:
        raise CannotLoad(f"{folder} cannot be loaded: {error}") from error


async def _begin_log(engine: Engine, folder: LogFolder) -> None:
    progress = Progress(engine, "a new append-only log", 0)
    engine.start_loading(progress)
    try:
        for _ in engine.append_only.create(folder):
            await give_way()
    finally:
        engine.stop_loading()


async def end_log(engine: Engine) -> None:
    """Have the log on disk and close it, at an orderly stop. Shielded; given up where the disk is stuck."""
    log = engine.append_only.log
    with anyio.CancelScope(shield=True), anyio.move_on_after(_STUCK):
        if log.handle is not None and log.problem is None:
            engine.append_only.note_place()
            # What may take long is waited for in a thread, so that the time can run out.
            log.write_out()
            try:
                await to_thread.run_sync(log.handle.sync, abandon_on_cancel=True)
            except OSError as error:
                logger.error("the append-only file cannot be synced: %s", error)
    engine.append_only.stop()
