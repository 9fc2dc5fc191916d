from __future__ import annotations

import gc
from fnmatch import fnmatchcase
from functools import cache
from typing import Final

import pytest
from hypothesis import HealthCheck, Phase, example, given, settings
from hypothesis import strategies as st

from anystore.pulsards.clock import ManualClock
from anystore.pulsards.engine import Engine
from anystore.pulsards.persistence import snapshot
from anystore.pulsards.persistence.rdb import FileReader, FileWriter, Loader, large_values
from anystore.pulsards.persistence.rdb.types import RDB_VERSION_FIELD_EXPIRY
from anystore.pulsards.persistence.snapshot import Part, Snapshot
from tests.pulsards.call_values import commands_of_pulsards, world
from tests.pulsards.calls import Call, CallMaker
from tests.pulsards.peers import EngineClient
from tests.pulsards.persistence.images import Recorder, contents_of, data_of

#: What ends the client or the server, or is about neither's data.
_LEFT_OUT: Final = (
    "shutdown quit monitor debug client|* config|* acl|* auth hello failover replicaof slaveof sync psync"
)


class Stage:
    """An engine with some data of each type, a client, and an image that is being taken."""

    def __init__(self) -> None:
        self.clock = ManualClock()
        self.client = EngineClient(Engine(clock=self.clock))
        self.engine = self.client.engine
        self.recorder = Recorder()

    def fill(self) -> None:
        for command in world(commands_of_pulsards()):
            self.client.execute(*command)
        self.client.execute("SELECT", 1)
        self.client.execute("MSET", *(word for number in range(20) for word in (f"k{number}", number)))
        self.client.execute("SELECT", 0)
        self.client.execute("EXPIRE", "list", 2)
        self.client.execute("HPEXPIRE", "hash", 1500, "FIELDS", 1, "a")

    def begin(self) -> Snapshot:
        return Snapshot(self.engine, self.recorder, {b"a": b"b"})

    def call(self, call: Call) -> None:
        self.client.send(*call)
        if self.client.session.waiter is not None:
            self.client.session.unpark(None)
            self.engine.flush()
        while self.client.receive() is not NotImplemented:
            pass

    def pass_time(self, seconds: float) -> None:
        self.clock.advance(seconds)
        self.engine.run_due()
        self.engine.flush()


@cache
def numbers_below(count: int) -> st.SearchStrategy[int]:
    return st.integers(0, count - 1)


def callable_commands() -> list[str]:
    return [
        name
        for name in commands_of_pulsards()
        if not any(fnmatchcase(name, pattern) for pattern in _LEFT_OUT.split())
    ]


def loaded(data: bytes) -> Engine:
    """An engine with what is in a file, be it expired or not."""
    engine = Engine(clock=ManualClock())
    reader, loader = FileReader(), Loader(engine, keep_expired=True)
    for event in reader.feed(data):
        loader.take(event)
    reader.finish()
    return engine


@st.composite
def steps(draw: st.DrawFn) -> list[Call | int | float]:
    """Calls; numbers of bytes to be taken of the image; seconds that pass."""
    maker = CallMaker(lambda count: draw(numbers_below(count)), callable_commands())
    found: list[Call | int | float] = []
    for _ in range(draw(st.integers(1, 12))):
        kind = draw(numbers_below(8))
        if kind < 5:
            call = maker.call()
            found.append(maker.passed_on(call) if maker.chance(6) else call)
        elif kind < 7:
            found.append(draw(st.integers(1, 400)))
        else:
            found.append(draw(st.sampled_from([0.001, 0.7, 3.0, 200.0])))
    return found


def split(*texts: str) -> list[Call | int | float]:
    return [[word.encode() for word in text.split()] for text in texts]


