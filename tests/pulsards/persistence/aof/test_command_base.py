"""The base of a log as commands: what it makes here and on real servers, in slices, while everything changes."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings

from anystore.pulsards.clock import ManualClock
from anystore.pulsards.datatypes import StreamValue
from anystore.pulsards.engine import Engine
from anystore.pulsards.persistence.aof.command_writer import CommandWriter
from anystore.pulsards.persistence.aof.replay import Replayer
from anystore.pulsards.persistence.rdb import FileWriter, load_payload
from anystore.pulsards.persistence.rdb.types import RDB_VERSION_FIELD_EXPIRY
from anystore.pulsards.persistence.snapshot import Snapshot
from tests.pulsards.peers import EngineClient, RealClient
from tests.pulsards.persistence.aof.fragile import FragileStorage
from tests.pulsards.persistence.aof.logged import Logged
from tests.pulsards.persistence.aof.test_peers import closed, opened
from tests.pulsards.persistence.images import contents_of
from tests.pulsards.persistence.rdb.test_streams import content, streams
from tests.servers import RealServer, redis_binary, run_server, valkey_binary

BINARIES = [path for path in (valkey_binary(), redis_binary()) if path is not None]
#: Behind all times that `streams` makes.
LATE = 2**48 / 1000 + 1000
BASE = "appendonlydir/appendonly.aof.{}.base.aof"
COUNT = 2000


def made(value: StreamValue, latest: int = 2**48) -> tuple[object, ...]:
    """What of a stream commands can make: not when consumers were seen, nor times that are ahead of the clock."""
    entries, counters, groups = content(value)
    return (
        entries,
        counters,
        {
            name: (
                last,
                read,
                [(number, min(when, latest), count) for number, when, count in pending],
                {consumer: numbers for consumer, (_, numbers) in consumers.items()},
            )
            for name, (last, read, pending, consumers) in groups.items()
        },
    )


def base_of(engine: Engine, limit: int = 10**9) -> bytes:
    image = Snapshot(engine, CommandWriter(), {})
    pieces = []
    while not image.finished:
        pieces.append(image.next_slice(limit))
    return b"".join(pieces)


def loaded(data: bytes, start: float = 1_700_000_000.0) -> Engine:
    client = EngineClient(clock=ManualClock(start))
    replayer = Replayer(client.engine, "base")
    replayer.feed(data)
    result = replayer.finish()
    assert not result.errors
    assert not result.is_cut
    return client.engine


def filled() -> EngineClient:
    """Every type, small and large, with all that a value may have beside its elements."""
    client = EngineClient(clock=ManualClock())
    run, numbers = client.execute, range(COUNT)
    run("FUNCTION", "LOAD", "#!lua name=l\nredis.register_function('f', function() return 7 end)")
    run("SET", "text", b"\r\n\x00$1\r\n", "PXAT", 4_000_000_000_000)
    run("SET", "number", "-12")
    run("SET", "gone", "but told", "PX", 1)
    run("SET", "string", b"x\r\n" * 100_000)
    run("SETBIT", "bits", 10**6, 1)
    run("SELECT", 3)
    run("RPUSH", "list", *numbers)
    run("SADD", "integers", *range(30))
    run("SADD", "set", *(f"m{number}" for number in numbers))
    run("ZADD", "zset", "-inf", "a", "inf", "b", "-0.0", "c", 5e-324, "d", 0.1, "e", 17, "f")
    run("ZADD", "scores", *(part for number in numbers for part in (number / 7, f"m{number}")))
    run("HSET", "hash", *(part for number in numbers for part in (f"f{number}", number)))
    run("HSET", "going", *(part for number in numbers for part in (f"f{number}", number)))
    run("HPEXPIREAT", "going", 4_000_000_000_000, "FIELDS", 100, *(f"f{number}" for number in range(100)))
    run("HPEXPIREAT", "going", 4_000_000_000_001, "FIELDS", 1, "f7")
    run("EXPIREAT", "going", 4_100_000_000)
    run("SELECT", 9)
    for number in numbers:
        run("XADD", "stream", f"{number + 1}-1", "field", number)
    for group in ("g", "h"):
        run("XGROUP", "CREATE", "stream", group, 0)
        run("XREADGROUP", "GROUP", group, "bob", "COUNT", COUNT // 2, "STREAMS", "stream", ">")
    run("XGROUP", "CREATECONSUMER", "stream", "h", "idle")
    run("XCLAIM", "stream", "g", "eve", 0, *(f"{n}-1" for n in range(1, COUNT // 2, 3)), "RETRYCOUNT", 9)
    run("XDEL", "stream", *(f"{number}-1" for number in range(1, COUNT, 7)))
    run("XTRIM", "stream", "MAXLEN", COUNT * 3 // 4)
    run("XGROUP", "CREATE", "nothing", "g", 0, "MKSTREAM")
    run("XADD", "emptied", "5-5", "f", "v")
    run("XDEL", "emptied", "5-5")
    return client


CHANGES = [
    (0, ("DEL", "text"), ("APPEND", "string", "tail"), ("SETBIT", "bits", 3, 1)),
    (3, ("LSET", "list", 5, "changed"), ("SPOP", "set", 100), ("ZREMRANGEBYRANK", "scores", 0, 500)),
    (3, ("HINCRBY", "hash", "f7", 9), ("HPERSIST", "going", "FIELDS", 2, "f1", "f99"), ("DEL", "zset")),
    (
        9,
        ("XADD", "stream", "*", "new", "entry"),
        ("XDEL", "stream", "1990-1"),
        ("XACK", "stream", "g", "6-1"),
    ),
    (9, ("XCLAIM", "stream", "h", "mallory", 0, "9-1"), ("XGROUP", "DELCONSUMER", "stream", "g", "eve")),
    (9, ("XREADGROUP", "GROUP", "h", "bob", "COUNT", 3, "STREAMS", "stream", ">"), ("DEL", "nothing")),
    (9, ("XREADGROUP", "GROUP", "h", "bob", "STREAMS", "stream", "0"), ("XTRIM", "stream", "MAXLEN", 3)),
]


def comparable(engine: Engine) -> dict[tuple[int, bytes], tuple[object, ...]]:
    found = contents_of(engine)
    for database in engine.keyspace.databases:
        for key, value in database.data.items():
            if isinstance(value, StreamValue):
                found[database.index, key] = (value.type_name, *made(value), database.expires.get(key))
    return found


class TestWhatItMakes:
    @given(value=streams())
    def test_of_a_stream_all_but_when_consumers_were_seen(self, value: StreamValue) -> None:
        engine = Engine(clock=ManualClock(LATE))
        engine.keyspace.databases[0].set_value(b"key", value)
        (again,) = loaded(base_of(engine), LATE).keyspace.databases[0].data.values()
        assert made(again) == made(value)

    def test_of_everything_else(self) -> None:
        client = filled()
        again = loaded(base_of(client.engine, 1))
        assert comparable(again) == comparable(client.engine)
        assert [library.code for library in again.libraries] == [
            library.code for library in client.engine.libraries
        ]

    @settings(max_examples=60)
    @given(value=streams())
    def test_of_a_stream_on_real_servers(
        self, valkey: RealServer, redis_server: RealServer | None, value: StreamValue
    ) -> None:
        engine = Engine(clock=ManualClock(LATE))
        engine.keyspace.databases[0].set_value(b"command-base", value)
        now = int(time.time() * 1000)
        for server in filter(None, (valkey, redis_server)):
            client = RealClient(server.port)
            client.execute("DEL", "command-base")
            data = base_of(engine)
            client.send_packed(data)
            for _ in range(data.count(b"\r\n*") + 1):
                assert not isinstance(client.receive(), Exception)
            again = load_payload(client.execute("DUMP", "command-base"))
            client.execute("DEL", "command-base")
            client.close()
            assert isinstance(again, StreamValue)
            assert made(again, now) == made(value, now)


class TestSlices:
    @pytest.mark.parametrize("as_image", [False, True], ids=["commands", "image"])
    @pytest.mark.parametrize("between", [1, 3, 10])
    def test_it_is_of_one_moment_whatever_changes(self, between: int, as_image: bool) -> None:
        client = filled()
        expected = comparable(client.engine)
        writer = FileWriter(RDB_VERSION_FIELD_EXPIRY) if as_image else CommandWriter()
        image = Snapshot(client.engine, writer, {})
        slices: list[bytes] = []
        while not image.finished:
            slices.append(image.next_slice(2000))
            if len(slices) % between == 0:
                database, *commands = CHANGES[len(slices) // between % len(CHANGES)]
                client.execute("SELECT", database)
                for command in commands:
                    client.execute(*command)
        # A piece has 16 kB, and the command on which it ends; behind a large value what was kept while it was written.
        assert max(map(len, slices)) < 300_000
        assert comparable(loaded(b"".join(slices))) == expected

    def test_a_key_written_while_a_large_one_of_another_database_is(self) -> None:
        client = EngineClient()
        client.execute("RPUSH", "list", *range(20_000))
        client.execute("SELECT", 4)
        client.execute("SET", "other", 1)
        expected = comparable(client.engine)
        image = Snapshot(client.engine, CommandWriter(), {})
        slices = []
        while not any(b"RPUSH" in piece for piece in slices):
            slices.append(image.next_slice(1))
        client.execute("SET", "other", 2)
        client.execute("FLUSHALL")
        while not image.finished:
            slices.append(image.next_slice(1000))
        assert comparable(loaded(b"".join(slices))) == expected


class TestTheLog:
    def test_its_base_is_what_the_directive_says_at_each_rewrite(self) -> None:
        storage = FragileStorage()
        logged = Logged(storage, aof_use_rdb_preamble="no", aof_timestamp_enabled="yes")
        assert bytes(storage.files[BASE.format(1)]) == b"#TS:1700000000\r\n"
        logged.execute("SET", "key", "value")
        logged.rewrite(lambda: logged.execute("APPEND", "key", "x"))
        assert bytes(storage.files[BASE.format(2)]).endswith(b"\r\n$3\r\nSET\r\n$3\r\nkey\r\n$5\r\nvalue\r\n")
        expected = logged.data()
        assert Logged(storage.after_death()).data() == expected
        logged.execute("CONFIG", "SET", "aof-use-rdb-preamble", "yes")
        logged.rewrite()
        assert storage.files[BASE.format(3).removesuffix("aof") + "rdb"].startswith(b"REDIS")
        assert BASE.format(2) not in storage.files
        assert Logged(storage.after_death()).data() == expected


def readings(client: RealClient | EngineClient) -> dict[tuple[int, bytes], Any]:
    """All values as DUMP tells them, in whatever encoding; streams as far as commands make them."""
    engine = Engine(clock=ManualClock())
    for database in engine.keyspace.databases:
        client.execute("SELECT", database.index)
        for key in client.execute("KEYS", "*"):
            database.set_value(key, load_payload(client.execute("DUMP", key)))
            when = client.execute("PEXPIRETIME", key)
            if when >= 0:
                database.set_expiry(key, when)
    assert client.execute("FCALL", "f", 0) == 7
    return comparable(engine)


@pytest.mark.parametrize("binary", BINARIES, ids=lambda path: Path(path).name)
def test_a_base_goes_to_a_real_server_and_comes_back(binary: str, tmp_path: Path) -> None:
    has_field_expiry = binary == valkey_binary()
    client = filled()
    client.execute("SELECT", 3)
    if not has_field_expiry:
        client.execute("HPERSIST", "going", "FIELDS", 100, *(f"f{number}" for number in range(100)))
    client.execute("SELECT", 0)
    client.execute("DEL", "gone")
    logged, storage = opened(tmp_path, aof_use_rdb_preamble="no")
    replayer = Replayer(logged.engine, "filled")
    replayer.feed(base_of(client.engine))
    assert not replayer.finish().errors
    logged.rewrite(lambda: logged.execute("SET", "between", "the slices"), limit=4096)
    expected = readings(logged.client)
    assert len(expected) == 15
    closed(logged, storage)
    assert (tmp_path / BASE.format(2)).exists()
    arguments = ("--dir", str(tmp_path), "--appendonly", "yes", "--aof-use-rdb-preamble", "no")
    with run_server(binary, *arguments) as server:
        real = RealClient(server.port)
        assert readings(real) == expected
        assert real.execute("BGREWRITEAOF")[:10] == b"Background"
        deadline = time.monotonic() + 60
        while b"aof_rewrite_in_progress:0" not in real.execute("INFO", "persistence"):
            assert time.monotonic() < deadline
        # What of a stream is pending and has gone has no commands there.
        real.execute("SELECT", 9)
        theirs = readings(real)
        real.close()
    assert (tmp_path / BASE.format(3)).exists()
    logged, storage = opened(tmp_path)
    found = readings(logged.client)
    assert {key for key, reading in found.items() if reading != theirs[key]} <= {(9, b"stream")}
    assert found[9, b"stream"][:3] == theirs[9, b"stream"][:3]
    closed(logged, storage)
