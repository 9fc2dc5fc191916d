"""What an RDB file holds, put into an engine."""

from __future__ import annotations

from typing import TYPE_CHECKING

from anystore.pulsards.access import AccessFrequencies
from anystore.pulsards.database import Database
from anystore.pulsards.datatypes import HashValue
from anystore.pulsards.errors import CommandError
from anystore.pulsards.persistence.rdb.events import Aux, Entry, Event, FunctionSource, SelectedDatabase
from anystore.pulsards.persistence.rdb.primitives import RdbError

if TYPE_CHECKING:
    from anystore.pulsards.engine import Engine


class Loader:
    """Puts the events of a `FileReader` into an engine; nobody is told of it as of a change.

    What is there already stays: whoever wants the file's data alone empties the engine first.
    """

    def __init__(self, engine: Engine, keep_expired: bool = False, replace: bool = False) -> None:
        """`keep_expired`: keys whose time is up are loaded all the same, as a replica does, and an AOF's base wants.

        `replace`: keys and libraries of the file take the place of those that are there, which otherwise is an error.
        """
        self._engine = engine
        self._databases = engine.keyspace.databases
        self._keep_expired = keep_expired
        self._replace = replace
        #: What the file says of itself.
        self.aux: dict[bytes, bytes] = {}
        self.loaded = 0
        self.expired = 0
        #: Keys whose time was up, by the index of their database: where the file says that replicas may have them.
        self.removed: list[tuple[int, bytes]] = []

    def take(self, event: Event) -> None:
        """Take the next event. Amortised O(1), and O(n) for a library.

        Raises RdbError for what this engine cannot take: a database that it does not have, a key that is there
        already, a library that cannot be loaded.
        """
        if type(event) is Entry:
            self._take_entry(event)
        elif type(event) is Aux:
            self.aux[event.name] = event.value
        elif type(event) is SelectedDatabase:
            self._check_database(event.index)
        elif type(event) is FunctionSource:
            self._take_library(event.source)

    def _take_entry(self, event: Entry) -> None:
        if event.database >= len(self._databases):
            self._check_database(event.database)
        database = self._databases[event.database]
        when = event.expires_at
        if when is not None and not self._keep_expired and when <= database.keyspace.now:
            self.expired += 1
            if b"repl-id" in self.aux:
                self.removed.append((event.database, event.key))
            return
        if event.key in database.data:
            if not self._replace:
                raise RdbError(f"the key {event.key!r} is in database {event.database} twice")
            database.remove(event.key)
        self._store(database, event)
        self.loaded += 1

    def _store(self, database: Database, event: Entry) -> None:
        keyspace, key = database.keyspace, event.key
        classes, keyspace.notify_classes = keyspace.notify_classes, 0
        database.set_value(key, event.value)
        if event.expires_at is not None:
            database.set_expiry(key, event.expires_at)
        keyspace.notify_classes = classes
        if type(event.value) is HashValue:
            database.schedule_fields(key, event.value)
        # Each is kept only where it is what eviction goes by, and not looked at otherwise.
        if isinstance(database.accessed, AccessFrequencies):
            if event.frequency is not None:
                database.accessed.put(key, event.frequency)
        elif event.idle_seconds is not None:
            database.accessed[key] = keyspace.now // 1000 - event.idle_seconds
        for told in keyspace.touch_watchers:
            told(database, key)

    def _check_database(self, index: int) -> None:
        count = len(self._databases)
        if index >= count:
            raise RdbError(
                f"the file has a database {index}, and there are {count} here: see the directive databases"
            )

    def _take_library(self, source: bytes) -> None:
        try:
            self._engine.libraries.load(source, replace=self._replace)
        except CommandError as error:
            raise RdbError(f"a library of functions cannot be loaded: {error}") from None
