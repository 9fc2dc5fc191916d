"""The directory that a server keeps its files in: the only module that opens files for the engine.

An engine gets a `Storage` handed in, as it gets its clock; without one it keeps nothing. Everything here blocks for as
long as the system takes: work of any length is done in a worker thread by whoever drives the engine, but for what a
client waits for anyway (SAVE). Tests hand in a storage that fails where they want it to.
"""

from __future__ import annotations

import contextlib
import errno
import os
import sys
from collections.abc import Iterator
from itertools import count
from typing import BinaryIO, Final, Protocol

from anystore.pulsards.process import PROCESS_ID

if sys.platform == "win32":
    import msvcrt
else:
    import fcntl

#: The file by which a directory is somebody's, and which says whose.
LOCK_NAME: Final = "pulsards.lock"
#: What ends the name of a file that is being written, and will take the place of the one that is named so far.
DRAFT_SUFFIX: Final = ".pulsards-draft"
#: What the system says where another process has the lock; anything else is about the file system.
_LOCKED_BY_OTHERS: Final = frozenset((errno.EAGAIN, errno.EWOULDBLOCK, errno.EACCES, errno.EDEADLK))


class DirectoryInUse(OSError):
    """Another server keeps its data in the directory: `directory`, and `holder` as it says of itself."""

    def __init__(self, directory: str, holder: str) -> None:
        about = f"the directory {directory} is in use by {holder or 'another server'}"
        super().__init__(errno.EBUSY, about)
        self.directory = directory
        self.holder = holder

    def __str__(self) -> str:
        return str(self.strerror)


class Reading(Protocol):
    """A file that is read from the beginning to the end."""

    size: int

    def read(self, count: int) -> bytes:
        """The next `count` bytes, fewer at the end of the file, none behind it. Raises `OSError`."""

    def close(self) -> None:
        """Close the file; safe to call twice."""


class Draft(Protocol):
    """A file that is being written, and takes its name only when it is whole and on disk."""

    def write(self, data: bytes) -> None:
        """Write on. Raises `OSError`; the draft can only be discarded then."""

    def sync(self) -> None:
        """Have what is written on disk before returning. Raises `OSError`."""

    def commit(self) -> None:
        """Take the name, at one stroke, with everything on disk. Raises `OSError`; a whole file has the name then, too."""

    def withdraw(self) -> None:
        """Have it never take its name, unless it has it by now. Never raises.

        The one method that may be called while another thread is in a different one: its `commit` raises then.
        """

    def discard(self) -> None:
        """Remove what has been written. Never raises; does nothing after `commit`."""


class Appending(Protocol):
    """A file that is written on at its end."""

    size: int

    def write(self, data: bytes) -> None:
        """Append all of `data`. Raises `OSError`, and part of it may have been written then: see `size`, `truncate`."""

    def sync(self) -> None:
        """Have what is written on disk before returning. Raises `OSError`."""

    def truncate(self, size: int) -> None:
        """Cut the file off behind its first `size` bytes. Raises `OSError`."""

    def close(self) -> None:
        """Close the file; safe to call twice."""


class Storage(Protocol):
    """What the engine asks of the place where its files are. A name may have folders in it, separated by `/`."""

    path: str

    def read(self, name: str) -> Reading | None:
        """A file for reading, None where there is none. Raises `OSError`."""

    def draft(self, name: str) -> Draft:
        """A new file that is to be `name`, in place of one that may be there. Raises `OSError`."""

    def append(self, name: str) -> Appending:
        """A file to write on at its end, created empty where there is none. Raises `OSError`."""

    def names(self, folder: str = "") -> list[str]:
        """The files in a folder, sorted; none for a folder that there is not. Raises `OSError`."""

    def mark(self, name: str) -> tuple[int, ...] | None:
        """What tells whether a file has been changed or replaced; None where there is none. Raises `OSError`."""

    def remove(self, name: str) -> None:
        """Remove a file, if it is there. Raises `OSError`."""

    def rename(self, name: str, new: str) -> None:
        """Give a file a new name, in place of one that may be there; on disk before returning. Raises `OSError`."""

    def make_folder(self, name: str) -> None:
        """Make a folder, unless it is there; on disk before returning. Raises `OSError`."""

    def note_address(self, address: str) -> None:
        """Write down where the server that keeps the directory can be reached, for others to be told. Never raises."""

    def close(self) -> None:
        """Let others have the directory; safe to call twice."""


