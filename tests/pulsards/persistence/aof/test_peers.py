"""The same log, taken over from pulsards by real servers and back, with nothing lost on the way."""

from __future__ import annotations

import random
import subprocess
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import hiredis
import pytest

from anystore.pulsards.clock import ManualClock
from anystore.pulsards.persistence.aof.manifest import Manifest, Part
from anystore.pulsards.persistence.aof.records import RecordReader
from anystore.pulsards.persistence.storage import DirectoryStorage
from tests.pulsards.peers import Argument, RealClient
from tests.pulsards.persistence.aof.logged import Logged
from tests.servers import binaries, run_server

LIBRARY = (
    "#!lua name=lib\nredis.register_function('add', function(keys, args) return args[1] + args[2] end)\n"
)
Execute = Callable[..., Any]
BINARIES = binaries()


def write_some(execute: Execute, chance: random.Random, name: str) -> None:
    """Commands of all types, in transactions and out of them, with expiries and scripts."""
    soon = int(time.time()) + 1000
    execute("SELECT", 0)
    execute("SET", f"{name}:string", "x" * 100)
    execute("APPEND", f"{name}:string", "\r\n*1\r\n$4\r\nPING\r\n")
    execute("SET", f"{name}:expiring", "value", "EX", chance.randint(100, 1000))
    execute("SET", f"{name}:gone", "value", "PX", 1)
    execute("INCRBYFLOAT", f"{name}:float", "3.25")
    execute("RPUSH", f"{name}:list", *(chance.randint(0, 10**6) for _ in range(300)))
    execute("LREM", f"{name}:list", 1, 5)
    execute("SADD", f"{name}:set", *range(40), "word")
    execute("SPOP", f"{name}:set", 7)
    execute("SADD", f"{name}:integers", *range(20))
    execute("HSET", f"{name}:hash", *(f"{n}" for n in range(300)))
    execute("HINCRBYFLOAT", f"{name}:hash", "0", "1.5")
    execute("ZADD", f"{name}:sorted", 1, "a", 2.5, "b", "-inf", "c")
    execute("ZINCRBY", f"{name}:sorted", 3, "a")
    execute("PFADD", f"{name}:log", *range(100))
    execute("SETBIT", f"{name}:bits", 1000, 1)
    for number in range(5):
        execute("XADD", f"{name}:stream", "*", "number", number)
    execute("XGROUP", "CREATE", f"{name}:stream", "group", 0)
    execute("XREADGROUP", "GROUP", "group", "consumer", "COUNT", 3, "STREAMS", f"{name}:stream", ">")
    execute("XTRIM", f"{name}:stream", "MAXLEN", 4)
    execute("SELECT", 5)
    execute("MULTI")
    execute("SET", f"{name}:in", "transaction")
    execute("PEXPIREAT", f"{name}:in", soon * 1000)
    execute("SELECT", 6)
    execute("INCR", f"{name}:counter")
    execute("EXEC")
    execute("EVAL", "for i = 1, 5 do redis.call('RPUSH', KEYS[1], ARGV[1] * i) end", 1, f"{name}:script", 7)
    execute("FUNCTION", "LOAD", "REPLACE", LIBRARY)


def readings(execute: Execute) -> Iterator[tuple[Sequence[Argument], Any]]:
    """Everything there is, as the answers of commands that every server has."""
    for database in (0, 5, 6):
        execute("SELECT", database)
        keys = sorted(execute("KEYS", "*"))
        yield ("KEYS", database), keys
        for key in keys:
            for read in reads_of(key):
                reply = execute(*read)
                if read[0] in {"SMEMBERS", "HGETALL"}:
                    reply = sorted(reply)
                elif read[0] == "XINFO":
                    # How many entries a group has read is a guess of Redis 7.0 after it has read its own log.
                    reply = [group[:8] for group in reply]
                yield (database, *read), reply
    yield (
        ("FUNCTION", "LIST"),
        [sorted(map(str, library)) for library in execute("FUNCTION", "LIST", "WITHCODE")],
    )
    yield ("FCALL", "add"), execute("FCALL", "add", 0, 3, 4)


def reads_of(key: bytes) -> list[tuple[Argument, ...]]:
    kind = key.rpartition(b":")[2].decode()
    reads: dict[str, list[tuple[Argument, ...]]] = {
        "list": [("LRANGE", key, 0, -1)],
        "script": [("LRANGE", key, 0, -1)],
        "set": [("SMEMBERS", key)],
        "integers": [("SMEMBERS", key), ("OBJECT", "ENCODING", key)],
        "hash": [("HGETALL", key)],
        "sorted": [("ZRANGE", key, 0, -1, "WITHSCORES")],
        "log": [("PFCOUNT", key)],
        "stream": [("XRANGE", key, "-", "+"), ("XPENDING", key, "group"), ("XINFO", "GROUPS", key)],
    }
    return [("TYPE", key), ("PEXPIRETIME", key), *reads.get(kind, [("GET", key)])]


def everything(execute: Execute) -> dict[Sequence[Argument], Any]:
    return dict(readings(execute))


def opened(directory: Path, **settings: str) -> tuple[Logged, DirectoryStorage]:
    storage = DirectoryStorage(str(directory))
    return Logged(storage, clock=ManualClock(time.time()), **settings), storage


