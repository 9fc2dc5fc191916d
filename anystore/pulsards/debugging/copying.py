"""A copy of all data for a debugger to work on, made in slices while the server goes on; thrown away at its end.

It is an engine of its own: what a script does there reaches no client, no file and no replica. The keys come by way of an
image, as a replica gets them, so they are those of one moment, and take as much memory once more.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from anystore.pulsards.config import Config
from anystore.pulsards.persistence.rdb import FileReader, FileWriter, Loader, lowest_version
from anystore.pulsards.persistence.snapshot import Snapshot

if TYPE_CHECKING:
    from anystore.pulsards.engine import Engine

#: What would have the copy reach out of itself: to files, to other servers, to users that are read from a file.
_LEFT_OUT: Final = {
    "dir": "",
    "save": (),
    "appendonly": False,
    "aclfile": "",
    "replicaof": "",
    "repl-diskless-load": "swapdb",
    "min-replicas-to-write": 0,
}


class Copy:
    """A copy of an engine's keys, of the moment at which it is made. To be stepped until it is `finished`, or cancelled."""

    def __init__(self, engine: Engine) -> None:
        """Begin it. O(databases), and O(commands) for the engine that it is put into."""
        config = Config()
        config.assume({**engine.config.values, **_LEFT_OUT})
        config.renames = list(engine.config.renames)
        #: The engine with the copy.
        self.engine = type(engine)(config, engine.clock)
        self.engine.keyspace.set_time(engine.keyspace.now)
        # What has expired but is still there stays so: that is what the script would find.
        self._loader = Loader(self.engine, keep_expired=True)
        self._reader = FileReader(verify=False)
        writer = FileWriter(
            lowest_version(engine.keyspace, engine.config.for_valkey),
            checksum=False,
            compress=False,
            limits=engine.config.encoding_limits,
        )
        self._image = Snapshot(engine, writer, {}, functions=False)
        self._engine = engine

    @property
    def finished(self) -> bool:
        """Whether all of it is there."""
        return self._image.finished

    def step(self, limit_bytes: int) -> None:
        """Copy some more: about so many bytes, more where a single value is larger."""
        data = self._image.next_slice(limit_bytes)
        for event in self._reader.feed(data):
            self._loader.take(event)

    def cancel(self) -> None:
        """Give it up; safe to call at any time, and at the end."""
        self._image.cancel()
