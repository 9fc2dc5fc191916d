"""Loading `dump.rdb` when a server starts, in slices. Sans-IO: the file comes from the engine's storage."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import TYPE_CHECKING, Final

from anystore.exceptions import StoreError
from anystore.pulsards.persistence.place import place_in_fields
from anystore.pulsards.persistence.rdb import FileReader, Loader, RdbError

if TYPE_CHECKING:
    from anystore.pulsards.engine import Engine
    from anystore.pulsards.persistence.storage import Reading, Storage

logger = logging.getLogger("anystore.pulsards")

#: What all but a few commands are answered meanwhile.
LOADING: Final = b"LOADING Redis is loading the dataset in memory"
#: Bytes that are read and loaded in one slice.
_SLICE: Final = 64 * 1024
#: How often the progress is logged, in nanoseconds.
_LOGGED: Final = 2_000_000_000


class CannotLoad(StoreError):
    """A file with the data of a server cannot be loaded; nothing of it was. The message names it and says why."""


class StoppedWhileLoading(CannotLoad):
    """A server was told to stop, by SHUTDOWN, before its data were loaded. The files are as they were."""


class Progress:
    """How far loading has come, for INFO and the log. `Engine.loading` is one of these while anything is loaded."""

    def __init__(self, engine: Engine, about: str, total: int) -> None:
        """`about` names what is loaded in the log, `total` is its size in bytes."""
        self._engine = engine
        self.about = about
        self.started_at = engine.clock.time_us() // 1_000_000
        self.total = total
        self.loaded = 0
        self._begun_ns = self._logged_ns = engine.clock.elapsed_ns()

    @property
    def share(self) -> float:
        """The part that is loaded, from 0 to 1; 0 where nobody knows how much will come."""
        return self.loaded / self.total if self.total else 0.0

    @property
    def seconds(self) -> float:
        """How long it has been going on."""
        return (self._engine.clock.elapsed_ns() - self._begun_ns) / 1e9

    @property
    def seconds_left(self) -> int:
        """How long it will still take, should it go on as until now."""
        left = max(0, self.total - self.loaded)
        return round(self.seconds * left / self.loaded) if self.loaded else 1

    def advance(self, count: int) -> None:
        """So many bytes more are loaded; logged from time to time."""
        self.loaded += count
        now = self._engine.clock.elapsed_ns()
        if now - self._logged_ns >= _LOGGED:
            self._logged_ns = now
            if self.total:
                logger.info("loading %s: %.0f %%, %d s left", self.about, 100 * self.share, self.seconds_left)
            else:
                logger.info("loading %s: %d bytes so far", self.about, self.loaded)


class FileLoading:
    """A file that is being loaded. It must be ended: by `step` until it is `finished`, or by `cancel`."""

    def __init__(
        self,
        engine: Engine,
        storage: Storage,
        name: str,
        file: Reading,
        *,
        keep: bool = False,
        replace: bool = False,
        resume: bool = False,
    ) -> None:
        """Begin: from now on the engine answers LOADING. What was in memory goes.

        Unless it is to be kept: then keys of the file that are there already are an error, or replaced. `resume`: go on
        with the history that the file is of.
        """
        self._engine = engine
        self._file = file
        self._where = f"{name} in {storage.path}"
        self._reader = FileReader(verify=engine.config.values["rdbchecksum"])
        # A replica's keys are there until its primary says otherwise.
        follows = engine.replication.following is not None
        self._loader = Loader(engine, keep_expired=follows, replace=replace)
        self._resumes = resume
        self.finished = False
        if not keep:
            engine.keyspace.flush_all()
            engine.libraries.flush()
        self.progress = Progress(engine, self._where, file.size)
        engine.start_loading(self.progress)

    @property
    def aux(self) -> Mapping[bytes, bytes]:
        """What the file has said of itself by now."""
        return self._loader.aux

    def step(self) -> None:
        """Load a further slice. Raises `CannotLoad`, with nothing loaded."""
        try:
            data = self._file.read(_SLICE)
            if data:
                for event in self._reader.feed(data):
                    self._loader.take(event)
                self.progress.advance(len(data))
            else:
                self._reader.finish()
                self._end()
                self._engine.saver.note_loaded(self._loader)
                self._resume()
                logger.info("loaded %s in %.3f seconds", self._where, self.progress.seconds)
        except (OSError, RdbError) as error:
            self.cancel()
            raise CannotLoad(f"{self._where} cannot be loaded: {error}") from error

    def _resume(self) -> None:
        place = place_in_fields(self._loader.aux)
        if self._resumes and place is not None:
            self._engine.replication.resume(place, self._loader.removed)
        self._loader.removed.clear()

    def cancel(self) -> None:
        """Give it up, with nothing loaded; safe to call at any time."""
        if not self.finished:
            self._engine.keyspace.flush_all()
            self._engine.libraries.flush()
            self._end()

    def _end(self) -> None:
        self.finished = True
        self._file.close()
        self._engine.stop_loading()


def begin_loading(engine: Engine) -> FileLoading | None:
    """Begin to load what the storage has, unless that is what is in memory already; None where there is nothing.

    Raises `CannotLoad`.
    """
    storage, saver = engine.storage, engine.saver
    assert storage is not None, "only a server with a directory loads"
    name = engine.config.values["dbfilename"]
    try:
        mark = storage.mark(name)
        if mark is None or mark == saver.mark:
            return None
        file = storage.read(name)
    except OSError as error:
        raise CannotLoad(f"{name} in {storage.path} cannot be read: {error.strerror}") from error
    return None if file is None else FileLoading(engine, storage, name, file, resume=True)