def closed(logged: Logged, storage: DirectoryStorage) -> None:
    logged.append_only.stop()
    storage.close()


@pytest.mark.parametrize("binary", BINARIES.values(), ids=BINARIES)
def test_a_log_goes_to_a_real_server_and_comes_back(binary: str, tmp_path: Path) -> None:
    chance = random.Random(7)
    logged, storage = opened(tmp_path)
    write_some(logged.execute, chance, "first")
    logged.rewrite(lambda: logged.execute("INCR", "first:between"), limit=4096)
    write_some(logged.execute, chance, "second")
    logged.wait(0.1)
    expected = everything(logged.execute)
    closed(logged, storage)
    with run_server(binary, "--dir", str(tmp_path), "--appendonly", "yes") as server:
        client = RealClient(server.port)
        assert everything(client.execute) == expected
        write_some(client.execute, chance, "third")
        assert client.execute("BGREWRITEAOF")[:10] == b"Background"
        deadline = time.monotonic() + 60
        while b"aof_rewrite_in_progress:0" not in client.execute("INFO", "persistence"):
            assert time.monotonic() < deadline
        write_some(client.execute, chance, "fourth")
        client.execute("SELECT", 0)
        while client.execute("EXISTS", "fourth:gone", "third:gone"):
            assert time.monotonic() < deadline
        expected = everything(client.execute)
        client.close()
    logged, storage = opened(tmp_path)
    assert everything(logged.execute) == expected
    closed(logged, storage)


def torn_logs() -> Iterator[tuple[int, bytes]]:
    """Logs whose last record, which holds whole records, is cut at each of its bytes; and where that record begins."""
    whole = hiredis.pack_command(("SELECT", "0")) + hiredis.pack_command(("SET", "key", "value"))
    inner = hiredis.pack_command(("SET", "key", "never"))
    last = hiredis.pack_command(("SET", "backup", b"\r\n" + inner + inner))
    for length in range(1, len(last)):
        yield len(whole), whole + last[:length]


@pytest.mark.parametrize("binary", BINARIES.values(), ids=BINARIES)
def test_a_torn_record_that_holds_records_is_cut_where_real_servers_cut_it(
    binary: str, tmp_path: Path
) -> None:
    # A server that is called by this name checks a file, and says up to where it is sound.
    check = tmp_path / f"{Path(binary).name.partition('-')[0]}-check-aof"
    check.symlink_to(binary)
    file = tmp_path / "appendonly.aof"
    for sound, data in torn_logs():
        file.write_bytes(data)
        said = subprocess.run([check, file], capture_output=True, text=True, timeout=60).stdout
        assert f"size={len(data)}, ok_up_to={sound}," in said
        reader = RecordReader()
        reader.feed(data)
        assert reader.finish()[1]
        assert reader.offset == sound
    # The last of them, which lacks a byte, as the servers load it.
    folder = tmp_path / "appendonlydir"
    folder.mkdir()
    manifest, part = folder / "appendonly.aof.manifest", folder / "appendonly.aof.1.incr.aof"
    manifest.write_text(Manifest(increments=(Part(part.name, 1),)).format().decode())
    for load in (load_by_a_real_server, load_by_pulsards):
        part.write_bytes(data)
        assert load(binary, tmp_path) == [b"value", None]
        assert part.read_bytes() == data[:sound]


def load_by_a_real_server(binary: str, directory: Path) -> list[bytes | None]:
    with run_server(binary, "--dir", str(directory), "--appendonly", "yes") as server:
        client = RealClient(server.port)
        values = [client.execute("GET", "key"), client.execute("GET", "backup")]
        client.close()
    return values


def load_by_pulsards(_: str, directory: Path) -> list[bytes | None]:
    logged, storage = opened(directory)
    values = [logged.execute("GET", "key"), logged.execute("GET", "backup")]
    closed(logged, storage)
    return values


def test_a_single_file_of_an_older_server_becomes_the_base(tmp_path: Path) -> None:
    logged, storage = opened(tmp_path / "one")
    write_some(logged.execute, random.Random(3), "some")
    logged.rewrite()
    logged.execute("SELECT", 0)
    logged.execute("SET", "after", "the image")
    logged.wait(0.1)
    expected = everything(logged.execute)
    closed(logged, storage)
    # What Redis 4 to 6 wrote: an image, and commands behind it, in one file.
    folder = tmp_path / "one" / "appendonlydir"
    old = tmp_path / "two"
    old.mkdir()
    data = b"".join(path.read_bytes() for path in (*folder.glob("*.base.rdb"), *folder.glob("*.incr.aof")))
    (old / "appendonly.aof").write_bytes(data)
    logged, storage = opened(old)
    assert everything(logged.execute) == expected
    assert not (old / "appendonly.aof").exists()
    assert (old / "appendonlydir" / "appendonly.aof").read_bytes() == data
    logged.execute("SELECT", 0)
    logged.execute("SET", "after", "the move")
    closed(logged, storage)
    logged, storage = opened(old)
    assert logged.execute("GET", "after") == b"the move"
    closed(logged, storage)
