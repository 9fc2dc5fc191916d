"""Saving on a disk that is really full: the file of before is whole, and writes are refused until there is room again."""

from __future__ import annotations

import errno
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Protocol

import anyio
import anyio.lowlevel
import pytest

from anystore.pulsards import PulsarDS
from anystore.pulsards.persistence import storage as storage_module
from anystore.pulsards.persistence.storage import DRAFT_SUFFIX
from tests.pulsards.peers import EngineClient
from tests.pulsards.persistence.disks import small_disk

pytestmark = pytest.mark.anyio

#: More than the last block of a file has room for.
LARGE = b"x" * 20_000


class Disk(Protocol):
    def fill(self) -> None: ...

    def free(self) -> None: ...


class InjectedDisk:
    """Where nothing may be mounted: every write says that there is no room."""

    def __init__(self, patch: pytest.MonkeyPatch) -> None:
        self._patch = patch

    def fill(self) -> None:
        def write(*args: object) -> None:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

        self._patch.setattr(storage_module, "_write_all", write)

    def free(self) -> None:
        self._patch.undo()


@pytest.fixture
def disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Disk]:
    with small_disk(tmp_path) as mounted:
        yield mounted or InjectedDisk(monkeypatch)


async def until(condition: Callable[[], bool]) -> None:
    with anyio.fail_after(60):
        while not condition():
            await anyio.lowlevel.checkpoint()


def served(path: Path, save: str) -> PulsarDS:
    # Uncompressed, so that what is saved needs the room that it seems to.
    return PulsarDS([], dir=str(path), save=save, appendonly="no", rdbcompression="no")


class TestAFullDisk:
    async def test_save_fails_and_leaves_the_file_of_before(self, tmp_path: Path, disk: Disk) -> None:
        async with served(tmp_path, "3600 1") as server:
            client = EngineClient(server.engine)
            client.execute("SET", "before", LARGE)
            assert client.execute("SAVE") == b"OK"
            old = (tmp_path / "dump.rdb").read_bytes()
            disk.fill()
            client.execute("SET", "during", LARGE)
            assert client.execute("SAVE")[0] == "error"
            assert (tmp_path / "dump.rdb").read_bytes() == old
            assert not list(tmp_path.glob("*" + DRAFT_SUFFIX))
            # As with Redis: only a background save that failed stops writes.
            assert client.execute("SET", "after", "value") == b"OK"
            disk.free()
            assert client.execute("SAVE") == b"OK"
        async with served(tmp_path, "") as server:
            found = EngineClient(server.engine).execute("MGET", "before", "during", "after")
            assert found == [LARGE, LARGE, b"value"]

    async def test_promise_a_background_save_that_fails_stops_writes_until_one_succeeds(
        self, tmp_path: Path, disk: Disk
    ) -> None:
        async with served(tmp_path, "3600 1") as server:
            client = EngineClient(server.engine)
            client.execute("SET", "before", LARGE)
            assert client.execute("SAVE") == b"OK"
            old = (tmp_path / "dump.rdb").read_bytes()
            disk.fill()
            client.execute("SET", "during", LARGE)
            client.execute("BGSAVE")
            await until(lambda: server.engine.saver.job is None)
            assert client.execute("SET", "refused", "value")[1].startswith("MISCONF ")
            assert client.execute("GET", "during") == LARGE
            assert b"rdb_last_bgsave_status:err" in client.execute("INFO", "persistence")
            assert (tmp_path / "dump.rdb").read_bytes() == old
            assert not list(tmp_path.glob("*" + DRAFT_SUFFIX))
            disk.free()
            client.execute("BGSAVE")
            await until(lambda: server.engine.saver.job is None)
            assert client.execute("SET", "after", LARGE) == b"OK"
        async with served(tmp_path, "") as server:
            found = EngineClient(server.engine).execute("MGET", "before", "during", "refused", "after")
            assert found == [LARGE, LARGE, None, LARGE]

    async def test_a_rule_tries_again_and_writes_go_on_by_themselves(
        self, tmp_path: Path, disk: Disk
    ) -> None:
        async with served(tmp_path, "1 1") as server:
            client, saver = EngineClient(server.engine), server.engine.saver
            disk.fill()
            client.execute("SET", "during", LARGE)
            await until(lambda: saver.refuses_writes)
            assert client.execute("SET", "refused", "value")[1].startswith("MISCONF ")
            assert not (tmp_path / "dump.rdb").exists()
            disk.free()
            await until(lambda: not saver.refuses_writes)
            assert client.execute("SET", "after", "value") == b"OK"
        async with served(tmp_path, "") as server:
            found = EngineClient(server.engine).execute("MGET", "during", "refused", "after")
            assert found == [LARGE, None, b"value"]
