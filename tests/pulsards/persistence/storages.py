"""Storages for tests: one in memory, which fails at a step of one's choice."""

from __future__ import annotations

import errno
import os
from collections.abc import Callable

from anystore.pulsards.persistence.storage import DRAFT_SUFFIX


class FakeStorage:
    """Files in memory. What would be lost in a crash of the machine is kept apart from what is on disk.

    `fail_at` is the number of the step, from 0, that fails with `error`; `steps` are those taken so far.
    """

    def __init__(self, fail_at: int | None = None, error: int = errno.ENOSPC) -> None:
        self.path = "/fake"
        self.files: dict[str, bytes] = {}
        self.steps: list[str] = []
        self.fail_at = fail_at
        self.error = error
        self.address = ""
        self.closed = False
        self.changes = 0
        #: Called before each step, with its name.
        self.watcher: Callable[[str], None] = lambda step: None

    def step(self, name: str) -> None:
        self.watcher(name)
        self.steps.append(name)
        if self.fail_at is not None and len(self.steps) > self.fail_at:
            self.fail_at = None
            raise OSError(self.error, os.strerror(self.error))

    @property
    def drafts(self) -> list[str]:
        return [name for name in self.files if name.endswith(DRAFT_SUFFIX)]

    def read(self, name: str) -> FakeReading | None:
        self.step(f"read {name}")
        return FakeReading(self, self.files[name]) if name in self.files else None

    def draft(self, name: str) -> FakeDraft:
        self.step(f"draft {name}")
        return FakeDraft(self, name)

    def append(self, name: str) -> FakeAppending:
        self.step(f"append {name}")
        return FakeAppending(self, name)

    def names(self, folder: str = "") -> list[str]:
        start = f"{folder}/" if folder else ""
        return sorted(name.removeprefix(start) for name in self.files if name.startswith(start))

    def mark(self, name: str) -> tuple[int, ...] | None:
        return (id(self.files[name]), self.changes) if name in self.files else None

    def remove(self, name: str) -> None:
        self.step(f"remove {name}")
        self.files.pop(name, None)

    def rename(self, name: str, new: str) -> None:
        self.step(f"rename {name} {new}")
        self.files[new] = self.files.pop(name)

    def make_folder(self, name: str) -> None:
        self.step(f"make {name}")

    def note_address(self, address: str) -> None:
        self.address = address

    def close(self) -> None:
        self.closed = True


class FakeReading:
    def __init__(self, storage: FakeStorage, content: bytes) -> None:
        self._storage = storage
        self._content = content
        self._position = 0
        self.size = len(content)

    def read(self, count: int) -> bytes:
        self._storage.step("read on")
        data = self._content[self._position : self._position + count]
        self._position += len(data)
        return data

    def close(self) -> None:
        """There is nothing to close."""


class FakeDraft:
    def __init__(self, storage: FakeStorage, name: str) -> None:
        self._storage = storage
        self._name = name
        self._draft = name + DRAFT_SUFFIX
        storage.files[self._draft] = b""

    def write(self, data: bytes) -> None:
        try:
            self._storage.step("write")
        except OSError:
            # A disk that is full, or breaks, may have taken the beginning.
            self._storage.files[self._draft] += data[: len(data) // 2]
            raise
        self._storage.files[self._draft] += data

    def sync(self) -> None:
        self._storage.step("sync")

    def commit(self) -> None:
        self._storage.step("sync")
        self._storage.step("rename")
        self._storage.changes += 1
        self._storage.files[self._name] = self._storage.files.pop(self._draft)
        self._storage.step("sync folder")

    def withdraw(self) -> None:
        self.discard()

    def discard(self) -> None:
        self._storage.files.pop(self._draft, None)


class FakeAppending:
    def __init__(self, storage: FakeStorage, name: str) -> None:
        self._storage = storage
        self._name = name
        storage.files.setdefault(name, b"")
        self.closed = False

    @property
    def size(self) -> int:
        return len(self._storage.files[self._name])

    def write(self, data: bytes) -> None:
        try:
            self._storage.step("write")
        except OSError:
            self._storage.files[self._name] += data[: len(data) // 2]
            raise
        self._storage.files[self._name] += data

    def sync(self) -> None:
        self._storage.step("sync")

    def truncate(self, size: int) -> None:
        self._storage.step("truncate")
        self._storage.files[self._name] = self._storage.files[self._name][:size]

    def close(self) -> None:
        self.closed = True
