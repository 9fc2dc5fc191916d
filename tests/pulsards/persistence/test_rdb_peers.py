"""Files from here to a real server and back: the same keys, values, times to live and functions."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from anystore.pulsards.datatypes import HashValue, SortedSetValue, StreamValue
from anystore.pulsards.persistence.rdb import (
    Aux,
    Entry,
    FileReader,
    FileWriter,
    FunctionSource,
    Header,
    Loader,
    Value,
    dump_payload,
    load_payload,
    lowest_version,
)
from tests.pulsards.peers import EngineClient, RealClient
from tests.pulsards.persistence.rdb.files import events_of
from tests.pulsards.persistence.rdb.test_streams import content as stream_content
from tests.pulsards.persistence.rdb.test_streams import streams
from tests.pulsards.persistence.rdb.values import content, texts, values
from tests.servers import binaries, run_server, valkey_binary

LIBRARY = b"#!lua name=%b\nredis.register_function('%b', function() return 7 end)"
#: In milliseconds since 1970: so late that nothing expires while a test runs.
LATE = 4_000_000_000_000
BINARIES = binaries()


class Peer:
    """A real server that reads a file, and writes it anew."""

    def __init__(self, port: int, folder: Path) -> None:
        self.client = RealClient(port)
        self.file = folder / "dump.rdb"

    def through(self, data: bytes) -> bytes:
        self.file.write_bytes(data)
        assert self.client.execute("DEBUG", "RELOAD", "NOSAVE") == b"OK"
        assert self.client.execute("SAVE") == b"OK"
        return self.file.read_bytes()


@contextmanager
def peer(binary: str, folder: Path, *options: str) -> Iterator[Peer]:
    folder.mkdir()
    with run_server(binary, "--dir", str(folder), *options) as server:
        found = Peer(server.port, folder)
        yield found
        found.client.close()


@pytest.fixture(scope="module", params=BINARIES)
def server(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Peer]:
    with peer(BINARIES[request.param], tmp_path_factory.mktemp("peer") / "data") as found:
        yield found


def plain(value: Value) -> Any:
    if isinstance(value, StreamValue):
        return "stream", stream_content(value)
    if isinstance(value, SortedSetValue):
        return "zset", sorted(value.items_slice(0, len(value)))
    return type(value).__name__.replace("bytearray", "bytes"), content(value)


def image(entries: dict[bytes, tuple[Value, int | None]], libraries: int, compress: bool) -> bytes:
    writer = FileWriter(compress=compress)
    parts = [writer.header({b"redis-ver": b"7.0.0"})]
    parts += [writer.function(LIBRARY % (b"l%d" % number, b"f%d" % number)) for number in range(libraries)]
    parts.append(writer.database(2, len(entries), 0))
    parts += [writer.entry(key, value, expires) for key, (value, expires) in entries.items()]
    return b"".join([*parts, writer.end()])


class TestRandomData:
    @settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.too_slow])
    @given(
        entries=st.dictionaries(
            texts, st.tuples(values | streams(), st.none() | st.integers(LATE, LATE * 2)), max_size=12
        ),
        libraries=st.integers(0, 2),
        compress=st.booleans(),
    )
    def test_s16_there_and_back(
        self,
        server: Peer,
        entries: dict[bytes, tuple[Value, int | None]],
        libraries: int,
        compress: bool,
    ) -> None:
        theirs = server.through(image(entries, libraries, compress))
        server.client.execute("SELECT", 2)
        assert server.client.execute("DBSIZE") == len(entries)
        client = EngineClient()
        loader = Loader(client.engine)
        for event in events_of(theirs, 4096):
            loader.take(event)
        assert client.engine.libraries.function_count == libraries
        database = client.engine.keyspace.databases[2]
        assert database.data.keys() == entries.keys()
        for key, (value, expires) in entries.items():
            assert plain(database.data[key]) == plain(value)
            assert database.expires.get(key) == expires
            dumped = server.client.execute("DUMP", key)
            assert plain(load_payload(dumped)) == plain(load_payload(dump_payload(value)))

    def test_lfu_and_idle_time(self, server: Peer) -> None:
        writer = FileWriter()
        data = writer.header({}) + writer.database(0, 2, 0)
        data += writer.entry(b"idle", b"v", None, 1000) + writer.entry(b"often", b"v", None, None, 200)
        data += writer.end()
        execute = server.client.execute
        execute("SELECT", 0)
        execute("CONFIG", "SET", "maxmemory-policy", "allkeys-lru")
        found = {event.key: event for event in events_of(server.through(data)) if isinstance(event, Entry)}
        assert execute("OBJECT", "IDLETIME", "idle") in range(1000, 1100)
        idle = found[b"idle"].idle_seconds
        assert idle is not None
        assert 900 <= idle <= 1100
        execute("CONFIG", "SET", "maxmemory-policy", "allkeys-lfu")
        found = {event.key: event for event in events_of(server.through(data)) if isinstance(event, Entry)}
        frequency = found[b"often"].frequency
        assert frequency is not None
        assert 190 <= frequency <= 200
        execute("CONFIG", "SET", "maxmemory-policy", "noeviction")


class TestWhatTheServersWrite:
    def test_s16_every_encoding(self, server: Peer) -> None:
        execute = server.client.execute
        execute("FLUSHALL")
        execute("FUNCTION", "FLUSH")
        execute("FUNCTION", "LOAD", LIBRARY % (b"lib", b"fun"))
        execute("SELECT", 0)
        for size in (3, 600):
            numbers = range(size)
            execute("RPUSH", f"list{size}", *(f"element {number}" for number in numbers))
            execute("SADD", f"intset{size}", *numbers)
            execute("SADD", f"set{size}", *(f"member {number}" for number in numbers))
            execute("ZADD", f"zset{size}", *(word for n in numbers for word in (n / 3, f"m{n}")))
            execute("HSET", f"hash{size}", *(word for n in numbers for word in (f"f{n}", f"v{n}" * 9)))
            for number in numbers:
                execute("XADD", f"stream{size}", f"{number + 1}-1", "field", number, "other", "x" * number)
        execute("SET", "number", -70000)
        execute("SET", "compressed", "abc" * 1000, "PXAT", LATE)
        execute("RPUSH", "plain", b"y" * 20_000, "1")
        execute("XDEL", "stream600", "5-1")
        execute("XGROUP", "CREATE", "stream600", "group", "0")
        execute("XREADGROUP", "GROUP", "group", "alice", "COUNT", "10", "STREAMS", "stream600", ">")
        execute("PFADD", "hll", *range(1000))
        for compression in ("yes", "no"):
            execute("CONFIG", "SET", "rdbcompression", compression)
            assert execute("SAVE") == b"OK"
            data = server.file.read_bytes()
            client = EngineClient()
            loader = Loader(client.engine)
            for event in events_of(data, 1000):
                loader.take(event)
            assert b"ctime" in loader.aux
            assert client.execute("FCALL", "fun", 0) == 7
            keys = sorted(execute("KEYS", "*"))
            assert sorted(client.execute("KEYS", "*")) == keys
            for key in keys:
                assert client.execute("PEXPIRETIME", key) == execute("PEXPIRETIME", key)
                theirs = plain(load_payload(execute("DUMP", key)))
                assert plain(client.engine.keyspace.databases[0].data[key]) == theirs

    def test_without_a_check_sum(self, tmp_path: Path) -> None:
        with peer(valkey_binary(), tmp_path / "data", "--rdbchecksum", "no") as valkey:
            valkey.client.execute("SET", "k", "v")
            valkey.client.execute("SAVE")
            data = valkey.file.read_bytes()
        assert data[-8:] == bytes(8)
        assert [event.value for event in events_of(data) if isinstance(event, Entry)] == [b"v"]


class TestFieldExpiry:
    def test_with_valkey(self, tmp_path: Path) -> None:
        client = EngineClient()
        client.execute("HSET", "h", *range(20))
        client.execute("HPEXPIREAT", "h", LATE, "FIELDS", 2, "2", "4")
        keyspace = client.engine.keyspace
        assert lowest_version(keyspace, for_valkey=True) == 80
        writer = FileWriter(80)
        value = keyspace.databases[0].data[b"h"]
        data = writer.header({}) + writer.database(0, 1, 0) + writer.entry(b"h", value, None) + writer.end()
        with peer(valkey_binary(), tmp_path / "data") as valkey:
            theirs = valkey.through(data)
            assert valkey.client.execute("HPEXPIRETIME", "h", "FIELDS", 3, "2", "4", "6") == [LATE, LATE, -1]
        reader = FileReader()
        found = list(reader.feed(theirs))
        assert found[0] == Header(80, True)
        assert {event.name for event in found if isinstance(event, Aux)} >= {b"valkey-ver", b"ctime"}
        assert not [event for event in found if isinstance(event, FunctionSource)]
        [entry] = [event for event in found if isinstance(event, Entry)]
        assert isinstance(entry.value, HashValue)
        assert plain(entry.value) == plain(value)


class TestAStartOnOurFile:
    @pytest.mark.parametrize("name", BINARIES)
    def test_it_is_taken_as_its_own(self, name: str, tmp_path: Path) -> None:
        folder = tmp_path / "data"
        folder.mkdir()
        data = image({b"k": (b"v", LATE), b"l": (b"w" * 500, None)}, 1, compress=True)
        (folder / "dump.rdb").write_bytes(data)
        with run_server(BINARIES[name], "--dir", str(folder)) as running:
            client = RealClient(running.port)
            client.execute("SELECT", 2)
            assert client.execute("MGET", "k", "l") == [b"v", b"w" * 500]
            assert client.execute("PEXPIRETIME", "k") == LATE
            assert client.execute("FCALL", "f0", 0) == 7
            client.close()