class DirectoryStorage:
    """A directory of the file system, this server's alone while it is open."""

    def __init__(self, path: str, folder_mode: int = 0o755) -> None:
        """Take a directory, made where there is none. Drafts that a crash has left behind are removed.

        Raises `DirectoryInUse` where another server has it, other `OSError` where it cannot be made or written to.
        """
        self.path = os.path.abspath(path)
        os.makedirs(self.path, folder_mode, exist_ok=True)
        self._lock: BinaryIO | None = _take_lock(self.path)
        self._drafts = count(1)
        try:
            for name in self._all_files():
                if name.endswith(DRAFT_SUFFIX):
                    os.unlink(name)
        except OSError:
            self.close()
            raise

    def __repr__(self) -> str:
        return f"<DirectoryStorage {self.path}>"

    def _all_files(self) -> Iterator[str]:
        """The files of the directory and of the folders in it, which are not looked into any deeper."""
        for entry in list(os.scandir(self.path)):
            if entry.is_dir(follow_symlinks=False):
                yield from (inner.path for inner in list(os.scandir(entry.path)) if inner.is_file())
            else:
                yield entry.path

    def _full(self, name: str) -> str:
        return os.path.join(self.path, *name.split("/"))

    def read(self, name: str) -> Reading | None:
        try:
            return _ReadFile(open(self._full(name), "rb", buffering=0))
        except FileNotFoundError:
            return None

    def draft(self, name: str) -> Draft:
        # Each has a file of its own: one that was given up may still be written while the next one is.
        return _DraftFile(self._full(name), next(self._drafts))

    def append(self, name: str) -> Appending:
        return _AppendFile(self._full(name))

    def names(self, folder: str = "") -> list[str]:
        try:
            with os.scandir(self._full(folder) if folder else self.path) as entries:
                return sorted(entry.name for entry in entries if entry.is_file())
        except FileNotFoundError:
            return []

    def mark(self, name: str) -> tuple[int, ...] | None:
        try:
            found = os.stat(self._full(name))
        except FileNotFoundError:
            return None
        return found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns

    def remove(self, name: str) -> None:
        with contextlib.suppress(FileNotFoundError):
            os.unlink(self._full(name))

    def rename(self, name: str, new: str) -> None:
        os.replace(self._full(name), self._full(new))
        sync_folder(os.path.dirname(self._full(new)))

    def make_folder(self, name: str) -> None:
        os.makedirs(self._full(name), exist_ok=True)
        sync_folder(os.path.dirname(self._full(name)))

    def note_address(self, address: str) -> None:
        if self._lock is not None:
            with contextlib.suppress(OSError):
                _write_holder(self._lock, address)

    def close(self) -> None:
        lock, self._lock = self._lock, None
        if lock is not None:
            # The file stays: removing it, one would take it from under whoever is about to lock it.
            with contextlib.suppress(OSError):
                lock.seek(0)
                lock.truncate()
            lock.close()


class _ReadFile:
    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self.size = os.fstat(file.fileno()).st_size

    def read(self, count: int) -> bytes:
        return self._file.read(count)

    def close(self) -> None:
        self._file.close()


class _DraftFile:
    def __init__(self, path: str, number: int) -> None:
        self._path = path
        self._draft = f"{path}.{number}{DRAFT_SUFFIX}"
        self._file = open(self._draft, "wb", buffering=0)  # noqa: SIM115 - it is written on from call to call
        self._withdrawn = False

    def write(self, data: bytes) -> None:
        _write_all(self._file, data)

    def sync(self) -> None:
        os.fsync(self._file.fileno())

    def commit(self) -> None:
        self.sync()
        self._file.close()
        if self._withdrawn:
            raise OSError(errno.ECANCELED, os.strerror(errno.ECANCELED), self._path)
        os.replace(self._draft, self._path)
        sync_folder(os.path.dirname(self._path))

    def withdraw(self) -> None:
        # Without the file `commit` can give nobody its name. Where files that are open cannot be removed, on Windows,
        # it has not closed it yet, and will look.
        self._withdrawn = True
        with contextlib.suppress(OSError):
            os.unlink(self._draft)

    def discard(self) -> None:
        with contextlib.suppress(OSError):
            self._file.close()
        self.withdraw()


class _AppendFile:
    def __init__(self, path: str) -> None:
        self._file = open(path, "ab", buffering=0)  # noqa: SIM115 - as above
        self.size = self._file.tell()

    def write(self, data: bytes) -> None:
        try:
            _write_all(self._file, data)
        except OSError:
            with contextlib.suppress(OSError):
                self.size = os.fstat(self._file.fileno()).st_size
            raise
        self.size += len(data)

    def sync(self) -> None:
        os.fsync(self._file.fileno())

    def truncate(self, size: int) -> None:
        self._file.truncate(size)
        self.size = size

    def close(self) -> None:
        self._file.close()


def _write_all(file: BinaryIO, data: bytes) -> None:
    """Write to an unbuffered file, which may take part of the data only: a full disk often takes some more bytes."""
    written = file.write(data) or 0
    if written < len(data):
        view = memoryview(data)[written:]
        while view:
            written = file.write(view) or 0
            if not written:
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
            view = view[written:]


def sync_folder(path: str) -> None:
    """Have the names in a folder on disk. Windows does that by itself, and cannot open folders."""
    if os.name == "nt":
        return
    number = os.open(path, os.O_RDONLY)
    try:
        os.fsync(number)
    finally:
        os.close(number)


def _take_lock(path: str) -> BinaryIO:
    file = open(os.path.join(path, LOCK_NAME), "a+b", buffering=0)  # noqa: SIM115 - open as long as it is locked
    try:
        _lock(file)
    except OSError as error:
        if error.errno not in _LOCKED_BY_OTHERS:
            file.close()
            raise OSError(error.errno, f"the directory {path} cannot be locked: {error.strerror}") from error
        try:
            file.seek(0)
            holder = os.fsdecode(file.read(1000)).strip()
        except OSError:
            holder = ""
        file.close()
        raise DirectoryInUse(path, holder) from None
    try:
        _write_holder(file, "")
    except OSError:
        file.close()
        raise
    return file


def _lock(file: BinaryIO) -> None:
    """Lock a file for as long as it is open; the system lets go of it when the process ends, however it ends."""
    if sys.platform == "win32":
        # Behind everything that is ever written there, so that others can read it.
        file.seek(1 << 20)
        msvcrt.locking(file.fileno(), msvcrt.LK_NBLCK, 1)
    else:
        fcntl.flock(file.fileno(), fcntl.LOCK_EX | fcntl.LOCK_NB)


def _write_holder(file: BinaryIO, address: str) -> None:
    about = f"the server at {address} (process {PROCESS_ID()})" if address else f"the process {PROCESS_ID()}"
    file.seek(0)
    file.truncate()
    file.write(os.fsencode(about) + b"\n")
