"""Servers that keep their data in a directory: from start to stop, with real files."""

from __future__ import annotations

import errno
import os
import select
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import anyio
import anyio.lowlevel
import pytest

from anystore import create_store, start_store
from anystore.exceptions import StoreError
from anystore.pulsards import PulsarDS
from anystore.pulsards.engine import Engine
from anystore.pulsards.persistence import storage as storage_module
from anystore.pulsards.persistence.loading import CannotLoad, begin_loading
from anystore.pulsards.persistence.snapshot import Snapshot
from anystore.pulsards.persistence.storage import DRAFT_SUFFIX, LOCK_NAME, DirectoryInUse, DirectoryStorage
from tests.pulsards.peers import EngineClient, RealClient
from tests.servers import free_port

pytestmark = pytest.mark.anyio


def client_of(server: PulsarDS) -> EngineClient:
    return EngineClient(server.engine)


async def until(condition: Callable[[], bool]) -> None:
    with anyio.fail_after(20):
        while not condition():
            await anyio.lowlevel.checkpoint()


class TestStartAndStop:
    async def test_what_was_there_at_the_stop_is_there_at_the_start(self, tmp_path: Path) -> None:
        async with PulsarDS([], dir=str(tmp_path), appendonly=False) as server:
            client_of(server).execute("MSET", "a", 1, "b", 2)
        assert sorted(os.listdir(tmp_path)) == ["dump.rdb", LOCK_NAME]
        async with PulsarDS([], dir=str(tmp_path), appendonly=False) as server:
            assert client_of(server).execute("MGET", "a", "b") == [b"1", b"2"]
            assert server.engine.keyspace.databases[0].data.keys() == {b"a", b"b"}

    async def test_without_rules_nothing_is_saved_by_itself(self, tmp_path: Path) -> None:
        async with PulsarDS([], dir=str(tmp_path), save="") as server:
            client_of(server).execute("SET", "a", 1)
        assert os.listdir(tmp_path) == [LOCK_NAME]

    async def test_without_a_directory_nothing_is_kept(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.chdir(tmp_path)
        async with PulsarDS([]) as server:
            client_of(server).execute("SET", "a", 1)
        assert os.listdir(tmp_path) == []

    async def test_rules_alone_keep_data_in_the_present_directory(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.chdir(tmp_path)
        async with PulsarDS([], save="60 1") as server:
            client_of(server).execute("SET", "a", 1)
            assert client_of(server).execute("CONFIG", "GET", "dir") == [b"dir", str(tmp_path).encode()]
        assert sorted(os.listdir(tmp_path)) == ["dump.rdb", LOCK_NAME]

    async def test_entered_again_it_goes_on_with_its_data(self, tmp_path: Path) -> None:
        server = PulsarDS([], dir=str(tmp_path), appendonly=False)
        async with server:
            client_of(server).execute("SET", "a", 1)
        server.engine.keyspace.databases[0].data[b"unsaved"] = b"x"
        async with server:
            assert client_of(server).execute("GET", "unsaved") == b"x"

    async def test_unless_the_file_is_another_one_by_then(self, tmp_path: Path) -> None:
        server = PulsarDS([], dir=str(tmp_path), appendonly=False)
        async with server:
            client_of(server).execute("SET", "a", 1)
        async with PulsarDS([], dir=str(tmp_path), appendonly=False) as other:
            client_of(other).execute("SET", "a", 2)
            client_of(other).execute("SET", "b", 2)
        async with server:
            assert client_of(server).execute("MGET", "a", "b") == [b"2", b"2"]

    async def test_a_file_that_cannot_be_loaded_stays_as_it_is(self, tmp_path: Path) -> None:
        (tmp_path / "dump.rdb").write_bytes(b"REDIS0010 and something that is not an RDB file")
        with pytest.raises(CannotLoad, match=f"dump.rdb in {tmp_path} cannot be loaded"):
            async with PulsarDS([], dir=str(tmp_path), appendonly=False):
                raise AssertionError("it must not have started")
        assert (tmp_path / "dump.rdb").read_bytes().startswith(b"REDIS0010 and something")
        assert (tmp_path / LOCK_NAME).read_bytes() == b""

    async def test_a_failing_last_save_is_logged_and_ends(
        self, tmp_path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        async with PulsarDS([], dir=str(tmp_path), appendonly=False) as server:
            client_of(server).execute("SET", "a", 1)
            monkeypatch.setattr(storage_module.os, "fsync", broken)
        assert any("saving failed" in record.getMessage() for record in caplog.records)
        assert os.listdir(tmp_path) == [LOCK_NAME]


def broken(*args: object) -> None:
    raise OSError(errno.EIO, os.strerror(errno.EIO))


class TestBackgroundSaves:
    async def test_bgsave_while_the_server_goes_on(self, tmp_path: Path) -> None:
        async with PulsarDS([], dir=str(tmp_path), save="") as server:
            client = client_of(server)
            for start in range(0, 20000, 1000):
                client.execute("MSET", *(word for n in range(start, start + 1000) for word in (f"k{n}", n)))
            client.execute("BGSAVE")
            number = 0
            while server.engine.saver.job is not None:
                client.execute("SET", f"k{number}", "changed")
                client.execute("SET", f"new{number}", 1)
                number += 1
                await anyio.lowlevel.checkpoint()
            assert number > 3
            assert client.execute("INFO", "persistence").count(b"rdb_last_bgsave_status:ok") == 1
        async with PulsarDS([], dir=str(tmp_path), save="") as server:
            client = client_of(server)
            # Of one moment: each change is there together with the one after it, or neither is.
            made = client.execute("DBSIZE") - 20000
            assert 0 <= made < number
            found = client.execute("MGET", *(f"k{n}" for n in range(number)))
            assert found == [b"changed" if n < made else b"%d" % n for n in range(number)]

    async def test_who_has_asked_during_a_slice_is_answered_before_the_next_one(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        path = f"{tmp_path}/socket"
        async with PulsarDS(bind=f"unix:{path}", dir=str(tmp_path), save="") as server:
            client = client_of(server)
            for start in range(0, 20000, 1000):
                client.execute("MSET", *(word for n in range(start, start + 1000) for word in (f"k{n}", n)))
            with socket.socket(socket.AF_UNIX) as sock:
                sock.connect(path)
                sock.setblocking(False)
                await until(lambda: len(server.engine.sessions) == 2)
                answered: list[bool] = []
                next_slice = Snapshot.next_slice

                def between_requests(image: Snapshot, limit_bytes: int) -> bytes:
                    if answered:
                        answered[-1] = bool(select.select([sock], [], [], 0)[0])
                    data = next_slice(image, min(limit_bytes, 2000))
                    if answered and answered[-1]:
                        assert sock.recv(100) == b"+PONG\r\n"
                    sock.send(b"PING\r\n")
                    answered.append(False)
                    return data

                monkeypatch.setattr(Snapshot, "next_slice", between_requests)
                client.execute("BGSAVE")
                await until(lambda: server.engine.saver.job is None)
        assert len(answered) > 50
        assert all(answered[:-1])

    async def test_a_rule_saves(self, tmp_path: Path) -> None:
        async with PulsarDS([], dir=str(tmp_path), save="1 1") as server:
            client_of(server).execute("SET", "a", 1)
            await until(lambda: (tmp_path / "dump.rdb").exists())
            await until(lambda: server.engine.saver.job is None)
            assert server.engine.saver.changes == 0

    async def test_one_under_way_at_the_stop_leaves_nothing(self, tmp_path: Path) -> None:
        async with PulsarDS([], dir=str(tmp_path), save="") as server:
            client = client_of(server)
            for number in range(2000):
                client.execute("SET", f"k{number}", number)
            client.execute("BGSAVE")
            await until(lambda: bool(list(tmp_path.glob("*" + DRAFT_SUFFIX))))
        assert os.listdir(tmp_path) == [LOCK_NAME]
        assert server.engine.keyspace.images == ()

    @pytest.mark.parametrize("broken_call", ["fsync", "replace"])
    async def test_a_disk_that_breaks(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, broken_call: str
    ) -> None:
        async with PulsarDS([], dir=str(tmp_path), save="3600 1") as server:
            client = client_of(server)
            client.execute("SET", "a", 1)
            client.execute("SAVE")
            old = (tmp_path / "dump.rdb").read_bytes()
            client.execute("SET", "a", 2)
            with monkeypatch.context() as patch:
                patch.setattr(storage_module.os, broken_call, broken)
                client.execute("BGSAVE")
                await until(lambda: server.engine.saver.job is None)
            assert client.execute("SET", "a", 3)[1].startswith("MISCONF ")
            assert (tmp_path / "dump.rdb").read_bytes() == old
            assert list(tmp_path.glob("*" + DRAFT_SUFFIX)) == []
            client.execute("BGSAVE")
            await until(lambda: server.engine.saver.job is None)
            assert client.execute("SET", "a", 3) == b"OK"

    @pytest.mark.parametrize("step", ["fsync", "replace", "_write_all"])
    @pytest.mark.parametrize("ends", [("FLUSHALL",), ("BGSAVE CANCEL", "SAVE"), ("SHUTDOWN SAVE",)])
    async def test_one_that_is_given_up_while_the_disk_is_slow_leaves_the_later_one_alone(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, step: str, ends: tuple[str, ...]
    ) -> None:
        holder: Any = storage_module if step == "_write_all" else storage_module.os
        reached, released = threading.Event(), threading.Event()
        plain = getattr(holder, step)

        def slow(*args: object) -> object:
            if threading.current_thread() is not threading.main_thread():
                reached.set()
                assert released.wait(20)
            return plain(*args)

        async with PulsarDS([], dir=str(tmp_path), save="3600 1000000") as server:
            client = client_of(server)
            for number in range(1000):
                client.execute("SET", f"k{number}", "early")
            with monkeypatch.context() as patch:
                patch.setattr(holder, step, slow)
                client.execute("BGSAVE")
                await until(reached.is_set)
                client.execute("SET", "k1", "late")
                for command in ends:
                    client.execute(*command.split())
                expected = client.execute("DBSIZE"), client.execute("GET", "k1")
                released.set()
            client.execute("CONFIG", "SET", "save", "")  # the stop is to save nothing more
        assert server.engine.saver.succeeded
        assert server.engine.saver.changes == 0
        assert sorted(os.listdir(tmp_path)) == ["dump.rdb", LOCK_NAME]
        async with PulsarDS([], dir=str(tmp_path), save="") as server:
            client = client_of(server)
            assert (client.execute("DBSIZE"), client.execute("GET", "k1")) == expected


class TestOneServerADirectory:
    async def test_s17_a_second_one_is_told_where_the_first_is(self, tmp_path: Path) -> None:
        async with PulsarDS("127.0.0.1:0", dir=str(tmp_path), requirepass="secret") as server:
            with pytest.raises(DirectoryInUse) as caught:
                async with PulsarDS("127.0.0.1:0", dir=str(tmp_path)):
                    raise AssertionError("it must not have started")
            message = str(caught.value)
            assert str(tmp_path) in message
            assert f"pulsar://{server.addresses[0]}" in message
            assert "secret" not in message

    async def test_moving_to_another_directory(self, tmp_path: Path) -> None:
        one, two = tmp_path / "one", tmp_path / "two"
        async with PulsarDS([], dir=str(one), save="60 1", enable_protected_configs="yes") as server:
            client = client_of(server)
            client.execute("SET", "a", 1)
            assert client.execute("CONFIG", "SET", "dir", str(one)) == b"OK"
            assert client.execute("CONFIG", "SET", "dir", str(two)) == b"OK"
            assert client.execute("CONFIG", "GET", "dir") == [b"dir", str(two).encode()]
            (tmp_path / "file").write_text("")
            assert client.execute("CONFIG", "SET", "dir", str(tmp_path / "file"))[1].endswith("File exists")
            assert client.execute("CONFIG", "GET", "dir") == [b"dir", str(two).encode()]
            async with PulsarDS([], dir=str(one)) as other:
                assert client_of(other).execute("DBSIZE") == 0
        assert (two / "dump.rdb").exists()


class TestStores:
    async def test_memory_with_a_directory(self, tmp_path: Path) -> None:
        for expected in (None, b"1"):
            async with create_store(f"memory://?dir={tmp_path}") as store:
                assert await store.execute("GET", "a") == expected
                await store.execute("SET", "a", "1")

    async def test_a_named_one(self, tmp_path: Path) -> None:
        url = f"memory://{tmp_path.name}?dir={tmp_path}"
        async with create_store(url) as store:
            await store.execute("SET", "a", "1")
            async with create_store(url) as other:
                assert await other.execute("GET", "a") == b"1"
        async with create_store(f"memory://?dir={tmp_path}") as store:
            assert await store.execute("GET", "a") == b"1"

    async def test_a_named_one_has_one_directory(self, tmp_path: Path) -> None:
        name = f"{tmp_path.name}x"
        async with create_store(f"memory://{name}?dir={tmp_path}"):
            with pytest.raises(StoreError, match="dir"):
                async with create_store(f"memory://{name}"):
                    raise AssertionError("it must not have been opened")

    async def test_a_started_server_with_a_directory(self, tmp_path: Path) -> None:
        for expected in (None, b"1"):
            async with start_store("pulsar://", dir=str(tmp_path)) as store:
                assert await store.execute("GET", "a") == expected
                await store.execute("SET", "a", "1")

    async def test_s17_who_comes_second_is_told_where_to_connect(self, tmp_path: Path) -> None:
        async with start_store(f"pulsar://?dir={tmp_path}") as store:
            with pytest.raises(StoreError) as caught:
                async with start_store(f"pulsar://?dir={tmp_path}"):
                    raise AssertionError("it must not have been opened")
            assert f"{tmp_path} is in use by the server at {store.dns.partition('?')[0]}" in str(caught.value)


# With processes of their own


@contextmanager
def shell_server(
    directory: Path, *options: str, largest_file: int | None = None
) -> Iterator[tuple[subprocess.Popen[bytes], RealClient]]:
    """`pulsards` as from a shell; killed at the end if it still runs. `largest_file` is what the system lets it write."""
    port = free_port()
    command = [
        sys.executable,
        "-m",
        "anystore.pulsards",
        "--port",
        str(port),
        "--dir",
        str(directory),
        *options,
    ]
    if largest_file is not None:
        command = ["sh", "-c", f'ulimit -f {largest_file // 512}; exec "$@"', "sh", *command]
    process = subprocess.Popen(command, stderr=subprocess.DEVNULL)
    try:
        client = connected(port)
        try:
            yield process, client
        finally:
            client.close()
    finally:
        process.kill()
        process.wait(60)


def connected(port: int) -> RealClient:
    deadline = time.monotonic() + 60
    while True:
        try:
            client = RealClient(port)
            while client.execute("PING") != b"PONG":
                assert time.monotonic() < deadline
            return client
        except OSError:
            assert time.monotonic() < deadline
            time.sleep(0.02)


def fill(client: RealClient, count: int, value: str) -> None:
    for start in range(0, count, 1000):
        client.run([("SET", f"k{number}", value) for number in range(start, start + 1000)])


def values(client: RealClient, count: int) -> set[Any]:
    return {
        reply
        for start in range(0, count, 1000)
        for reply in client.run([("GET", f"k{n}") for n in range(start, start + 1000)])
    }


class TestProcesses:
    def test_the_log_says_where_data_are_kept_nowhere(self, tmp_path: Path) -> None:
        port = free_port()
        process = subprocess.Popen(
            [sys.executable, "-m", "anystore.pulsards", "--port", str(port)],
            stderr=subprocess.PIPE,
            cwd=tmp_path,
            env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[3])},
        )
        try:
            connected(port).close()
            process.terminate()
            _, log = process.communicate(timeout=60)
        finally:
            process.kill()
        assert b"no directory is given (dir): nothing is kept on disk" in log
        assert os.listdir(tmp_path) == []

    def test_s15_kill_during_a_background_save_leaves_the_file_of_before(self, tmp_path: Path) -> None:
        with shell_server(tmp_path, "--save", "") as (process, client):
            fill(client, 20000, "one")
            assert client.execute("SAVE") == b"OK"
            fill(client, 20000, "two")
            client.execute("BGSAVE")
            deadline = time.monotonic() + 60
            while not list(tmp_path.glob("*" + DRAFT_SUFFIX)):
                assert time.monotonic() < deadline
                if b"rdb_bgsave_in_progress:0" in client.execute("INFO", "persistence"):
                    break  # it was over before anybody looked
            process.kill()
            process.wait(10)
        with shell_server(tmp_path, "--save", "") as (_, client):
            assert list(tmp_path.glob("*" + DRAFT_SUFFIX)) == []
            found = values(client, 20000)
            # Had the save been quicker than the kill, all of the new values would be there.
            assert found in ({b"one"}, {b"two"})

    def test_s17_stopped_in_order_data_are_saved_and_a_second_server_is_refused(self, tmp_path: Path) -> None:
        with shell_server(tmp_path) as (process, client):
            client.execute("SET", "a", 1)
            second = subprocess.run(
                [
                    sys.executable,
                    "-m",
                    "anystore.pulsards",
                    "--port",
                    str(free_port()),
                    "--dir",
                    str(tmp_path),
                ],
                capture_output=True,
                text=True,
                check=False,
                timeout=60,
            )
            assert second.returncode == 1
            about = f"pulsards: cannot serve: the directory {tmp_path} is in use by the server at pulsar://127.0.0.1:"
            assert about in second.stderr
            process.terminate()
            assert process.wait(60) == 0
        with shell_server(tmp_path) as (process, client):
            assert client.execute("GET", "a") == b"1"
            client.execute("SET", "a", 2)
            with pytest.raises(EOFError):
                client.execute("SHUTDOWN")
            assert process.wait(60) == 0
        with shell_server(tmp_path) as (_, client):
            assert client.execute("GET", "a") == b"2"

    def test_where_the_system_takes_no_more_writes_are_refused_and_a_stop_too(self, tmp_path: Path) -> None:
        log = tmp_path / "log"
        options = ("--save", "3600 1", "--logfile", str(log))
        with shell_server(tmp_path, *options, largest_file=64 * 1024) as (process, client):
            client.execute("SET", "a", 1)
            assert client.execute("SAVE") == b"OK"
            old = (tmp_path / "dump.rdb").read_bytes()
            client.execute("SET", "large", os.urandom(200_000))
            assert client.execute("BGSAVE") == b"Background saving started"
            deadline = time.monotonic() + 60
            while b"rdb_last_bgsave_status:ok" in client.execute("INFO", "persistence"):
                assert time.monotonic() < deadline
            assert client.execute("SET", "b", 1)[1].startswith("MISCONF ")
            assert client.execute("GET", "a") == b"1"
            assert (tmp_path / "dump.rdb").read_bytes() == old
            assert client.execute("SHUTDOWN") == ("error", "ERR Errors trying to SHUTDOWN. Check logs.")
            process.terminate()
            while "not stopped, for the data could not be saved" not in log.read_text():
                assert client.execute("GET", "a") == b"1"
                assert time.monotonic() < deadline
            assert client.execute("CONFIG", "SET", "shutdown-on-sigterm", "nosave") == b"OK"
            process.terminate()
            assert process.wait(60) == 0
            assert (tmp_path / "dump.rdb").read_bytes() == old

    @pytest.mark.parametrize("log", ["yes", "no"])
    def test_it_can_be_shut_down_while_it_loads(self, tmp_path: Path, log: str) -> None:
        source = EngineClient(Engine())
        for start in range(0, 200_000, 1000):
            source.execute("MSET", *(word for n in range(start, start + 1000) for word in (f"k{n}", n)))
        storage = source.engine.storage = DirectoryStorage(str(tmp_path))
        assert source.execute("SAVE") == b"OK"
        storage.close()
        before = (tmp_path / "dump.rdb").read_bytes()
        port = free_port()
        command = [sys.executable, "-m", "anystore.pulsards", "--port", str(port), "--dir", str(tmp_path)]
        with subprocess.Popen(
            [*command, "--appendonly", log], stderr=subprocess.PIPE, stdin=subprocess.DEVNULL, text=True
        ) as process:
            deadline = time.monotonic() + 60
            while True:
                try:
                    client = RealClient(port)
                    break
                except OSError:
                    assert time.monotonic() < deadline
            assert client.execute("GET", "k1")[1].startswith("LOADING ")
            with pytest.raises(EOFError):
                client.execute("SHUTDOWN")
            client.close()
            assert process.stderr is not None
            said = process.stderr.read()
        assert process.returncode == 0, said
        assert "Traceback" not in said
        assert said.rstrip().endswith("stopped")
        assert (tmp_path / "dump.rdb").read_bytes() == before

    def test_a_damaged_file_is_named(self, tmp_path: Path) -> None:
        (tmp_path / "dump.rdb").write_bytes(b"what is this")
        run = subprocess.run(
            [sys.executable, "-m", "anystore.pulsards", "--port", str(free_port()), "--dir", str(tmp_path)],
            capture_output=True,
            text=True,
            check=False,
            timeout=60,
        )
        assert run.returncode == 1
        assert f"pulsards: dump.rdb in {tmp_path} cannot be loaded: " in run.stderr
        assert "`pulsards check` tells what is in it; without the file the server starts empty" in run.stderr
        assert "Traceback" not in run.stderr


def test_an_engine_alone_keeps_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    EngineClient(Engine()).execute("SET", "a", 1)
    assert os.listdir(tmp_path) == []


_CRASHING = """
import os, sys
from anystore.pulsards.persistence import storage
from tests.pulsards.peers import EngineClient

def save(folder, left):
    def counted(function):
        def call(*args, **more):
            nonlocal left
            if left == 0:
                os._exit(9)
            left -= 1
            return function(*args, **more)
        return call

    client = EngineClient()
    client.engine.storage = storage.DirectoryStorage(folder)
    client.execute("MSET", "a", "new", "b", "new")
    for name in ("fsync", "replace", "open", "unlink"):
        setattr(storage.os, name, counted(getattr(os, name)))
    storage._write_all = counted(storage._write_all)
    os._exit(0 if client.execute("SAVE") == b"OK" else 1)

for step in range(20):
    child = os.fork()
    if not child:
        save(os.path.join(sys.argv[1], str(step)), step)
    _, status = os.waitpid(child, 0)
    print(os.waitstatus_to_exitcode(status))
"""


def saved(folder: Path, value: str) -> None:
    client = EngineClient()
    client.engine.storage = DirectoryStorage(str(folder))
    client.execute("MSET", "a", value, "b", value)
    assert client.execute("SAVE") == b"OK"
    client.engine.storage.close()


def found(folder: Path) -> list[bytes]:
    client = EngineClient()
    storage = client.engine.storage = DirectoryStorage(str(folder))
    assert storage.names() == ["dump.rdb", LOCK_NAME]
    loading = begin_loading(client.engine)
    assert loading is not None
    while not loading.finished:
        loading.step()
    storage.close()
    values: list[bytes] = client.execute("MGET", "a", "b")
    return values


def test_a_crash_at_any_step_of_a_save_leaves_one_whole_file(tmp_path: Path) -> None:
    """A process that ends between two system calls: what is there is the old file or the new one, and nothing else."""
    for step in range(20):
        saved(tmp_path / str(step), "old")
    root = str(Path(__file__).parents[3])
    run = subprocess.run(
        [sys.executable, "-c", _CRASHING, str(tmp_path)],
        cwd=root,
        env={**os.environ, "PYTHONPATH": root},
        capture_output=True,
        check=True,
        timeout=60,
    )
    codes = list(map(int, run.stdout.split()))
    crashes = codes.index(0)
    assert crashes > 3
    assert codes == [9] * crashes + [0] * (20 - crashes)
    contents = [found(tmp_path / str(step)) for step in range(20)]
    changed = contents.index([b"new", b"new"])
    assert 0 < changed <= crashes
    assert contents == [[b"old", b"old"]] * changed + [[b"new", b"new"]] * (20 - changed)
