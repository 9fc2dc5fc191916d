"""A primary's image that goes into a file as it comes, and is loaded once it is whole: repl-diskless-load disabled.

The data of before are served until then. They go before the new ones are loaded, so that there are never both in memory; and
`dump.rdb` is the primary's image from there on, whatever becomes of this server.

Source: how Redis takes an image over with ``repl-diskless-load disabled``.
"""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING, Final

from anystore.pulsards.persistence.loading import CannotLoad, FileLoading
from anystore.pulsards.persistence.storage import DRAFT_SUFFIX
from anystore.pulsards.replication.link import LinkError

if TYPE_CHECKING:
    from anystore.pulsards.engine import Engine
    from anystore.pulsards.persistence.storage import Storage

#: Bytes after which what has been written is put on disk: a disk that is only slow then holds nobody up for long.
_SYNCED: Final = 8 * 2**20


class StoredImage:
    """The image of one history at one offset. To be fed, finished, and loaded by steps; or cancelled at any time."""

    def __init__(self, engine: Engine, history: bytes, offset: int) -> None:
        """Begin a file. Raises `LinkError` where there can be none."""
        self._engine = engine
        self.history = history
        self.offset = offset
        #: The database that the stream behind the image is for.
        self.selected = 0
        self._unsynced = 0
        self._is_kept = False
        self._loading: FileLoading | None = None
        if engine.storage is None:
            raise LinkError("repl-diskless-load is disabled, and this server keeps nothing on disk: see dir")
        self._storage: Storage = engine.storage
        self._name: str = engine.config.values["dbfilename"]
        # It ends so that what a crash leaves of it, whole or not, goes at the next start.
        self._received = f"{self._name}.received{DRAFT_SUFFIX}"
        try:
            self._draft = self._storage.draft(self._received)
        except OSError as error:
            raise self._failed(error) from error

    def _failed(self, error: OSError) -> LinkError:
        return LinkError(f"the image cannot be put into a file: {error.strerror or error}")

    def feed(self, data: bytes) -> None:
        """Take the next bytes of it. Raises `LinkError` where the disk does not."""
        try:
            self._draft.write(data)
            self._unsynced += len(data)
            if self._unsynced >= _SYNCED:
                self._unsynced = 0
                self._draft.sync()
        except OSError as error:
            raise self._failed(error) from error

    def finish(self) -> None:
        """It is whole: it takes the place of `dump.rdb`, and what is in memory goes. Go on by `step`.

        Raises `LinkError`; the data of before are still there then.
        """
        engine, storage = self._engine, self._storage
        try:
            self._draft.commit()
            engine.saver.abandon()
            storage.rename(self._received, self._name)
            self._is_kept = True
            file = storage.read(self._name)
        except OSError as error:
            raise self._failed(error) from error
        if file is None:
            raise LinkError(f"{self._name} has gone before it could be loaded")
        engine.replication.empty()
        self._loading = FileLoading(engine, storage, self._name, file)

    @property
    def is_loading(self) -> bool:
        """Whether it is being loaded from its file: by `step`, until it is."""
        return self._loading is not None

    def step(self) -> bool:
        """Load some more; whether that was all. Raises `LinkError` with nothing loaded."""
        assert self._loading is not None, "an image is whole before it is loaded"
        try:
            self._loading.step()
            if not self._loading.finished:
                return False
            self.selected = self._database(self._loading.aux.get(b"repl-stream-db", b"0"))
        except CannotLoad as error:
            self._loading = None
            raise LinkError(str(error)) from error
        self._loading = None
        return True

    def _database(self, text: bytes) -> int:
        if not text.isdigit() or int(text) >= len(self._engine.keyspace.databases):
            raise LinkError(
                f"the stream is for a database that is not here: {text.decode('ascii', 'replace')}"
            )
        return int(text)

    def cancel(self) -> None:
        """The link has gone: what has come is of no use, and what was loaded of it goes. Never raises."""
        self._draft.discard()
        if not self._is_kept:
            with contextlib.suppress(OSError):
                self._storage.remove(self._received)
        loading, self._loading = self._loading, None
        if loading is not None:
            loading.cancel()
