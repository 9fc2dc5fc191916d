"""The tasks that keep a server's data on disk: background saves, loading at the start, the save at the end.

File work that may take long is done in a worker thread; images are taken and files are loaded in the server's own thread,
in slices between its turns.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, Final, Protocol, TypeVar

import anyio
from anyio import to_thread
from anyio.abc import TaskStatus

from anystore.pulsards.engine import Engine
from anystore.pulsards.giving_way import give_way
from anystore.pulsards.persistence.loading import CannotLoad, begin_loading
from anystore.pulsards.persistence.rdb import RdbError
from anystore.pulsards.persistence.saving import SaveJob
from anystore.pulsards.persistence.snapshot import Snapshot
from anystore.pulsards.persistence.storage import Draft

T = TypeVar("T")

#: How long a slice of an image may hold up everybody else, in nanoseconds, and the limits to its size in bytes.
_SLICE_NS: Final = 1_000_000
_LEAST_BYTES: Final = 1024
_MOST_BYTES: Final = 256 * 1024
#: While there are clients to be served, a slice is followed by a pause of so many times its length.
_PAUSES: Final = 2
#: Bytes that are written by a worker thread at a time.
_WRITTEN_BYTES: Final = 512 * 1024
#: With rdb-save-incremental-fsync, bytes after which they are put on disk.
_SYNCED_BYTES: Final = 4 * 2**20
#: An orderly stop waits no longer than this for a disk that takes nothing, in seconds.
_STUCK: Final = 30.0


async def run_saves(engine: Engine, *, task_status: TaskStatus[None] = anyio.TASK_STATUS_IGNORED) -> None:
    """Do the background saves that are wanted, until cancelled; one under way is given up then."""
    wanted = anyio.Event()

    def wake() -> None:
        wanted.set()

    saver = engine.saver
    saver.wake = wake
    try:
        task_status.started()
        while True:
            await wanted.wait()
            wanted = anyio.Event()
            if saver.job is not None:
                await _save(engine, saver.job)
    finally:
        saver.wake = None
        saver.abandon()


async def _save(engine: Engine, job: SaveJob, patience: float = math.inf) -> None:
    """Do a save from its beginning to its end. Cancelled, it is given up, and the file of before stays."""
    storage = engine.storage
    assert storage is not None, "a job was begun with a storage"
    try:
        job.begin()  # first of all, so that the moment is close to that of the command
        job.draft = await _in_thread(patience, storage.draft, engine.config.values["dbfilename"])
        often = engine.config.values["rdb-save-incremental-fsync"]
        await write_image(engine, job, job.draft, patience, often=often)
        if job.wanted:
            await _in_thread(patience, job.draft.commit)
        if job.wanted:
            job.succeeded()
    except (OSError, RdbError) as error:
        if job.wanted:
            job.failed(error)
    finally:
        job.abandon()
        if job.draft is not None:
            job.draft.discard()


class ImageJob(Protocol):
    """Whoever wants an image: see `SaveJob`."""

    @property
    def wanted(self) -> bool:
        """Whether it has not been given up."""

    @property
    def snapshot(self) -> Snapshot | None:
        """The image, once it has been begun."""


async def write_image(
    engine: Engine, job: ImageJob, draft: Draft, patience: float = math.inf, *, often: bool
) -> None:
    """Write an image in slices, giving the server's other tasks their turns in between. Raises `OSError`.

    `often`: put what is written on disk again and again, and not all of it at the end.
    """
    snapshot = job.snapshot
    assert snapshot is not None, "a job that is written has begun"
    elapsed_ns = engine.clock.elapsed_ns
    limit = _LEAST_BYTES * 16
    waiting: list[bytes] = []
    size = unsynced = 0
    while job.wanted and not snapshot.finished:
        turns = engine.statistics.reads
        begun = elapsed_ns()
        data = snapshot.next_slice(limit)
        taken = elapsed_ns() - begun
        limit = next_limit(limit, taken)
        if data:
            waiting.append(data)
            size += len(data)
        if size >= _WRITTEN_BYTES or (snapshot.finished and waiting):
            await _in_thread(patience, draft.write, b"".join(waiting))
            unsynced += size
            size = 0
            waiting.clear()
            if unsynced >= _SYNCED_BYTES and often:
                unsynced = 0
                await _in_thread(patience, draft.sync)
        await give_way()
        if engine.statistics.reads != turns:
            await anyio.sleep(taken * _PAUSES / 1e9)


def next_limit(limit: int, taken_ns: int) -> int:
    """The bytes of the next slice, so that it takes the time that is wanted: not all at once, times vary."""
    wanted = limit * _SLICE_NS // max(taken_ns, 1)
    return min(max(wanted, limit // 2, _LEAST_BYTES), limit * 2, _MOST_BYTES)


async def _in_thread(patience: float, function: Callable[..., T], *args: Any) -> T:
    """Run what may block in a worker thread; `TimeoutError`, an `OSError`, after so many seconds."""
    with anyio.fail_after(None if math.isinf(patience) else patience):
        return await to_thread.run_sync(function, *args, abandon_on_cancel=not math.isinf(patience))


async def load_image(engine: Engine) -> None:
    """Load what the engine's storage has, in slices, between which clients are answered LOADING.

    Raises `CannotLoad`. Cancelled, nothing is loaded.
    """
    loading = begin_loading(engine)
    if loading is None:
        return
    try:
        while not loading.finished:
            loading.step()
            await give_way()
    except CannotLoad as error:
        raise CannotLoad(
            f"{error}. `pulsards check` tells what is in it; without the file the server starts empty"
        ) from error
    finally:
        loading.cancel()


async def save_at_end(engine: Engine) -> None:
    """The save of an orderly stop, where there are rules for saving. Shielded; given up where the disk is stuck.

    It is bounded by what the disk does: no single write may take longer than half a minute.
    """
    saver = engine.saver
    if engine.storage is None or not saver.rules or saver.decided:
        return
    saver.abandon()
    saver.job = job = SaveJob(saver)
    with anyio.CancelScope(shield=True):
        await _save(engine, job, _STUCK)
