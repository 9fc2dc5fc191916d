"""The tasks that connect to other servers for MIGRATE, and keep the connections for a while."""

from __future__ import annotations

from contextlib import suppress
from typing import Final

import anyio
from anyio.abc import ByteStream, TaskStatus

from anystore.exceptions import ProtocolError
from anystore.pulsards.engine import Engine
from anystore.pulsards.migration.moving import CONNECTING, READING, WRITING, Migration, Target
from anystore.pulsards.migration.standstill import stand_still
from anystore.streams import open_tcp

#: Seconds that a connection is kept for the next migration to the same place, and how many are, as in Redis.
_KEPT_FOR: Final = 10.0
_MOST_KEPT: Final = 64
#: Bytes that are sent, or read, within one time limit.
_PIECE: Final = 64 * 1024
_BROKEN: Final = (OSError, anyio.EndOfStream, anyio.BrokenResourceError, anyio.ClosedResourceError)


class _Trouble(Exception):
    """What went wrong, in Redis' words, and whether it was that the time was up."""

    def __init__(self, what: str, timed_out: bool) -> None:
        super().__init__(what)
        self.what = what
        self.timed_out = timed_out


class _Kept:
    """A connection that nobody uses, and the database that is selected on it."""

    def __init__(self, stream: ByteStream, selected: int) -> None:
        self.stream = stream
        self.selected = selected
        self.taken = anyio.Event()


class _Connections:
    """The connections that are kept, one for each target."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._kept: dict[Target, _Kept] = {}

    def take(self, target: Target) -> _Kept | None:
        """A kept connection, which is the caller's to close from then on."""
        kept = self._kept.pop(target, None)
        if kept is not None:
            kept.taken.set()
        self._engine.migrations.kept = len(self._kept)
        return kept

    async def keep(self, target: Target, stream: ByteStream, selected: int) -> None:
        """Offer a connection, until somebody takes it or nobody has for a while, and close it then."""
        if target in self._kept or len(self._kept) >= _MOST_KEPT:
            return await _close(stream)
        kept = self._kept[target] = _Kept(stream, selected)
        self._engine.migrations.kept = len(self._kept)
        try:
            with anyio.move_on_after(_KEPT_FOR):
                await kept.taken.wait()
        finally:
            if not kept.taken.is_set():
                self.take(target)
                await _close(stream)


async def run_migrations(
    engine: Engine, *, task_status: TaskStatus[None] = anyio.TASK_STATUS_IGNORED
) -> None:
    """Carry out the engine's migrations, each in a task, until cancelled; those under way are given up then."""
    connections = _Connections(engine)
    migrations = engine.migrations
    async with anyio.create_task_group() as group:

        def drive(migration: Migration) -> None:
            group.start_soon(_migrate, engine, connections, migration)

        migrations.drive, migrations.drive_at_once = drive, stand_still
        try:
            task_status.started()
            await anyio.sleep_forever()
        finally:
            migrations.drive = migrations.drive_at_once = None


async def _migrate(engine: Engine, connections: _Connections, migration: Migration) -> None:
    kept = connections.take(migration.target)
    stream: ByteStream | None = None
    trouble = WRITING  # what is said where the server ends meanwhile
    try:
        if kept is not None:
            stream = kept.stream
            try:
                await _talk(engine, migration, stream, kept.selected)
            except _Trouble as failed:
                if failed.timed_out or migration.heard:
                    raise
                # The other server has closed it since it was used.
                await _close(stream)
                stream = kept = None
        if kept is None:
            stream = await _connect(migration, engine.config.values["bind-source-addr"])
            await _talk(engine, migration, stream, None)
        trouble = ""
    except _Trouble as failed:
        trouble = failed.what
    finally:
        engine.start_turn()
        migration.end(trouble)
        engine.flush()
        if stream is not None and (trouble or migration.selected is None):
            await _close(stream)
    if stream is not None and not trouble and migration.selected is not None:
        await connections.keep(migration.target, stream, migration.selected)


async def _connect(migration: Migration, source: str) -> ByteStream:
    """A connection to the other server. Raises `_Trouble`."""
    target = migration.target
    try:
        with anyio.fail_after(migration.timeout):
            return await open_tcp(target.host, target.port, source)
    except TimeoutError:
        raise _Trouble(CONNECTING, True) from None
    except ConnectionError:
        # Redis learns that nobody is there when it writes.
        raise _Trouble(WRITING, False) from None
    except (OSError, OverflowError, UnicodeError):
        raise _Trouble(CONNECTING, False) from None


async def _talk(engine: Engine, migration: Migration, stream: ByteStream, selected: int | None) -> None:
    """Say everything and hear the answers. Raises `_Trouble`."""
    migration.begin(selected)
    while True:
        engine.start_turn()
        data = migration.next_piece()
        if not migration.awaited:
            return
        view = memoryview(data)
        for begin in range(0, len(data), _PIECE):
            try:
                with anyio.fail_after(migration.timeout):
                    await stream.send(bytes(view[begin : begin + _PIECE]))
            except TimeoutError:
                raise _Trouble(WRITING, True) from None
            except _BROKEN:
                raise _Trouble(WRITING, False) from None
        engine.statistics.bytes_sent += len(data)
        while migration.awaited:
            await _hear(engine, migration, stream)


async def _hear(engine: Engine, migration: Migration, stream: ByteStream) -> None:
    try:
        with anyio.fail_after(migration.timeout):
            data = await stream.receive(_PIECE)
        engine.statistics.bytes_received += len(data)
        engine.start_turn()
        migration.receive(data)
        engine.flush()
    except TimeoutError:
        raise _Trouble(READING, True) from None
    except (ProtocolError, *_BROKEN):
        raise _Trouble(READING, False) from None


async def _close(stream: ByteStream) -> None:
    with anyio.CancelScope(shield=True), anyio.move_on_after(1), suppress(*_BROKEN):
        await anyio.aclose_forcefully(stream)
