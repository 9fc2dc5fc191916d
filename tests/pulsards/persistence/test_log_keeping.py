"""Servers with an append-only log: what leaves when, what a thread does, what is there after a restart."""

from __future__ import annotations

import errno
import os
import socket
from collections.abc import Callable, Iterator
from pathlib import Path

import anyio
import anyio.lowlevel
import pytest

from anystore import create_store
from anystore.pulsards import PulsarDS, reactor
from anystore.pulsards.memory import MemoryStream
from anystore.pulsards.persistence import storage as storage_module
from anystore.pulsards.persistence.loading import CannotLoad
from anystore.resp.pack import pack_command
from tests.pulsards.peers import EngineClient, RealClient
from tests.servers import run_server, valkey_binary

pytestmark = pytest.mark.anyio

FOLDER = "appendonlydir"
INCREMENT = f"{FOLDER}/appendonly.aof.1.incr.aof"


async def until(condition: Callable[[], bool]) -> None:
    with anyio.fail_after(20):
        while not condition():
            await anyio.lowlevel.checkpoint()


class Disk:
    """Counts how often a file is synced, and fails where it is told to."""

    def __init__(self) -> None:
        self.syncs = 0
        self.broken = False
        self._sync = os.fsync

    def fsync(self, number: int) -> None:
        self.syncs += 1
        if self.broken:
            raise OSError(errno.EIO, os.strerror(errno.EIO))
        self._sync(number)


@pytest.fixture
def disk(monkeypatch: pytest.MonkeyPatch) -> Disk:
    disk = Disk()
    monkeypatch.setattr(storage_module.os, "fsync", disk.fsync)
    return disk