class TestEverySequenceOfCommands:
    @settings(
        max_examples=150,
        database=None,
        deadline=None,
        suppress_health_check=list(HealthCheck),
        phases=[Phase.explicit, Phase.generate, Phase.shrink],
        print_blob=False,
    )
    @given(before=steps(), during=steps(), listed=st.booleans())
    @example(before=[], during=split("FLUSHALL", "SET s x", "SWAPDB 0 1"), listed=True)
    @example(
        before=[], during=split("SWAPDB 0 1", "FLUSHDB", "SWAPDB 1 2", "SELECT 2", "SET k1 x"), listed=False
    )
    @example(
        before=[], during=split("SWAPDB 0 1", "DEL k1", "SELECT 1", "DEL list", "RPUSH list a"), listed=False
    )
    @example(before=[], during=split("RENAME list m", "RPUSH m x", "MOVE hash 5", "DEL m"), listed=False)
    @example(before=[], during=[3.0, 1, *split("RPUSH list a")], listed=True)
    @example(
        before=split("SELECT 1"),
        during=[100, *split("FLUSHALL", "SET k1 x", "EXPIRE k1 10"), 50],
        listed=False,
    )
    @example(before=[], during=split("MSET list x new y", "DEL hash", "HSET hash f v"), listed=False)
    @example(before=[], during=[1.6, *split("HSET hash f v")], listed=True)
    @example(before=[], during=split("XREADGROUP GROUP g bob COUNT 1 STREAMS grouped >"), listed=True)
    @example(before=[], during=split("XACK grouped g 1-0", "XGROUP CREATECONSUMER stream g eve"), listed=True)
    @example(
        before=[], during=split("PFCOUNT hll", "EXPIRE ints 9", "PERSIST set", "GETEX str EX 5"), listed=True
    )
    def test_the_image_is_of_the_moment_at_which_it_was_begun(
        self, before: list[Call | int | float], during: list[Call | int | float], listed: bool
    ) -> None:
        # Whether keys are listed at once, or in slices, which large databases are.
        with pytest.MonkeyPatch.context() as patch:
            if not listed:
                patch.setattr(snapshot, "LISTED_AT_ONCE", 0)
                patch.setattr(snapshot, "_SORTED_AT_ONCE", 1)
                patch.setattr(snapshot, "_BYTES_PER_SORTED", 50)
            self.compare(before, during)

    @settings(
        max_examples=40,
        database=None,
        deadline=None,
        suppress_health_check=list(HealthCheck),
        phases=[Phase.explicit, Phase.generate, Phase.shrink],
        print_blob=False,
    )
    @given(before=steps(), during=steps())
    @example(before=[], during=[30, *split("XADD grouped * f v", "XREADGROUP GROUP g bob STREAMS grouped >")])
    @example(before=[], during=[60, *split("RPUSH list x", "ZADD zset 1 new", "HDEL hash a", "SADD set x")])
    @example(before=[], during=[60, *split("XACK grouped g 1-0", "SWAPDB 0 1", "DEL grouped")])
    def test_so_is_one_whose_values_are_written_in_pieces(
        self, before: list[Call | int | float], during: list[Call | int | float]
    ) -> None:
        stage = Stage()
        stage.fill()
        for step in before:
            self.take(stage, None, step)
        stage.call([b"UNSUBSCRIBE"])
        expected = contents_of(stage.engine)
        with pytest.MonkeyPatch.context() as patch:
            for name, number in (("LARGE_COUNT", 0), ("LARGE_BYTES", 2), ("_STEP", 1), ("_PIECE", 1)):
                patch.setattr(large_values, name, number)
            image = Snapshot(stage.engine, FileWriter(RDB_VERSION_FIELD_EXPIRY), {})
            pieces: list[bytes] = []
            for step in during:
                if isinstance(step, int):
                    pieces.append(image.next_slice(step))
                else:
                    self.take(stage, image, step)
            while not image.finished:
                pieces.append(image.next_slice(1))
        assert contents_of(loaded(b"".join(pieces))) == expected

    def compare(self, before: list[Call | int | float], during: list[Call | int | float]) -> None:
        stage = Stage()
        stage.fill()
        for step in before:
            self.take(stage, None, step)
        stage.call([b"UNSUBSCRIBE"])
        expected = data_of(stage.engine)
        functions = [library.code for library in stage.engine.libraries]
        image = stage.begin()
        for step in during:
            self.take(stage, image, step)
        while not image.finished:
            image.next_slice(100)
        assert stage.recorder.data == expected
        assert stage.recorder.functions == functions
        assert stage.engine.keyspace.images == ()
        assert {type(database.data) for database in stage.engine.keyspace.databases} == {dict}

    def take(self, stage: Stage, image: Snapshot | None, step: Call | int | float) -> None:
        if isinstance(step, list):
            stage.call(step)
        elif isinstance(step, float):
            stage.pass_time(step)
        elif image is not None:
            image.next_slice(step)


