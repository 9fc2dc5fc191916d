"""Random data of every type and feature, from here to real servers and back, and from them: by file, by log, by payload.

What was really written is looked at: a test fails as well when one of the forms that it is about is in no file.
`ANYSTORE_DATASETS=100` tries so many data sets each time instead of one.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Final

import pytest

from anystore.pulsards.clock import ManualClock
from anystore.pulsards.persistence.rdb import FileWriter, Loader, dump_payload, load_payload, lowest_version
from anystore.pulsards.persistence.snapshot import Snapshot
from anystore.pulsards.persistence.storage import DirectoryStorage
from tests.pulsards.copying import plain as without_times
from tests.pulsards.peers import EngineClient, RealClient
from tests.pulsards.persistence.aof.logged import Logged
from tests.pulsards.persistence.datasets import DATABASES, DataSet, forms_of
from tests.pulsards.persistence.rdb.files import events_of
from tests.pulsards.persistence.test_rdb_peers import BINARIES, Peer, peer, plain
from tests.servers import run_server

Execute = Callable[..., Any]
Contents = dict[Any, Any]

SETS: Final = int(os.environ.get("ANYSTORE_DATASETS", "1"))
#: The database of the key that tells how seldom or often it was used.
HINTS: Final = 7
POLICIES: Final = {"allkeys-lru": "IDLE", "allkeys-lfu": "FREQUENCY"}

#: What is in every file, whoever writes it; strings of each encoding among it.
_EVERYWHERE: Final = {
    *("AUX", "FUNCTION", "DATABASE", "SIZES", "EXPIRES_MILLISECONDS", "END"),
    *("8 bits", "16 bits", "32 bits", "LZF", "length of 6 bits", "length of 14 bits", "length of 32 bits"),
    *("STRING", "SET", "SET_INTSET", "ZSET_2", "ZSET_LISTPACK", "HASH", "HASH_LISTPACK"),
    *("LIST_QUICKLIST_2", "packed node"),
}
#: What each writes besides; "pulsards for NAME" is what pulsards writes for it.
_BESIDES: Final = {
    "valkey": {"plain node", "SET_LISTPACK", "STREAM_LISTPACKS_3", "HASH_METADATA_PRE_GA"},
    "redis": {"plain node", "STREAM_LISTPACKS_2"},
    "redis8": {"plain node", "SET_LISTPACK", "HASH_METADATA", "HASH_LISTPACK_EX"},
    "pulsards for valkey": {"LIST", "STREAM_LISTPACKS_3", "HASH_METADATA_PRE_GA"},
    "pulsards for redis": {"LIST", "STREAM_LISTPACKS_2"},
    "pulsards for redis8": {"LIST", "STREAM_LISTPACKS_3", "HASH_METADATA"},
}
#: Streams of Redis 8: from 8.6 on in a form of their own.
_STREAMS: Final = {"STREAM_LISTPACKS_3", "STREAM_LISTPACKS_4"}


def check_forms(data: bytes, writer: str, *more: str) -> None:
    """Whether everything that a file of this writer is to show is in it, and nothing else."""
    found = forms_of(data)
    expected = _EVERYWHERE | _BESIDES[writer] | set(more)
    if writer == "redis8":
        assert len(found & _STREAMS) == 1
        expected |= found & _STREAMS
    assert found == expected


def fill(execute: Execute, number: int, server: str) -> None:
    """Run a data set's commands; `server` is one that is to be able to hold it."""
    for command in DataSet(number, fields_expire=server != "redis").commands():
        reply = execute(*command)
        assert not (isinstance(reply, tuple) and reply[0] == "error"), (command[:3], reply)


def give_hint(execute: Execute, policy: str) -> None:
    """A key that has been used as seldom or as often; in a database that `held` does not look at, which is a use, too."""
    how = {"allkeys-lru": ("IDLETIME", 1000), "allkeys-lfu": ("FREQ", 200)}[policy]
    execute("SELECT", HINTS)
    assert execute("RESTORE", "hint", 0, dump_payload(b"v"), *how) == b"OK"
    execute("SELECT", 0)


