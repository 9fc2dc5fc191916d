"""A disk that is really full: a small file system in memory, where one may be mounted; a storage that says so, elsewhere."""

from __future__ import annotations

import errno
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Protocol

import pytest

from anystore.pulsards.persistence.storage import DirectoryStorage, Storage
from tests.pulsards.persistence.aof.fragile import FragileStorage
from tests.pulsards.persistence.aof.logged import Logged
from tests.pulsards.persistence.disks import SmallDisk, small_disk

#: More than the last block of a file has room for.
LARGE = b"x" * 20_000
REFUSAL = "MISCONF Errors writing to the AOF file: "


class Disk(Protocol):
    storage: Storage

    def fill(self) -> None: ...

    def free(self) -> None: ...

    def restart(self) -> Storage:
        """What the next server finds."""


class MountedDisk:
    def __init__(self, disk: SmallDisk) -> None:
        self._disk = disk
        self.storage: Storage = DirectoryStorage(str(disk.path))

    def fill(self) -> None:
        self._disk.fill()

    def free(self) -> None:
        self._disk.free()

    def restart(self) -> Storage:
        self.storage.close()
        self.storage = DirectoryStorage(str(self._disk.path))
        return self.storage


class InjectedDisk:
    def __init__(self) -> None:
        self.fragile = FragileStorage()
        self.storage: Storage = self.fragile

    def fill(self) -> None:
        self.fragile.error, self.fragile.keeps_failing = errno.ENOSPC, True
        self.fragile.fail_at = self.fragile.steps

    def free(self) -> None:
        self.fragile.fail_at = -1

    def restart(self) -> Storage:
        return self.fragile.after_death()


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Disk]:
    with small_disk(tmp_path) as mounted:
        if mounted is None:
            yield InjectedDisk()
            return
        there = MountedDisk(mounted)
        yield there
        there.storage.close()


def test_a_full_disk_has_writes_refused_until_there_is_room_and_loses_nothing(disk: Disk) -> None:
    logged = Logged(disk.storage, appendfsync="always")
    assert logged.execute("SET", "before", LARGE) == b"OK"
    disk.fill()
    with pytest.raises(ConnectionResetError):
        logged.execute("SET", "during", LARGE)
    assert logged.execute("SET", "refused", "value")[1].startswith(REFUSAL)
    assert logged.execute("GET", "before") == LARGE
    disk.free()
    logged.wait(1.5)
    assert logged.execute("SET", "after", LARGE) == b"OK"
    logged.append_only.log.close()
    again = Logged(disk.restart())
    assert again.execute("MGET", "before", "during", "refused", "after") == [LARGE, LARGE, None, LARGE]
    again.append_only.log.close()


def test_what_the_end_of_a_server_loses_on_a_full_disk_is_told(
    disk: Disk, caplog: pytest.LogCaptureFixture
) -> None:
    """With `everysec` a change may be acknowledged before its bytes turn out to have no room."""
    logged = Logged(disk.storage, appendfsync="everysec")
    disk.fill()
    assert logged.execute("SET", "during", LARGE) == b"OK"
    assert logged.execute("SET", "refused", "value")[1].startswith(REFUSAL)
    logged.append_only.stop()
    lost = re.compile(r"ends without its last (\d+) bytes, .*No space left on device")
    (found,) = [match for match in map(lost.search, caplog.messages) if match]
    assert int(found[1]) > len(LARGE)
    disk.free()
    again = Logged(disk.restart())
    assert again.execute("GET", "during") is None
    caplog.clear()
    again.append_only.stop()
    assert caplog.messages == []


def test_a_server_that_ends_on_a_full_disk_has_all_that_was_acknowledged(disk: Disk) -> None:
    logged = Logged(disk.storage, appendfsync="always")
    assert logged.execute("SET", "before", LARGE) == b"OK"
    disk.fill()
    with pytest.raises(ConnectionResetError):
        logged.execute("SET", "during", LARGE)
    logged.append_only.log.close()
    again = Logged(disk.restart())
    assert again.execute("GET", "before") == LARGE
    again.append_only.log.close()