class TestWriting:
    def test_slices_are_about_as_long_as_wanted(self) -> None:
        stage = Stage()
        for number in range(3000):
            stage.client.execute("SET", f"key{number}", "v" * 50)
        image = stage.begin()
        sizes = []
        while not image.finished:
            sizes.append(len(image.next_slice(1000)))
        filled = [size for size in sizes if size]
        assert max(filled) < 1200
        assert len(filled) > 50
        assert image.written == image.total == 3000
        assert image.next_slice(1000) == b""

    def test_keys_are_sorted_in_slices_too(self) -> None:
        stage = Stage()
        for number in range(3000):
            stage.client.execute("SET", f"key{number}", "")
        image = stage.begin()
        image.next_slice(1)
        assert image.next_slice(1) == b""
        (part,) = image.parts.values()
        assert sum(map(len, part.buckets)) == 500
        image.cancel()

    def test_the_order_is_that_of_a_file(self) -> None:
        stage = Stage()
        stage.client.execute("SET", "a", 1, "EX", 100)
        stage.client.execute("FUNCTION", "LOAD", "#!lua name=l\nredis.register_function('f', function() end)")
        image = stage.begin()
        data = b"".join(iter(lambda: image.next_slice(10), b""))
        assert data.startswith(b"header#!lua name=l\n")
        assert data.endswith(b"end")
        assert stage.recorder.announced == {0: (1, 1)}

    def test_nothing_is_written_of_a_server_without_keys(self) -> None:
        stage = Stage()
        image = stage.begin()
        stage.client.execute("SET", "new", 1)
        assert image.next_slice(100) == b"headerend"
        assert image.finished
        assert stage.recorder.data == {}

    def test_what_is_written_ahead_is_counted(self) -> None:
        stage = Stage()
        stage.client.execute("SET", "a", "x" * 100)
        image = stage.begin()
        stage.client.execute("SET", "a", "y")
        assert image.written_ahead >= 20
        stage.client.execute("SET", "a", "z")
        image.next_slice(1000)
        assert image.written == 1

    @pytest.mark.parametrize(
        ("policy", "idle", "counted"),
        [("allkeys-lru", True, False), ("allkeys-lfu", False, True), ("noeviction", False, False)],
    )
    def test_what_eviction_goes_by_is_kept(self, policy: str, idle: bool, counted: bool) -> None:
        clock = ManualClock()
        client = EngineClient(clock=clock, maxmemory="1gb", maxmemory_policy=policy)
        client.execute("SET", "a", 1)
        clock.advance(30)
        client.engine.start_turn()

        class Both(Recorder):
            found: tuple[int | None, int | None] = (None, None)

            def entry(self, key, value, expires_at, idle_seconds=None, frequency=None):  # type: ignore[no-untyped-def]
                self.found = idle_seconds, frequency
                return b""

        recorder = Both()
        image = Snapshot(client.engine, recorder, {})
        image.next_slice(1000)
        assert recorder.found == (30 if idle else None, 5 if counted else None)