def check_hint(execute: Execute, policy: str) -> None:
    """The key of `give_hint` is known to have been used as seldom or as often."""
    execute("SELECT", HINTS)
    if policy == "allkeys-lru":
        assert execute("OBJECT", "IDLETIME", "hint") in range(990, 1600)
    else:
        assert execute("OBJECT", "FREQ", "hint") in range(190, 201)
    execute("SELECT", 0)


def held(execute: Execute, content: Callable[[Any], Any] = plain) -> Contents:
    """Everything that a server holds: values by what DUMP says of them, when they expire, and functions."""
    found: Contents = {}
    for index in DATABASES:
        execute("SELECT", index)
        for key in execute("KEYS", "*"):
            value = load_payload(execute("DUMP", key))
            found[index, key] = content(value), execute("PEXPIRETIME", key)
    execute("SELECT", 0)
    libraries = execute("FUNCTION", "LIST", "WITHCODE")
    found["functions"] = sorted((library[1], library[-1]) for library in libraries)
    assert len(found) > 20 * len(DATABASES)
    return found


def as_logged(found: Contents, server: str = "") -> Contents:
    """Without what logs do not tell of groups; nor does Redis 7.0 tell how much they have read."""
    for key, entry in found.items():
        if key != "functions" and isinstance(entry[0], tuple) and entry[0][0] == "stream":
            groups = entry[0][3]
            for name, (last, read, pending, consumers) in groups.items():
                groups[name] = last, None if server == "redis" else read, pending, consumers
    return found


def dialect(server: str) -> str:
    """Who wants its own way of writing fields that expire."""
    return "valkey" if server == "valkey" else "redis"


def file_of(client: EngineClient, server: str) -> bytes:
    version = lowest_version(client.engine.keyspace, for_valkey=server == "valkey")
    snapshot = Snapshot(client.engine, FileWriter(version), {b"redis-ver": b"7.0.0"})
    parts = []
    while not snapshot.finished:
        parts.append(snapshot.next_slice(1 << 20))
    return b"".join(parts)


def loaded(data: bytes, **settings: str) -> EngineClient:
    client = EngineClient(**settings)
    loader = Loader(client.engine)
    for event in events_of(data, 10_000):
        loader.take(event)
    return client


@pytest.fixture(scope="module", params=BINARIES)
def there(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[str, Peer]]:
    name = request.param
    with peer(BINARIES[name], tmp_path_factory.mktemp("peer") / "data") as found:
        if name == "redis":
            # Else it keeps an element apart only where it has a gigabyte.
            assert found.client.execute("DEBUG", "QUICKLIST-PACKED-THRESHOLD", 10_000) == b"OK"
        yield name, found


@pytest.mark.timeout(300 + 60 * SETS)
@pytest.mark.parametrize("policy", POLICIES)
def test_s16_by_file_there_and_back(there: tuple[str, Peer], policy: str) -> None:
    name, server = there
    execute = server.client.execute
    execute("CONFIG", "SET", "maxmemory-policy", policy)
    for number in range(100, 100 + SETS):
        ours = EngineClient(maxmemory_policy=policy)
        fill(ours.execute, number, name)
        expected = held(ours.execute)
        give_hint(ours.execute, policy)
        data = file_of(ours, name)
        check_forms(data, f"pulsards for {name}", POLICIES[policy])
        theirs = server.through(data)
        assert held(execute) == expected, f"data set {number}"
        check_hint(execute, policy)
        back = loaded(theirs, maxmemory_policy=policy)
        assert held(back.execute) == expected, f"data set {number}"
        check_hint(back.execute, policy)