@pytest.fixture(params=["reactor", "streams"])
def driver(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """Both ways to serve sockets."""
    if request.param == "streams":
        monkeypatch.setattr(reactor, "available", False)
    return str(request.param)


def clients(server: PulsarDS, count: int) -> Iterator[socket.socket]:
    host, _, port = server.addresses[0].rpartition(":")
    for _ in range(count):
        client = socket.create_connection((host, int(port)))
        client.setblocking(False)
        yield client


async def received(client: socket.socket) -> bytes:
    with anyio.fail_after(20):
        while True:
            try:
                return client.recv(65536)
            except BlockingIOError:
                await anyio.lowlevel.checkpoint()


class TestAlways:
    async def test_one_fsync_for_all_that_ran_in_a_turn(
        self, tmp_path: Path, disk: Disk, driver: str
    ) -> None:
        async with PulsarDS("127.0.0.1:0", dir=str(tmp_path), appendfsync="always") as server:
            some = list(clients(server, 20))
            await until(lambda: len(server.engine.sessions) == len(some))
            before = disk.syncs
            for client in some:
                client.send(b"INCR n\r\n" * 3)
            replies = [await received(client) for client in some]
            assert sorted(int(reply[1:-2]) for block in replies for reply in block.splitlines(True)) == [
                *range(1, 61)
            ]
            # The event loop may tell of their sockets in two portions.
            assert disk.syncs - before <= (1 if driver == "reactor" else 4)
            assert server.engine.append_only.log.synced == server.engine.append_only.log.appended
            for client in some:
                client.close()

    async def test_no_reply_leaves_before_its_bytes_are_on_disk(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, driver: str
    ) -> None:
        async with PulsarDS("127.0.0.1:0", dir=str(tmp_path), appendfsync="always") as server:
            [client] = clients(server, 1)
            await until(lambda: len(server.engine.sessions) == 1)
            early: list[bytes] = []
            sync = os.fsync

            def fsync(number: int) -> None:
                with pytest.raises(BlockingIOError):
                    early.append(client.recv(100))
                sync(number)

            monkeypatch.setattr(storage_module.os, "fsync", fsync)
            client.send(b"SET a 1\r\nGET a\r\n")
            assert await received(client) == b"+OK\r\n$1\r\n1\r\n"
            assert early == []
            client.close()

    async def test_what_cannot_be_put_on_disk_gets_no_answer(
        self, tmp_path: Path, disk: Disk, driver: str
    ) -> None:
        async with PulsarDS("127.0.0.1:0", dir=str(tmp_path), appendfsync="always") as server:
            first, second = clients(server, 2)
            disk.broken = True
            first.send(b"SET a 1\r\n")
            assert await received(first) == b""
            second.send(b"SET a 2\r\nGET a\r\n")
            answer = await received(second)
            assert answer == b"-MISCONF Errors writing to the AOF file: Input/output error\r\n$1\r\n1\r\n"
            disk.broken = False
            await until(lambda: server.engine.append_only.log.problem is None)
            second.send(b"SET a 3\r\n")
            assert await received(second) == b"+OK\r\n"
            first.close()
            second.close()
        async with PulsarDS([], dir=str(tmp_path)) as server:
            assert EngineClient(server.engine).execute("GET", "a") == b"3"

    async def test_who_turns_it_on_or_off_is_answered(self, tmp_path: Path, driver: str) -> None:
        async with PulsarDS("127.0.0.1:0", dir=str(tmp_path), appendfsync="always") as server:
            [client] = clients(server, 1)
            for name, values in {"appendfsync": ("everysec", "always"), "appendonly": ("no", "yes")}.items():
                for value in values * 2:
                    for behind in (b"", b"*1\r\n$4\r\nPING\r\n"):
                        client.send(pack_command((b"CONFIG", b"SET", name, value)) + behind)
                        assert await received(client) == b"+OK\r\n" + (b"+PONG\r\n" if behind else b"")
            client.close()

    async def test_within_the_process(self, tmp_path: Path, disk: Disk) -> None:
        async with PulsarDS([], dir=str(tmp_path), appendfsync="always") as server:
            stream: MemoryStream = server.connect_stream()
            before = disk.syncs
            stream.send_nowait(b"INCR n\r\n" * 5)
            assert disk.syncs == before + 1
            assert stream.receive_nowait() == b":1\r\n:2\r\n:3\r\n:4\r\n:5\r\n"
            stream.send_nowait(b"GET n\r\n")
            assert disk.syncs == before + 1, "what only reads has nothing to sync"
            disk.broken = True
            stream.send_nowait(b"INCR n\r\n")
            assert stream.receive_nowait() == b""
            disk.broken = False

    async def test_what_is_off_costs_nothing(self, tmp_path: Path) -> None:
        async with PulsarDS([], dir=str(tmp_path)) as server:
            assert not server.engine.holds_replies
        async with PulsarDS([]) as server:
            assert server.engine.end_turn is None
            assert not server.engine.attentive


class TestEverySecond:
    async def test_a_thread_syncs(self, tmp_path: Path, disk: Disk) -> None:
        async with PulsarDS([], dir=str(tmp_path)) as server:
            log = server.engine.append_only.log
            EngineClient(server.engine).execute("SET", "a", 1)
            await until(lambda: log.synced == log.appended > 0)
            before = disk.syncs
            EngineClient(server.engine).execute("SET", "a", 2)
            assert disk.syncs == before
            disk.broken = True
            await until(lambda: log.problem is not None)
            assert EngineClient(server.engine).execute("SET", "a", 3)[1].startswith("MISCONF")
            disk.broken = False
            await until(lambda: log.problem is None)
            assert log.synced == log.appended

    async def test_it_can_be_changed(self, tmp_path: Path, disk: Disk) -> None:
        async with PulsarDS([], dir=str(tmp_path), appendfsync="no") as server:
            client = EngineClient(server.engine)
            before = disk.syncs
            client.execute("SET", "a", 1)
            assert client.execute("CONFIG", "SET", "appendfsync", "always") == b"OK"
            assert disk.syncs == before + 1, "what was written before is on disk, too"
            assert server.engine.holds_replies
            assert client.execute("CONFIG", "SET", "appendfsync", "no") == b"OK"
            assert not server.engine.holds_replies


class TestWaitaof:
    async def test_it_waits_for_the_disk(self, tmp_path: Path, disk: Disk) -> None:
        async with PulsarDS([], dir=str(tmp_path)) as server:
            log = server.engine.append_only.log
            stream = server.connect_stream()
            stream.send_nowait(b"SET a 1\r\nWAITAOF 1 0 0\r\nPING\r\n")
            assert stream.receive_nowait() == b"+OK\r\n"
            with anyio.fail_after(20):
                received = await stream.receive()
                while not received.endswith(b"+PONG\r\n"):
                    received += await stream.receive()
            assert received == b"*2\r\n:1\r\n:0\r\n+PONG\r\n"
            assert log.synced == log.appended > 0
            assert EngineClient(server.engine).execute("WAITAOF", 1, 0, 0) == [1, 0]

    async def test_with_always_the_turn_is_enough(self, tmp_path: Path) -> None:
        async with PulsarDS([], dir=str(tmp_path), appendfsync="always") as server:
            stream = server.connect_stream()
            stream.send_nowait(b"SET a 1\r\nWAITAOF 1 0 0\r\nPING\r\n")
            assert stream.receive_nowait() == b"+OK\r\n*2\r\n:1\r\n:0\r\n+PONG\r\n"

    async def test_its_time_runs_out_where_nothing_is_synced(self, tmp_path: Path) -> None:
        async with PulsarDS([], dir=str(tmp_path), appendfsync="no") as server:
            stream = server.connect_stream()
            stream.send_nowait(b"SET a 1\r\nWAITAOF 1 0 1\r\n")
            assert stream.receive_nowait() == b"+OK\r\n"
            with anyio.fail_after(20):
                assert await stream.receive() == b"*2\r\n:0\r\n:0\r\n"


class TestRewriting:
    async def test_bgrewriteaof(self, tmp_path: Path) -> None:
        async with PulsarDS([], dir=str(tmp_path)) as server:
            client = EngineClient(server.engine)
            for number in range(100):
                client.execute("SET", "key", number)
            assert client.execute("BGREWRITEAOF") == b"Background append only file rewriting started"
            await until(lambda: server.engine.append_only.rewrites == 1)
            client.execute("SET", "after", 1)
            await until(lambda: len(os.listdir(tmp_path / FOLDER)) == 3)
        assert sorted(os.listdir(tmp_path / FOLDER)) == [
            f"appendonly.aof.{rest}" for rest in ("2.base.rdb", "2.incr.aof", "manifest")
        ]
        assert b"after" in (tmp_path / FOLDER / "appendonly.aof.2.incr.aof").read_bytes()
        async with PulsarDS([], dir=str(tmp_path)) as server:
            assert EngineClient(server.engine).execute("MGET", "key", "after") == [b"99", b"1"]

    async def test_bgrewriteaof_without_a_log_leaves_a_base_alone_as_redis_does(self, tmp_path: Path) -> None:
        async with PulsarDS([], dir=str(tmp_path), appendonly=False, save="") as server:
            client = EngineClient(server.engine)
            append_only = server.engine.append_only
            for number in (1, 2):
                client.execute("SET", "key", number)
                assert client.execute("BGREWRITEAOF") == b"Background append only file rewriting started"
                await until(lambda done=number: append_only.rewrites == done)  # type: ignore[misc]
                await until(lambda: not append_only.manifest.history)
                base = f"appendonly.aof.{number}.base.rdb"
                assert sorted(os.listdir(tmp_path / FOLDER)) == [base, "appendonly.aof.manifest"]
                manifest = (tmp_path / FOLDER / "appendonly.aof.manifest").read_text()
                assert manifest == f"file {base} seq {number} type b\n"
            client.execute("SET", "key", "later")
            assert b"aof_enabled:0" in client.execute("INFO", "persistence")
        with run_server(valkey_binary(), "--dir", str(tmp_path), "--appendonly", "yes") as real:
            other = RealClient(real.port)
            assert other.execute("GET", "key") == b"2"
            other.close()
        async with PulsarDS([], dir=str(tmp_path)) as server:
            assert EngineClient(server.engine).execute("GET", "key") == b"2"

    async def test_a_log_switched_on_meanwhile_begins_with_a_base_of_its_own(self, tmp_path: Path) -> None:
        async with PulsarDS([], dir=str(tmp_path), appendonly=False, save="") as server:
            client = EngineClient(server.engine)
            append_only = server.engine.append_only
            client.execute("SET", "key", "x")
            client.execute("BGREWRITEAOF")
            await until(lambda: append_only.rewrite is not None)
            client.execute("SET", "key", "y")
            client.execute("CONFIG", "SET", "appendonly", "yes")
            await until(lambda: append_only.state == "on")
            client.execute("SET", "after", "z")
        async with PulsarDS([], dir=str(tmp_path)) as server:
            assert EngineClient(server.engine).execute("MGET", "key", "after") == [b"y", b"z"]

    async def test_a_log_that_grows_is_rewritten_by_itself(self, tmp_path: Path) -> None:
        settings = {"auto_aof_rewrite_min_size": 2000, "auto_aof_rewrite_percentage": 50}
        async with PulsarDS([], dir=str(tmp_path), **settings) as server:  # type: ignore[arg-type]
            client = EngineClient(server.engine)
            append_only = server.engine.append_only
            for _ in range(200):
                client.execute("SET", "key", "x")
            await until(lambda: append_only.rewrites == 1)
            assert append_only.current_size < 2000

    async def test_a_failing_one_leaves_the_log_as_it_was(
        self, tmp_path: Path, disk: Disk, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        async with PulsarDS([], dir=str(tmp_path)) as server:
            client = EngineClient(server.engine)
            client.execute("SET", "key", "x")
            append_only = server.engine.append_only
            begin = append_only.begin_rewrite

            def begin_and_break() -> object:
                rewrite = begin()
                disk.broken = True
                return rewrite

            monkeypatch.setattr(append_only, "begin_rewrite", begin_and_break)
            client.execute("BGREWRITEAOF")
            await until(lambda: append_only.failures_in_a_row == 1)
            disk.broken = False
            assert b"aof_last_bgrewrite_status:err" in client.execute("INFO", "persistence")
            assert not [name for name in os.listdir(tmp_path / FOLDER) if name.endswith("draft")]
            await until(lambda: append_only.log.problem is None)
            client.execute("SET", "key", "y")
        async with PulsarDS([], dir=str(tmp_path)) as server:
            assert EngineClient(server.engine).execute("GET", "key") == b"y"


class TestOnAndOff:
    async def test_at_run_time(self, tmp_path: Path) -> None:
        async with PulsarDS([], dir=str(tmp_path), save="") as server:
            client = EngineClient(server.engine)
            client.execute("SET", "before", 1)
            assert client.execute("CONFIG", "SET", "appendonly", "yes") == b"OK"
            client.execute("SET", "meanwhile", 1)
            await until(lambda: server.engine.append_only.state == "on")
            client.execute("SET", "after", 1)
        async with PulsarDS([], dir=str(tmp_path)) as server:
            client = EngineClient(server.engine)
            assert client.execute("MGET", "before", "meanwhile", "after") == [b"1"] * 3
            assert client.execute("CONFIG", "SET", "appendonly", "no") == b"OK"
            client.execute("SET", "unlogged", 1)
            assert client.execute("CONFIG", "SET", "appendonly", "yes") == b"OK"
            await until(lambda: server.engine.append_only.state == "on")
        async with PulsarDS([], dir=str(tmp_path)) as server:
            assert EngineClient(server.engine).execute("GET", "unlogged") == b"1"

    @pytest.mark.parametrize("words", [(), ("NOSAVE",)])
    async def test_shutdown_waits_for_the_first_base_unless_it_is_forced(
        self, tmp_path: Path, words: tuple[str, ...]
    ) -> None:
        async with PulsarDS([], dir=str(tmp_path), save="", appendonly="no") as server:
            client = EngineClient(server.engine)
            client.execute("SET", "a", 1)
            client.execute("CONFIG", "SET", "appendonly", "yes")
            refusal = ("error", "ERR Errors trying to SHUTDOWN. Check logs.")
            assert client.execute("SHUTDOWN", *words) == refusal
            await until(lambda: server.engine.append_only.rewrite is not None)
            assert client.execute("SHUTDOWN", *words) == refusal
            await until(lambda: server.engine.append_only.state == "on")
            client.send("SHUTDOWN", *words)
            with anyio.fail_after(20):
                await server.wait_ended()
        async with PulsarDS([], dir=str(tmp_path)) as server:
            client = EngineClient(server.engine)
            assert client.execute("GET", "a") == b"1"
            client.execute("CONFIG", "SET", "appendonly", "no")
            client.execute("CONFIG", "SET", "appendonly", "yes")
            client.send("SHUTDOWN", "FORCE")
            with anyio.fail_after(20):
                await server.wait_ended()

    async def test_with_an_image_alone_its_data_are_the_base(self, tmp_path: Path) -> None:
        async with PulsarDS([], dir=str(tmp_path), appendonly=False) as server:
            EngineClient(server.engine).execute("SET", "a", 1)
        for _ in range(2):
            async with PulsarDS([], dir=str(tmp_path)) as server:
                assert EngineClient(server.engine).execute("GET", "a") == b"1"

    async def test_entered_again_it_goes_on_with_its_data(self, tmp_path: Path) -> None:
        server = PulsarDS([], dir=str(tmp_path))
        for expected in (None, b"1", b"1"):
            async with server:
                assert EngineClient(server.engine).execute("GET", "a") == expected
                EngineClient(server.engine).execute("SET", "a", 1)

    async def test_a_damaged_log_is_refused_and_stays_as_it_is(self, tmp_path: Path) -> None:
        async with PulsarDS([], dir=str(tmp_path)) as server:
            EngineClient(server.engine).execute("SET", "a", 1)
        damaged = bytearray((tmp_path / INCREMENT).read_bytes())
        damaged[0] = 0x21
        (tmp_path / INCREMENT).write_bytes(damaged)
        with pytest.raises(CannotLoad, match="damaged at byte 0"):
            async with PulsarDS([], dir=str(tmp_path)):
                raise AssertionError("it must not have started")
        assert (tmp_path / INCREMENT).read_bytes() == damaged

    async def test_a_store_with_a_directory_has_a_log(self, tmp_path: Path) -> None:
        async with create_store(f"memory://?dir={tmp_path}") as store:
            await store.execute("SET", "a", "1")
        assert b"a" in (tmp_path / INCREMENT).read_bytes()
        async with create_store(f"memory://?dir={tmp_path}") as store:
            assert await store.execute("GET", "a") == b"1"
