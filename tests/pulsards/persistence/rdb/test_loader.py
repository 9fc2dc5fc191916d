"""What a file holds, in an engine."""

from __future__ import annotations

from pathlib import Path

import pytest

from anystore.pulsards.engine import Engine
from anystore.pulsards.persistence.rdb import (
    Aux,
    Entry,
    FunctionSource,
    Loader,
    RdbError,
    SelectedDatabase,
    lowest_version,
)
from tests.pulsards.peers import EngineClient
from tests.pulsards.persistence.rdb.files import events_of
from tests.pulsards.persistence.rdb.values import hash_of

LIBRARY = b"#!lua name=one\nredis.register_function('f', function() return 7 end)"


class TestEntries:
    def test_keys_with_and_without_time_to_live(self) -> None:
        client = EngineClient()
        loader = Loader(client.engine)
        later = client.engine.keyspace.now + 60_000
        loader.take(Entry(0, b"a", b"1", later))
        loader.take(Entry(3, b"b", b"2"))
        assert client.execute("PEXPIRETIME", "a") == later
        assert client.execute("SELECT", 3) == b"OK"
        assert client.execute("GET", "b") == b"2"
        assert (loader.loaded, loader.expired) == (2, 0)

    def test_expired_ones_are_dropped_or_kept(self) -> None:
        client = EngineClient()
        past = client.engine.keyspace.now - 1
        loader = Loader(client.engine)
        loader.take(Entry(0, b"a", b"1", past))
        assert (loader.loaded, loader.expired) == (0, 1)
        assert not client.engine.keyspace.databases[0].data
        Loader(client.engine, keep_expired=True).take(Entry(0, b"a", b"1", past))
        assert client.engine.keyspace.databases[0].data == {b"a": b"1"}

    def test_fields_go_when_their_time_is_up(self) -> None:
        client = EngineClient()
        value = hash_of({b"f": b"1", b"g": b"2"})
        value.expire_at(b"f", client.engine.keyspace.now - 1)
        Loader(client.engine).take(Entry(0, b"h", value))
        assert client.execute("HGETALL", "h") == [b"g", b"2"]

    def test_a_key_that_is_there_is_an_error_or_replaced(self) -> None:
        client = EngineClient()
        client.execute("SET", "k", "old", "EX", 100)
        with pytest.raises(RdbError, match="twice"):
            Loader(client.engine).take(Entry(0, b"k", b"new"))
        Loader(client.engine, replace=True).take(Entry(0, b"k", b"new"))
        assert client.execute("GET", "k") == b"new"
        assert client.execute("TTL", "k") == -1

    def test_nobody_is_told_and_nothing_counts_as_changed(self) -> None:
        client = EngineClient(notify_keyspace_events="KEAn")
        client.execute("SUBSCRIBE", "__keyspace@0__:k")
        Loader(client.engine).take(Entry(0, b"k", b"v", client.engine.keyspace.now + 1000))
        client.engine.flush()
        assert client.receive() is NotImplemented
        assert client.engine.keyspace.dirty == 0
        assert client.engine.keyspace.notify_classes

    def test_idle_time(self) -> None:
        client = EngineClient(maxmemory_policy="allkeys-lru")
        Loader(client.engine).take(Entry(0, b"k", b"v", None, 500, None))
        assert client.execute("OBJECT", "IDLETIME", "k") == 500

    def test_frequency(self) -> None:
        client = EngineClient(maxmemory_policy="allkeys-lfu")
        Loader(client.engine).take(Entry(0, b"k", b"v", None, 500, 77))
        assert client.execute("OBJECT", "FREQ", "k") == 77

    def test_memory_is_counted(self) -> None:
        client = EngineClient(maxmemory="100mb", maxmemory_policy="allkeys-lru")
        before = client.engine.keyspace.used
        Loader(client.engine).take(Entry(0, b"k", b"v" * 10_000))
        assert client.engine.keyspace.used > before + 10_000

    def test_a_database_that_is_not_there(self) -> None:
        loader = Loader(Engine())
        for event in (SelectedDatabase(16), Entry(16, b"k", b"v")):
            with pytest.raises(RdbError, match="database 16, and there are 16 here"):
                loader.take(event)
        loader.take(SelectedDatabase(15))


class TestOtherEvents:
    def test_what_the_file_says_of_itself_is_kept(self) -> None:
        loader = Loader(Engine())
        loader.take(Aux(b"repl-offset", b"12"))
        assert loader.aux == {b"repl-offset": b"12"}

    def test_functions(self) -> None:
        client = EngineClient()
        Loader(client.engine).take(FunctionSource(LIBRARY))
        assert client.execute("FCALL", "f", 0) == 7
        with pytest.raises(RdbError, match="already exists"):
            Loader(client.engine).take(FunctionSource(LIBRARY))
        Loader(client.engine, replace=True).take(FunctionSource(LIBRARY.replace(b"7", b"8")))
        assert client.execute("FCALL", "f", 0) == 8


class TestLowestVersion:
    def test_field_expiry_decides(self) -> None:
        client = EngineClient()
        client.execute("HSET", "h", "f", 1, "g", 2)
        assert lowest_version(client.engine.keyspace) == 10
        client.execute("HEXPIRE", "h", 100, "FIELDS", 1, "f")
        assert lowest_version(client.engine.keyspace) == 12
        assert lowest_version(client.engine.keyspace, for_valkey=True) == 80
        client.execute("DEL", "h")
        assert lowest_version(client.engine.keyspace) == 10


class TestAFileOfRedis62:
    """A real one: what Redis wrote before there were listpacks (`redis-6.2.dump`, RDB version 9)."""

    @pytest.mark.parametrize("size", [1, 1 << 20])
    def test_everything_is_there(self, size: int) -> None:
        client = EngineClient()
        loader = Loader(client.engine)
        for event in events_of((Path(__file__).parent / "redis-6.2.dump").read_bytes(), size):
            loader.take(event)
        assert loader.aux[b"redis-ver"] == b"6.2.5"
        assert loader.loaded == 13
        execute = client.execute
        assert execute("MGET", "text", "number", "long", "later") == [b"plain", b"-70000", b"abc" * 200, b"v"]
        assert execute("PEXPIRETIME", "later") == 4_000_000_000_000
        assert execute("LRANGE", "list", 0, -1) == [
            word for n in range(6) for word in (b"e%d" % n, b"%d" % ((-1) ** n * 20**n))
        ]
        assert sorted(execute("SMEMBERS", "intset")) == [b"-3", b"1", b"70000"]
        assert sorted(execute("SMEMBERS", "set")) == [b"5", b"a", b"b"]
        assert execute("ZRANGE", "zset ziplist", 0, -1, "WITHSCORES") == [
            b"b",
            b"-2",
            b"a",
            b"1.5",
            b"c",
            b"inf",
        ]
        assert execute("ZRANGE", "zset", 0, -1) == [b"m%d" % n for n in range(6)]
        assert execute("ZSCORE", "zset", "m3") == b"0.75"
        assert execute("HGETALL", "hash ziplist") == [b"f", b"v", b"g", b"-5"]
        assert execute("HMGET", "hash", "f0", "f5") == [b"v0", b"v5"]
        assert execute("XRANGE", "stream", "-", "+") == [
            [b"%d-1" % n, [b"field", b"%d" % n]] for n in (1, 2, 3, 4, 6, 7)
        ]
        assert execute("XPENDING", "stream", "group") == [2, b"1-1", b"3-1", [[b"alice", b"2"]]]
        assert execute("SELECT", 9) == b"OK"
        assert execute("GET", "elsewhere") == b"1"
