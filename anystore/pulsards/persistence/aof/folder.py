"""The folder of an append-only log: its manifest and its parts, as a storage keeps them.

Whatever happens in between, a manifest on disk names only files that are there: a part is created before it is named, and
removed after it is named no more.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass

from anystore.pulsards.persistence.aof.manifest import LARGEST, Manifest, ManifestError, Part, parse_manifest
from anystore.pulsards.persistence.storage import Appending, Draft, Storage

logger = logging.getLogger("anystore.pulsards")


class LogError(Exception):
    """An append-only log that cannot be loaded: which file, what is wrong, and what to do."""

    def __init__(self, about: str) -> None:
        # A damaged manifest names files with any bytes, and what is said of them goes to logs and clients.
        super().__init__(about.encode("utf-8", "backslashreplace").decode())


@dataclass(frozen=True, slots=True)
class LogFolder:
    """Where a log is: `folder` within the storage, and `name`, with which the names of its files begin."""

    storage: Storage
    folder: str
    name: str

    def __str__(self) -> str:
        return f"the append-only log {self.manifest_path} in {self.storage.path}"

    def path(self, file: str) -> str:
        """The name of one of the folder's files as the storage takes it."""
        return f"{self.folder}/{file}"

    @property
    def manifest_path(self) -> str:
        """The name of the manifest as the storage takes it."""
        return self.path(f"{self.name}.manifest")

    def load_manifest(self, adopts: bool = True) -> Manifest | None:
        """The manifest, or None where there is no log. A log of one file, as before Redis 7, gets one, if `adopts`.

        Raises `LogError` for a manifest that cannot be gone by, `OSError` where files cannot be read or written.
        """
        reading = self.storage.read(self.manifest_path)
        if reading is None:
            return self._adopt() if adopts else None
        try:
            manifest = parse_manifest(reading.read(LARGEST + 1))
        except ManifestError as error:
            raise LogError(f"the manifest {self.manifest_path} cannot be read: {error}") from error
        finally:
            reading.close()
        if manifest == self._adopted and self.size(self._adopted_part) is None:
            self._move_adopted()
        for part in manifest.parts:
            if self.size(part) is None:
                raise LogError(
                    f"the manifest {self.manifest_path} names the file {part.name}, which is not there"
                )
        return manifest

    def save_manifest(self, manifest: Manifest) -> None:
        """Have the manifest on disk, at one stroke. Raises `OSError`; the old one is there then."""
        draft = self.storage.draft(self.manifest_path)
        try:
            draft.write(manifest.format())
            draft.commit()
        except OSError:
            draft.discard()
            raise

    def size(self, part: Part) -> int | None:
        """The size of a part in bytes, None where there is no such file. Raises `OSError`."""
        reading = self.storage.read(self.path(part.name))
        if reading is None:
            return None
        reading.close()
        return reading.size

    def create(self, part: Part) -> Appending:
        """A new and empty file, whatever a crash has left under its name. Raises `OSError`."""
        self.storage.make_folder(self.folder)
        self.storage.remove(self.path(part.name))
        return self.storage.append(self.path(part.name))

    def reopen(self, part: Part) -> Appending:
        """A file to write on. Raises `OSError`."""
        return self.storage.append(self.path(part.name))

    def draft(self, part: Part) -> Draft:
        """A new base that is there, at one stroke, when it is whole. Raises `OSError`."""
        self.storage.make_folder(self.folder)
        # One that a crash has left before a manifest named it goes, be it an image or commands.
        stem, _, form = part.name.rpartition(".")
        self.storage.remove(self.path(f"{stem}.{'aof' if form == 'rdb' else 'rdb'}"))
        return self.storage.draft(self.path(part.name))

    def remove_history(self, manifest: Manifest) -> Manifest:
        """Remove what nothing reads any more; the manifest without it. Raises `OSError`; it can be called again then."""
        if not manifest.history:
            return manifest
        for part in manifest.history:
            self.storage.remove(self.path(part.name))
        clean = manifest.without_history()
        self.save_manifest(clean)
        return clean

    # A log as before Redis 7

    @property
    def _adopted_part(self) -> Part:
        return Part(self.name, 1)

    @property
    def _adopted(self) -> Manifest:
        return Manifest(base=self._adopted_part)

    def _adopt(self) -> Manifest | None:
        """Make the single file of an older log, beside the folder, the base of a new one; None where there is none."""
        reading = self.storage.read(self.name)
        if reading is None:
            return None
        reading.close()
        self.storage.make_folder(self.folder)
        self.save_manifest(self._adopted)
        self._move_adopted()
        return self._adopted

    def _move_adopted(self) -> None:
        # The manifest comes first: a crash between the two is made good at the next start.
        reading = self.storage.read(self.name)
        if reading is None:
            return
        reading.close()
        self.storage.rename(self.name, self.path(self.name))
        logger.info("the append-only file %s is now the base of the log in %s", self.name, self.folder)