class TestSeveralAtOnce:
    def test_each_is_of_its_own_moment(self) -> None:
        stage = Stage()
        stage.client.execute("MSET", "a", 1, "b", 2)
        first, one = stage.begin(), data_of(stage.engine)
        stage.client.execute("MSET", "a", 3, "c", 4)
        other = Recorder()
        second, two = Snapshot(stage.engine, other, {}), data_of(stage.engine)
        stage.client.execute("FLUSHALL")
        for image in (first, second):
            while not image.finished:
                image.next_slice(1)
        assert stage.recorder.data == one
        assert other.data == two
        assert not any(database.images for database in stage.engine.keyspace.databases)

    def test_one_begins_while_the_keys_of_the_other_are_listed(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(snapshot, "LISTED_AT_ONCE", 0)
        stage = Stage()
        stage.fill()
        first, one = stage.begin(), data_of(stage.engine)
        stage.client.execute("SET", "new", 1)
        stage.client.execute("DEL", "list")
        other = Recorder()
        second, two = Snapshot(stage.engine, other, {}), data_of(stage.engine)
        stage.client.execute("SET", "newer", 1)
        stage.client.execute("DEL", "hash", "new")
        last = data_of(stage.engine)
        for image in (second, first):
            while not image.finished:
                image.next_slice(1)
        assert stage.recorder.data == one
        assert other.data == two
        assert data_of(stage.engine) == last


@pytest.mark.parametrize(
    "change",
    ["SET text new", "INCR number", "LPUSH list a", "HSET hash new v", "SADD set new", "ZADD zset 9 new"],
)
def test_a_change_in_one_step_is_told_before_it_is_made(change: str) -> None:
    stage = Stage()
    for command in (
        "SET text old",
        "SET number 7",
        "RPUSH list b",
        "HSET hash f v",
        "SADD set m",
        "ZADD zset 1 m",
    ):
        stage.client.execute(*command.split())
    image, before = stage.begin(), data_of(stage.engine)
    stage.client.execute(*change.split())
    assert image.written_ahead
    while not image.finished:
        image.next_slice(1)
    assert stage.recorder.data == before


class TestEnding:
    @pytest.mark.parametrize("after", ["", "FLUSHALL", "SWAPDB 0 1"])
    def test_cancelled_while_keys_are_listed(self, monkeypatch: pytest.MonkeyPatch, after: str) -> None:
        monkeypatch.setattr(snapshot, "LISTED_AT_ONCE", 0)
        stage = Stage()
        stage.fill()
        image = stage.begin()
        stage.client.execute("SET", "new", 1)
        stage.client.execute("DEL", "list")
        if after:
            stage.client.execute(*after.split())
        expected = data_of(stage.engine)
        image.cancel()
        assert data_of(stage.engine) == expected
        assert {type(database.data) for database in stage.engine.keyspace.databases} == {dict}

    def test_cancelling_lets_the_databases_be(self) -> None:
        stage = Stage()
        stage.client.execute("SET", "a", 1)
        image = stage.begin()
        assert all(database.images == (image,) for database in stage.engine.keyspace.databases)
        image.cancel()
        image.cancel()
        assert image.finished
        assert image.next_slice(10) == b""
        assert not any(database.images for database in stage.engine.keyspace.databases)
        stage.client.execute("SET", "a", 2)
        assert stage.recorder.data == {}


class TestParts:
    """What waits for its turn, key by key."""

    def part_of(self, stage: Stage) -> Part:
        for number in range(2000):
            stage.client.execute("SET", f"key{number}", number)
        return Part(stage.engine.keyspace.databases[0])

    @pytest.mark.parametrize("listed", [0, 700, 2000])
    def test_a_key_is_claimed_once_whether_it_is_listed_or_not(self, listed: int) -> None:
        part = self.part_of(Stage())
        part.sort(listed)
        assert [part.claim(b"key1"), part.claim(b"key1")] == [True, False]
        assert [part.claim(b"new"), part.claim(b"new")] == [False, False]
        while part.sort(300):
            assert not part.claim(b"key1")
        waiting = [key for bucket in part.buckets for key, is_settled in bucket.items() if not is_settled]
        assert sorted(waiting) == sorted(part.data.keys() - {b"key1"})

    def test_a_new_key_is_not_claimed_once_it_is_there(self) -> None:
        stage = Stage()
        part = self.part_of(stage)
        part.claim(b"new")
        stage.client.execute("SET", "new", 1)
        assert not part.claim(b"new")

    def test_keys_that_wait_are_no_work_for_the_garbage_collector(self) -> None:
        part = self.part_of(Stage())
        part.sort(1000)
        assert sum(map(len, part.buckets)) == 1000
        part.claim(b"key1")
        part.claim(b"new")
        assert not any(map(gc.is_tracked, part.buckets))
        assert len(part.buckets) <= 2000 / 64  # so many it walks, and not each key


class TestLargeValues:
    COUNT = 20_000

    def filled(self) -> EngineClient:
        client = EngineClient(Engine(clock=ManualClock()))
        numbers = range(self.COUNT)
        client.execute("RPUSH", "list", *numbers)
        client.execute("SADD", "set", *(f"m{number}" for number in numbers))
        client.execute("ZADD", "zset", *(part for number in numbers for part in (number / 7, f"m{number}")))
        client.execute("HSET", "hash", *(part for number in numbers for part in (f"f{number}", number)))
        client.execute("HSET", "going", *(part for number in numbers for part in (f"f{number}", number)))
        client.execute("HPEXPIRE", "going", 10**9, "FIELDS", 2, "f1", "f2")
        client.execute("SET", "string", "x" * (10 * self.COUNT))
        client.execute("SETBIT", "bits", 8 * 10 * self.COUNT, 1)
        client.execute("XGROUP", "CREATE", "stream", "g", 0, "MKSTREAM")
        for number in numbers:
            client.send(b"XADD", b"stream", b"%d-1" % (number + 1), b"f", b"v")
        while client.receive() is not NotImplemented:
            pass
        client.execute("XREADGROUP", "GROUP", "g", "bob", "COUNT", self.COUNT // 2, "STREAMS", "stream", ">")
        return client

    KEYS = ("list", "set", "zset", "hash", "going", "string", "bits", "stream")
    CHANGES: Final = {
        "list": "LSET list 5 changed",
        "set": "SPOP set 100",
        "zset": "ZREMRANGEBYRANK zset 0 500",
        "hash": "HINCRBY hash f7 9",
        "going": "HPEXPIRE going 5000 FIELDS 2 f1 f9",
        "string": "APPEND string tail",
        "bits": "SETBIT bits 7 1",
        "stream": "XACK stream g 1-1 2-1",
    }

    def test_they_are_written_in_slices_while_they_change(self) -> None:
        client = self.filled()
        expected = contents_of(client.engine)
        image = Snapshot(client.engine, FileWriter(RDB_VERSION_FIELD_EXPIRY), {})
        slices: list[bytes] = []
        while not image.finished:
            slices.append(image.next_slice(4096))
            if len(slices) % 5 == 0:
                for command in self.CHANGES.values():
                    client.execute(*command.split())
        # A piece has 16 kB, and the element on which it ends.
        assert max(map(len, slices)) < 4096 + 24_000
        assert contents_of(loaded(b"".join(slices))) == expected

    @pytest.mark.parametrize("key", KEYS)
    def test_one_that_is_half_written_and_changed(self, key: str) -> None:
        client = self.filled()
        for other in set(self.KEYS) - {key}:
            client.execute("DEL", other)
        client.execute("SET", "small", "one")
        expected = contents_of(client.engine)
        image = Snapshot(client.engine, FileWriter(RDB_VERSION_FIELD_EXPIRY), {})
        slices = [image.next_slice(4096) for _ in range(4)]
        client.execute(*self.CHANGES[key].split())
        client.execute("SET", "small", "other")  # is written within the large one, unless it was before
        client.execute("SELECT", 3)
        client.execute("SET", "elsewhere", "new")
        slices += [image.next_slice(4096) for _ in range(3)]
        client.execute("FLUSHALL")
        while not image.finished:
            slices.append(image.next_slice(4096))
        assert contents_of(loaded(b"".join(slices))) == expected
        assert image.written == image.total

    def test_nothing_is_copied_of_one_that_does_not_change(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(large_values.LargeValue, "freeze", lambda value: pytest.fail("a copy"))
        client = self.filled()
        image = Snapshot(client.engine, FileWriter(RDB_VERSION_FIELD_EXPIRY), {})
        while not image.finished:
            image.next_slice(4096)
            client.execute("SET", "small", "other")
        assert image.written == image.total
