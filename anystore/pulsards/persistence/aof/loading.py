"""Loads a whole append-only log at the start: its base, then its increments, piece by piece.

A file may be cut short by a crash only where nothing follows it; it is cut off there, with a message, or refused where
``aof-load-truncated`` says so. Anything else that cannot be gone by is refused, with the file, the offset and a way out.
"""

from __future__ import annotations

import logging
from collections.abc import Generator, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from anystore.pulsards.persistence.aof.folder import LogError, LogFolder
from anystore.pulsards.persistence.aof.manifest import Manifest, Part
from anystore.pulsards.persistence.aof.records import AofError
from anystore.pulsards.persistence.aof.replay import Replayed, Replayer
from anystore.pulsards.persistence.place import Place

if TYPE_CHECKING:
    from anystore.pulsards.engine import Engine

logger = logging.getLogger("anystore.pulsards")

#: Bytes read and run in one piece: some milliseconds' work.
PIECE: Final = 64 * 1024


@dataclass(slots=True)
class LogLoading:
    """Loads the log of a manifest into an engine that is empty.

    `total` bytes are there, of which `done` have been loaded. `place` is where in a history the data are, once all is
    loaded, if the log says so at its end.
    """

    engine: Engine
    folder: LogFolder
    manifest: Manifest
    #: Whether the end of the last file may be missing.
    may_be_cut: bool
    total: int = 0
    done: int = 0
    place: Place | None = None

    def __post_init__(self) -> None:
        self.total = sum(self.folder.size(part) or 0 for part in self.manifest.parts)

    def run(self) -> Iterator[None]:
        """Load everything, in pieces, with a pause between any two.

        Raises `LogError` for what cannot be loaded, `OSError` where files cannot be read or cut. What has been loaded
        by then stays in the engine, and is not to be served.
        """
        parts = self.manifest.parts
        for position, part in enumerate(parts):
            replayed = yield from self._load(part)
            self.place = replayed.place
            if replayed.is_cut:
                self._cut(part, replayed, parts[position + 1 :])

    def _load(self, part: Part) -> Generator[None, None, Replayed]:
        name = self.folder.path(part.name)
        reading = self.folder.storage.read(name)
        if reading is None:
            raise LogError(f"{name} is not there any more")
        replayer = Replayer(self.engine, name)
        try:
            while data := reading.read(PIECE):
                replayer.feed(data)
                self.done += len(data)
                yield
            return replayer.finish()
        except AofError as error:
            remedy = error.remedy or (
                f"Make a copy of the folder; then `pulsards check --fix {self.folder.manifest_path}` cuts the file off "
                "there, and what follows is lost"
            )
            raise LogError(
                f"{name} is damaged at byte {error.offset}: {error.reason}. Nothing has been changed. {remedy}"
            ) from error
        finally:
            reading.close()

    def _cut(self, part: Part, replayed: Replayed, following: tuple[Part, ...]) -> None:
        name = self.folder.path(part.name)
        # A crash while a rewrite begins leaves a new increment, with nothing in it, behind one that is cut short.
        followed = next((other.name for other in following if self.folder.size(other)), None)
        about = f"{name} ends in the middle of a record: {replayed.valid} of {replayed.size} bytes are whole"
        if followed is not None:
            raise LogError(
                f"{about}, and {followed} follows it. Make a copy of the folder; then `pulsards check --fix "
                f"{self.folder.manifest_path}` cuts the file off there"
            )
        if not self.may_be_cut:
            raise LogError(
                f"{about}. Either set aof-load-truncated to yes, or have `pulsards check --fix "
                f"{self.folder.manifest_path}` cut it off there"
            )
        logger.warning("%s; the rest, which a crash has left behind, is cut off", about)
        handle = self.folder.reopen(part)
        try:
            handle.truncate(replayed.valid)
            handle.sync()
        finally:
            handle.close()
