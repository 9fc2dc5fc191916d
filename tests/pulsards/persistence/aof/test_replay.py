"""One file, loaded into an engine: an image, commands, units, and what is refused."""

from __future__ import annotations

from pathlib import Path

import hiredis
import pytest
from hypothesis import given
from hypothesis import strategies as st

from anystore.pulsards.clock import ManualClock
from anystore.pulsards.persistence.aof.records import AofError
from anystore.pulsards.persistence.aof.replay import Replayed, Replayer
from anystore.pulsards.persistence.storage import DirectoryStorage
from tests.pulsards.peers import Argument, EngineClient
from tests.pulsards.persistence.aof.logged import Logged


def packed(*commands: tuple[Argument, ...]) -> bytes:
    return b"".join(map(hiredis.pack_command, commands))


def replay(client: EngineClient, data: bytes, size: int = 10_000) -> Replayed:
    replayer = Replayer(client.engine, "file")
    for begin in range(0, len(data), size):
        replayer.feed(data[begin : begin + size])
    return replayer.finish()


def fault_or_end(client: EngineClient, data: bytes, size: int) -> int:
    """How far a file can be gone by."""
    try:
        return replay(client, data, size).valid
    except AofError as error:
        return error.offset


def an_image() -> bytes:
    client = EngineClient()
    client.execute("RPUSH", "list", "a", "b")
    client.execute("SELECT", 3)
    client.execute("SET", "key", "value", "PXAT", 1_700_000_100_000)
    return client.engine.saver.take_image(of_log=True).next_slice(10**9)


SAMPLE = an_image() + packed(
    *(
        ("SELECT", 1),
        ("RPUSH", "list", "a", "b"),
        ("MULTI",),
        ("SET", "a", 1),
        ("HSET", "h", "f", "v"),
        ("EXEC",),
    ),
    *(("XADD", "s", "1-1", "f", "v"), ("ZADD", "z", 1.5, "m"), ("PEXPIREAT", "list", 1_700_000_100_000)),
)


class TestCommands:
    @pytest.mark.parametrize("size", [1, 10_000])
    def test_each_runs_in_its_database(self, size: int) -> None:
        client = EngineClient()
        data = packed(("SELECT", 2), ("SET", "a", 1), ("SELECT", 0), ("SET", "b", 2))
        assert replay(client, data, size) == Replayed(len(data), len(data), 2, 0, None)
        assert client.execute("GET", "b") == b"2"
        client.execute("SELECT", 2)
        assert client.execute("KEYS", "*") == [b"a"]

    def test_a_unit_runs_when_it_is_whole(self) -> None:
        client = EngineClient()
        before = packed(("SET", "a", 1))
        data = before + packed(("MULTI",), ("INCR", "a"), ("SELECT", 1), ("INCR", "a"))
        whole = data + packed(("EXEC",))
        for length in range(len(before), len(whole)):
            client = EngineClient()
            replayed = replay(client, whole[:length])
            assert (replayed.valid, replayed.is_cut) == (len(before), length != len(before))
            assert client.execute("GET", "a") == b"1"
        assert not replay(client, whole).is_cut
        assert client.execute("GET", "a") == b"2"

    def test_annotations_are_valid_and_the_last_is_told(self) -> None:
        data = b"#TS:1700000000\r\n" + packed(("SET", "a", 1)) + b"#TS:1700000007\r\n"
        assert replay(EngineClient(), data) == Replayed(len(data), len(data), 1, 0, 1700000007)

    def test_what_is_past_is_there_until_the_file_says_otherwise(self) -> None:
        clock = ManualClock()
        client = EngineClient(clock=clock)
        client.engine.keyspace.follows = True
        data = packed(("SET", "n", 5, "PXAT", 1), ("INCR", "n"), ("PERSIST", "n"), ("SET", "m", 5, "PXAT", 1))
        replay(client, data)
        client.engine.keyspace.follows = False
        assert client.execute("GET", "n") == b"6"
        assert client.execute("GET", "m") is None

    def test_errors_of_commands_are_counted_and_told(self, caplog: pytest.LogCaptureFixture) -> None:
        data = packed(("SET", "a", "x"), ("LPUSH", "a", "y"), ("SET", "b", 1))
        assert replay(EngineClient(), data).errors == 1
        assert "lpush" in caplog.text.lower()
        assert "WRONGTYPE" in caplog.text
        assert "1 commands of 3 were refused" in caplog.text

    def test_commands_that_wait_do_not(self) -> None:
        client = EngineClient()
        replay(client, packed(("BLPOP", "none", 0), ("SET", "a", 1)))
        assert client.execute("GET", "a") == b"1"


