"""An engine with an append-only log, without any driver: loaded, driven and rewritten step by step."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from typing import Any

import hiredis

from anystore.pulsards.clock import ManualClock
from anystore.pulsards.engine import Engine
from anystore.pulsards.persistence.aof import LogFolder
from anystore.pulsards.persistence.loading import begin_loading
from anystore.pulsards.persistence.storage import Storage
from tests.pulsards.peers import Argument, EngineClient


def nothing() -> None:
    """What a rewrite has done in between."""


class Logged:
    """One server, from its start to its end; a client is connected to it."""

    def __init__(self, storage: Storage, *, clock: ManualClock | None = None, **settings: str) -> None:
        """Load what the storage has, as a server does: a log, or else `dump.rdb`. Raises what loading raises."""
        self.clock = clock if clock is not None else ManualClock()
        self.client = EngineClient(clock=self.clock, **{"appendonly": "yes", **settings})
        self.engine: Engine = self.client.engine
        self.engine.storage = storage
        self.append_only = self.engine.append_only
        values = self.engine.config.values
        folder = LogFolder(storage, values["appenddirname"], values["appendfilename"])
        manifest = folder.load_manifest() if values["appendonly"] else None
        if manifest is None:
            image = begin_loading(self.engine)
            while image is not None and not image.finished:
                image.step()
        if values["appendonly"]:
            append_only = self.append_only
            for _ in append_only.create(folder) if manifest is None else append_only.load(folder, manifest):
                pass

    def execute(self, *arguments: Argument) -> Any:
        """Run a command: its reply; `ConnectionResetError` where the client would get none, and it connects anew."""
        session = self.client.session
        session.receive(hiredis.pack_command(arguments))
        if self.engine.holds_replies:
            self.engine.outbox[session] = None  # as every driver does
        self.engine.flush()
        if self.client.session.aborted:
            self.client.close()
            self.client = EngineClient(self.engine)
            raise ConnectionResetError
        return self.client.receive()

    def wait(self, seconds: float) -> None:
        """Let time go by."""
        self.clock.advance(seconds)
        self.engine.run_due()
        self.engine.flush()

    def sync(self) -> None:
        """What a driver does each second."""
        log = self.append_only.log
        if log.seconds_to_sync() is None:
            return
        sync = log.begin_sync()
        error = None
        try:
            sync.handle.sync()
        except OSError as failure:
            error = failure
        log.end_sync(sync, error)
        self.engine.flush()

    def rewrite(self, between: Callable[[], None] = nothing, limit: int = 1) -> None:
        """What a driver does about BGREWRITEAOF. Raises `OSError` where it fails; the log goes on then."""
        append_only = self.append_only
        rewrite = append_only.begin_rewrite()
        try:
            between()
            rewrite.open()
            snapshot = rewrite.snapshot
            while not snapshot.finished:
                rewrite.draft.write(snapshot.next_slice(limit))
                between()
            rewrite.draft.sync()
            between()
            rewrite.commit()
        except OSError as error:
            append_only.fail_rewrite(error)
            rewrite.discard()
            raise
        append_only.finish_rewrite()
        between()
        rewrite.remove_history()
        append_only.manifest = rewrite.manifest
        between()

    def data(self) -> dict[tuple[int, bytes], tuple[Any, int | None]]:
        """All keys of all databases, each with its DUMP and when it expires."""
        reader = EngineClient(self.engine)
        found = {}
        for database in self.engine.keyspace.databases:
            reader.execute("SELECT", database.index)
            for key in sorted(database.live_keys()):
                found[database.index, key] = (reader.execute("DUMP", key), database.expiry(key))
        return found


class Writer:
    """Adds numbers to a list and a counter in one transaction, and keeps which of them have been acknowledged."""

    def __init__(self, logged: Logged) -> None:
        self.logged = logged
        self.numbers = itertools.count()
        self.tried: list[int] = []
        self.acknowledged: list[int] = []

    def write(self) -> None:
        number = next(self.numbers)
        self.tried.append(number)
        try:
            self.logged.execute("MULTI")
            self.logged.execute("RPUSH", "numbers", number)
            self.logged.execute("INCRBY", "sum", number)
            reply = self.logged.execute("EXEC")
        except ConnectionResetError:
            return
        if not (isinstance(reply, tuple) and reply[0] == "error"):
            self.acknowledged.append(number)
        else:
            self.tried.remove(number)  # refused: it has not been done, and must not be found


def written(logged: Logged) -> list[int]:
    """The numbers that a `Writer` has left; its two keys agree."""
    numbers = [int(number) for number in logged.execute("LRANGE", "numbers", 0, -1)]
    assert int(logged.execute("GET", "sum") or 0) == sum(numbers)
    return numbers
