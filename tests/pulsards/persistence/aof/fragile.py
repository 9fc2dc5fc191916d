"""A storage in memory that crashes or fails at the step it is told to, and knows what a crash leaves.

Two things can end a server at any moment: its own death, which leaves all that it has written, and a power failure, which
leaves only what was synced. After either, `after_death` or `after_power_failure` is the storage that the next server finds.
"""

from __future__ import annotations

import errno

from anystore.pulsards.persistence.storage import DRAFT_SUFFIX


class Crash(BaseException):
    """The process has died."""


class FragileStorage:
    """Files by name; `steps` counts what is done to them."""

    def __init__(self, files: dict[str, bytes] | None = None) -> None:
        self.path = "fragile"
        self.files = {name: bytearray(data) for name, data in (files or {}).items()}
        #: What is on the disk, and under which names.
        self.durable = dict(files or {})
        self.steps = 0
        #: At which step the process dies, or the disk fails with an error; once, unless it `keeps_failing`.
        self.crash_at = self.fail_at = -1
        self.keeps_failing = False
        self.error = errno.EIO
        #: How many bytes a write gets done before it crashes or fails.
        self.torn = 3

    def step(self) -> bool:
        """Count a step; whether it fails, which is to be told by `failure`. `Crash` where the process dies."""
        number = self.steps
        self.steps += 1
        if number == self.crash_at:
            raise Crash
        return number == self.fail_at or (self.keeps_failing and 0 <= self.fail_at <= number)

    def check(self) -> None:
        if self.step():
            raise OSError(self.error, "injected")

    def after_death(self) -> FragileStorage:
        left = {name: bytes(data) for name, data in self.files.items()}
        return FragileStorage({name: data for name, data in left.items() if not name.endswith(DRAFT_SUFFIX)})

    def after_power_failure(self) -> FragileStorage:
        return FragileStorage(self.durable)

    # What a storage does

    def read(self, name: str) -> ReadFile | None:
        return ReadFile(bytes(self.files[name])) if name in self.files else None

    def draft(self, name: str) -> DraftFile:
        self.check()
        return DraftFile(self, name)

    def append(self, name: str) -> AppendFile:
        self.check()
        self.files.setdefault(name, bytearray())
        return AppendFile(self, name)

    def names(self, folder: str = "") -> list[str]:
        prefix = f"{folder}/" if folder else ""
        return sorted(name.removeprefix(prefix) for name in self.files if name.startswith(prefix))

    def mark(self, name: str) -> tuple[int, ...] | None:
        return (hash(bytes(self.files[name])),) if name in self.files else None

    def remove(self, name: str) -> None:
        self.check()
        self.files.pop(name, None)
        self.durable.pop(name, None)

    def rename(self, name: str, new: str) -> None:
        self.check()
        self.files[new] = self.files.pop(name)
        self.durable[new] = self.durable.pop(name)

    def make_folder(self, name: str) -> None:
        self.check()

    def note_address(self, address: str) -> None:
        """Nobody asks."""

    def close(self) -> None:
        """There is nothing to close."""


class ReadFile:
    def __init__(self, data: bytes) -> None:
        self._data = data
        self._position = 0
        self.size = len(data)

    def read(self, count: int) -> bytes:
        piece = self._data[self._position : self._position + count]
        self._position += len(piece)
        return piece

    def close(self) -> None:
        """There is nothing to close."""


class DraftFile:
    def __init__(self, storage: FragileStorage, name: str) -> None:
        self._storage = storage
        self._name = name
        self._data = storage.files[name + DRAFT_SUFFIX] = bytearray()

    def write(self, data: bytes) -> None:
        self._storage.check()
        self._data += data

    def sync(self) -> None:
        self._storage.check()

    def commit(self) -> None:
        storage = self._storage
        storage.check()  # the sync before
        storage.files[self._name] = storage.files.pop(self._name + DRAFT_SUFFIX)
        storage.check()  # between the new name and its being on disk
        storage.durable[self._name] = bytes(self._data)
        # One fsync of a folder is for all names in it.
        folder = self._name.rpartition("/")[0]
        for name in storage.files:
            if name.rpartition("/")[0] == folder and not name.endswith(DRAFT_SUFFIX):
                storage.durable.setdefault(name, b"")

    def withdraw(self) -> None:
        self.discard()

    def discard(self) -> None:
        self._storage.files.pop(self._name + DRAFT_SUFFIX, None)


class AppendFile:
    def __init__(self, storage: FragileStorage, name: str) -> None:
        self._storage = storage
        self._name = name
        self._data = storage.files[name]

    @property
    def size(self) -> int:
        return len(self._data)

    def write(self, data: bytes) -> None:
        before = len(self._data)
        self._data += data[: self._storage.torn]
        self._storage.check()
        del self._data[before:]
        self._data += data

    def sync(self) -> None:
        self._storage.check()
        self._storage.durable[self._name] = bytes(self._data)

    def truncate(self, size: int) -> None:
        self._storage.check()
        del self._data[size:]

    def close(self) -> None:
        """There is nothing to close."""