class TestImages:
    @pytest.mark.parametrize("size", [1, 7, 10_000])
    def test_commands_follow_it(self, size: int) -> None:
        client = EngineClient(clock=ManualClock())
        data = an_image() + packed(("RPUSH", "list", "c"))
        assert replay(client, data, size) == Replayed(len(data), len(data), 1, 0, None)
        assert client.execute("LRANGE", "list", 0, -1) == [b"a", b"b", b"c"]
        client.execute("SELECT", 3)
        assert client.execute("PEXPIRETIME", "key") == 1_700_000_100_000

    def test_what_is_cut_behind_it(self) -> None:
        image = an_image()
        replayed = replay(EngineClient(), image + packed(("SET", "a", 1))[:-3])
        assert (replayed.valid, replayed.is_cut) == (len(image), True)

    def test_one_that_is_cut_is_refused_at_every_byte(self) -> None:
        image = an_image()
        client = EngineClient()
        for length in range(1, len(image)):
            client.engine.keyspace.flush_all()
            for size in (1, length):
                with pytest.raises(AofError, match="in the RDB image"):
                    replay(client, image[:length], size)

    def test_one_that_is_damaged_is_refused_with_the_offset(self) -> None:
        image = bytearray(an_image())
        image[-1] ^= 1
        with pytest.raises(AofError, match="in the RDB image"):
            replay(EngineClient(), bytes(image))


class TestRefused:
    @pytest.mark.parametrize(
        ("commands", "reason"),
        [
            ([("NOSUCH", "a")], "unknown command"),
            ([("SET", "a")], "wrong number of arguments"),
            ([("SELECT", 16)], "no database '16'"),
            ([("SELECT", "x")], "no database 'x'"),
            ([("SELECT",)], "no database"),
            ([("EXEC",)], "without a MULTI"),
        ],
    )
    def test_the_offset_is_named(self, commands: list[tuple[Argument, ...]], reason: str) -> None:
        client = EngineClient()
        before = packed(("SET", "before", 1))
        with pytest.raises(AofError, match=reason) as refused:
            replay(client, before + packed(*commands, ("SET", "after", 1)))
        assert refused.value.offset == len(before)
        assert client.execute("KEYS", "*") == [b"before"]

    def test_within_a_transaction_too(self) -> None:
        before = packed(("MULTI",), ("SET", "before", 1))
        with pytest.raises(AofError, match="unknown command") as refused:
            replay(EngineClient(), before + packed(("NOSUCH", "a"), ("EXEC",)))
        assert refused.value.offset == len(before)

    def test_a_multi_within_a_multi(self) -> None:
        with pytest.raises(AofError, match="within a MULTI"):
            replay(EngineClient(), packed(("MULTI",), ("MULTI",)))


def test_debug_loadaof(tmp_path: Path) -> None:
    storage = DirectoryStorage(str(tmp_path))
    logged = Logged(storage)
    logged.execute("SET", "a", 1)
    logged.engine.keyspace.databases[0].data[b"unlogged"] = b"x"
    assert logged.execute("DEBUG", "LOADAOF") == b"OK"
    assert logged.execute("KEYS", "*") == [b"a"]
    logged.execute("INCR", "a")
    assert logged.execute("DEBUG", "LOADAOF") == b"OK"
    assert logged.execute("GET", "a") == b"2"
    logged.append_only.stop()
    assert logged.execute("DEBUG", "LOADAOF")[1].startswith("ERR Error trying to load the AOF")
    storage.close()


def test_debug_loadaof_of_a_manifest_with_names_of_no_characters(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    storage = DirectoryStorage(str(tmp_path))
    logged = Logged(storage)
    logged.execute("SET", "a", 1)
    [manifest] = tmp_path.glob("*/*.manifest")
    manifest.write_bytes(manifest.read_bytes().replace(b"file appendonly", b"file \xc1ppendonly"))
    assert logged.execute("DEBUG", "LOADAOF")[1].startswith("ERR Error trying to load the AOF")
    assert r"names the file \udcc1ppendonly" in caplog.text
    storage.close()


@given(st.data())
def test_a_hostile_file_is_loaded_or_refused(draw: st.DataObject) -> None:
    client = EngineClient(clock=ManualClock())
    data = bytearray(SAMPLE)
    for _ in range(draw.draw(st.integers(1, 4))):
        at = draw.draw(st.integers(0, len(data) - 1))
        kind = draw.draw(st.sampled_from(["change", "remove", "repeat", "insert"]))
        if kind == "change":
            data[at] = draw.draw(st.integers(0, 255))
        elif kind == "remove":
            del data[at : at + draw.draw(st.integers(1, 20))]
            data += b"x"
        elif kind == "repeat":
            data[at:at] = data[: draw.draw(st.integers(1, 200))]
        else:
            data[at:at] = draw.draw(st.binary(min_size=1, max_size=20))
    size = draw.draw(st.sampled_from([1, 13, 10_000]))
    assert 0 <= fault_or_end(client, bytes(data), size) <= len(data)