@pytest.mark.timeout(300 + 60 * SETS)
@pytest.mark.parametrize("policy", POLICIES)
def test_s16_by_file_from_there_and_back(there: tuple[str, Peer], policy: str) -> None:
    name, server = there
    execute = server.client.execute
    execute("CONFIG", "SET", "maxmemory-policy", policy)
    for number in range(2100, 2100 + SETS):
        fill(execute, number, name)
        expected = held(execute)
        give_hint(execute, policy)
        assert execute("SAVE") == b"OK"
        data = server.file.read_bytes()
        check_forms(data, name, POLICIES[policy])
        ours = loaded(data, maxmemory_policy=policy)
        assert held(ours.execute) == expected, f"data set {number}"
        check_hint(ours.execute, policy)
        server.through(file_of(ours, name))
        assert held(execute) == expected, f"data set {number}"
        check_hint(execute, policy)


@pytest.mark.timeout(300 + 60 * SETS)
def test_s16_by_payload_there_and_back(there: tuple[str, Peer]) -> None:
    name, server = there
    execute = server.client.execute
    for number in range(4100, 4100 + SETS):
        fill(execute, number, name)
        ours = EngineClient(rdb_dialect=dialect(name))
        for source, target in ((execute, ours.execute), (ours.execute, execute)):
            expected = {key: value for key, value in held(source).items() if key != "functions"}
            target("FLUSHALL")
            for index, key in expected:
                source("SELECT", index)
                target("SELECT", index)
                expires = max(source("PEXPIRETIME", key), 0)
                reply = target("RESTORE", key, expires, source("DUMP", key), "ABSTTL")
                assert reply == b"OK", f"data set {number}, {key!r}: {reply}"
            found = held(target)
            found.pop("functions")
            assert found == expected, f"data set {number}"


@pytest.mark.timeout(300 + 60 * SETS)
@pytest.mark.parametrize("preamble", ["yes", "no"])
@pytest.mark.parametrize("name", BINARIES)
def test_s16_by_log_there_and_back(name: str, preamble: str, tmp_path: Path) -> None:
    """The log of each is one that the other goes on with: commands, and a base that is a file or is commands, too."""
    for number in range(6100, 6100 + SETS):
        folder = tmp_path / str(number)
        folder.mkdir()
        ours, storage = opened(folder, name)
        fill(ours.execute, number, name)
        if preamble == "yes":
            ours.rewrite()
        expected = as_logged(held(ours.execute, without_times), name)
        closed(ours, storage)
        log = ("--appendonly", "yes", "--aof-use-rdb-preamble", preamble)
        with run_server(BINARIES[name], "--dir", str(folder), *log) as server:
            client = RealClient(server.port, timeout=60)
            found = held(client.execute, without_times)
            assert as_logged(found, name) == expected, f"data set {number}"
            if preamble == "no":
                fill(client.execute, number + 1000, name)
            rewrite(client)
            if preamble == "no":
                client.execute("SET", "behind", "the base")
            expected = as_logged(held(client.execute, without_times), name)
            client.close()
        ours, storage = opened(folder, name)
        assert as_logged(held(ours.execute, without_times), name) == expected, f"data set {number}"
        closed(ours, storage)


def opened(folder: Path, server: str) -> tuple[Logged, DirectoryStorage]:
    storage = DirectoryStorage(str(folder))
    return Logged(storage, clock=ManualClock(time.time()), rdb_dialect=dialect(server)), storage


def closed(logged: Logged, storage: DirectoryStorage) -> None:
    logged.append_only.stop()
    storage.close()


def rewrite(client: RealClient) -> None:
    """Have a real server write its log anew, and wait until it has."""
    client.execute("BGREWRITEAOF")
    deadline = time.monotonic() + 120
    while True:
        state = client.execute("INFO", "persistence")
        if b"aof_rewrite_in_progress:0" in state and b"aof_rewrite_scheduled:0" in state:
            break
        assert time.monotonic() < deadline, state
    assert b"aof_last_bgrewrite_status:ok" in state
