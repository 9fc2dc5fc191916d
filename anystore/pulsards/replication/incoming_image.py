"""A primary's image on its way in: it is read as it comes, beside the data that there are, and takes their place when whole.

So a replica has all of the one or all of the other, whenever its link is cut; and until then it has both.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from anystore.pulsards.access import AccessFrequencies
from anystore.pulsards.errors import CommandError
from anystore.pulsards.keyspace import Keyspace
from anystore.pulsards.persistence.rdb import Aux, Entry, FileReader, FunctionSource, RdbError

if TYPE_CHECKING:
    from anystore.pulsards.database import Database
    from anystore.pulsards.engine import Engine


class IncomingImage:
    """The image of one history at one offset."""

    def __init__(self, engine: Engine, history: bytes, offset: int) -> None:
        self._engine = engine
        self.history = history
        self.offset = offset
        #: The database that the stream behind the image is for, until it says otherwise.
        self.selected = 0
        self._reader = FileReader()
        keyspace = engine.keyspace
        self._beside = Keyspace(len(keyspace.databases), _nobody)
        self._beside.follows = True
        for database in self._beside.databases:
            database.accessed = keyspace.new_accesses()
        self._functions: list[bytes] = []

    def feed(self, data: bytes) -> None:
        """Take the next bytes of it. Linear. Raises `RdbError` for what is no image."""
        for event in self._reader.feed(data):
            if isinstance(event, Entry):
                self._take(event)
            elif isinstance(event, FunctionSource):
                self._functions.append(event.source)
            elif isinstance(event, Aux) and event.name == b"repl-stream-db":
                self._select(event.value)

    def _select(self, text: bytes) -> None:
        if not text.isdigit() or int(text) >= len(self._beside.databases):
            raise RdbError(
                f"the stream is for a database that is not here: {text.decode('ascii', 'replace')}"
            )
        self.selected = int(text)

    def _take(self, entry: Entry) -> None:
        databases = self._beside.databases
        if not 0 <= entry.database < len(databases):
            raise RdbError(f"a key in database {entry.database}, which is not here: raise 'databases'")
        database = databases[entry.database]
        self._beside.now = self._engine.keyspace.now
        database.set_value(entry.key, entry.value)
        if entry.expires_at is not None:
            database.set_expiry(entry.key, entry.expires_at)
        database.schedule_fields(entry.key, entry.value)
        _note_access(database, entry)

    def finish(self) -> None:
        """It is whole: its data take the place of those that there are. O(1), but for who watches or waits for keys.

        Raises `RdbError` where it was not whole.
        """
        self._reader.finish()
        engine = self._engine
        try:
            engine.libraries.restore(self._functions, b"flush")
        except CommandError as error:
            reason = error.message.decode("utf-8", "replace")
            raise RdbError(f"its functions cannot be loaded: {reason}") from None
        lazily = engine.config.values["replica-lazy-flush"]
        engine.keyspace.take_over(self._beside, engine.leavings if lazily else None)
        engine.tracking.flushed()


def _note_access(database: Database, entry: Entry) -> None:
    accessed = database.accessed
    if isinstance(accessed, AccessFrequencies):
        if entry.frequency is not None:
            accessed.put(entry.key, entry.frequency)
    elif entry.idle_seconds is not None:
        accessed[entry.key] -= entry.idle_seconds


def _nobody(database: Database, key: bytes, event: bytes, kind: int) -> None:
    """Nobody is told of what is not there yet."""
