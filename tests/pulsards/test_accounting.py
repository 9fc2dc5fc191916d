"""The account of memory: that it says what measuring everything anew would say, and costs what it should."""

from __future__ import annotations

import random
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from anystore.pulsards.accounting import Account
from anystore.pulsards.memory_usage import size_of
from tests.pulsards.peers import EngineClient


def client_with_account() -> EngineClient:
    return EngineClient(maxmemory="100gb")


def measured_anew(client: EngineClient) -> int:
    total = 0
    for database in client.engine.keyspace.databases:
        account = Account()
        for key in database.data:
            total += account.update(database, key)
    return total


def assert_about(client: EngineClient, percent: float) -> None:
    anew = measured_anew(client)
    assert abs(client.engine.keyspace.used - anew) <= anew * percent / 100


KEYS = st.sampled_from(["a", "b", "c"])
SMALL_COMMANDS = st.one_of(
    st.tuples(st.just("SET"), KEYS, st.text(max_size=200)),
    st.tuples(st.just("APPEND"), KEYS, st.text(max_size=50)),
    st.tuples(st.just("HSET"), KEYS, st.sampled_from("xyz"), st.text(max_size=200)),
    st.tuples(st.just("RPUSH"), KEYS, st.text(max_size=100)),
    st.tuples(st.just("LPOP"), KEYS),
    st.tuples(st.just("ZADD"), KEYS, st.just("1"), st.text(max_size=30)),
    st.tuples(st.just("XADD"), KEYS, st.just("*"), st.just("f"), st.text(max_size=30)),
    st.tuples(st.just("SADD"), KEYS, st.text(max_size=30)),
    st.tuples(st.just("RENAME"), KEYS, KEYS),
    st.tuples(st.just("EXPIRE"), KEYS, st.sampled_from(["100", "-1"])),
    st.tuples(st.just("PERSIST"), KEYS),
    st.tuples(st.just("DEL"), KEYS),
    st.sampled_from([("FLUSHDB",), ("SWAPDB", "0", "1"), ("SELECT", "1"), ("MOVE", "a", "1"), ("FLUSHALL",)]),
)


@given(st.lists(SMALL_COMMANDS, max_size=40))
def test_small_values_are_counted_exactly(commands: list[tuple[str, ...]]) -> None:
    client = client_with_account()
    for command in commands:
        client.execute(*command)
    assert client.engine.keyspace.used == measured_anew(client)
    client.execute("FLUSHALL")
    assert client.engine.keyspace.used == 0


class TestLargeCollections:
    @pytest.mark.parametrize("kind", ["HSET", "SADD", "ZADD", "RPUSH", "LPUSH", "XADD"])
    def test_growing_and_shrinking(self, kind: str) -> None:
        client = client_with_account()
        source = random.Random(1)
        member = 0

        def add(size: int) -> None:
            nonlocal member
            member += 1
            text = f"{member}-" + "x" * source.randrange(size)
            if kind == "HSET":
                client.execute("HSET", "k", str(member), text)
            elif kind == "ZADD":
                client.execute("ZADD", "k", member, text)
            elif kind == "XADD":
                client.execute("XADD", "k", member, "field", text)
            else:
                client.execute(kind, "k", text)

        for _ in range(1500):
            add(100)
        assert_about(client, 2)
        for _ in range(500):
            add(3000)
        assert_about(client, 2)
        for _ in range(1000):
            self._remove(client, kind)
        assert_about(client, 60)
        # What is left now is not what was there on average; some more changes, and that has been seen.
        for _ in range(1100):
            add(50)
        assert_about(client, 5)
        client.execute("DEL", "k")
        assert client.engine.keyspace.used == 0

    @staticmethod
    def _remove(client: EngineClient, kind: str) -> None:
        if kind == "HSET":
            fields = client.execute("HRANDFIELD", "k", 1)
            client.execute("HDEL", "k", fields[0])
        else:
            pop = {"SADD": ("SPOP",), "ZADD": ("ZPOPMIN",), "RPUSH": ("LPOP",), "LPUSH": ("LPOP",)}.get(kind)
            if pop is None:
                client.execute("XTRIM", "k", "MAXLEN", client.execute("XLEN", "k") - 1)
            else:
                client.execute(*pop, "k")

    def test_what_takes_the_place_of_something_else(self) -> None:
        """The number of elements stays, the memory does not."""
        client = client_with_account()
        for number in range(100):
            client.execute("HSET", "h", number, "x")
            client.execute("RPUSH", "l", "x")
        for number in range(100):
            client.execute("HSET", "h", number, "x" * 10_000)
            client.execute("LSET", "l", number, "x" * 10_000)
        assert_about(client, 20)
        client.execute("HSET", "h", *(item for number in range(100) for item in (number, "x")))
        for number in range(100):
            client.execute("LSET", "l", number, "x")
        client.execute("HSET", "h", "new", "x" * 100)
        client.execute("LINSERT", "l", "BEFORE", "x", "x" * 100_000)
        for _ in range(120):
            client.execute("HSET", "h", 1, "x")
            client.execute("LSET", "l", 0, "x")
        assert_about(client, 5)

    def test_a_stream_that_keeps_its_length(self) -> None:
        client = client_with_account()
        for number in range(1, 1001):
            client.execute(
                "XADD", "s", "MAXLEN", 200, f"{number}-0", "f", "x" * (1 if number < 500 else 5000)
            )
        assert_about(client, 10)

    def test_added_by_the_thousand(self) -> None:
        client = client_with_account()
        client.execute("SADD", "s", *range(100))
        client.execute("SADD", "s", *(f"{number}-xxxxxxxx" for number in range(10_000)))
        assert_about(client, 5)
        client.execute("RPUSH", "l", *range(100))
        client.execute("RPUSH", "l", *(f"{number}-xxxxxxxx" for number in range(10_000)))
        assert_about(client, 5)


class TestUsage:
    def test_samples(self) -> None:
        client = EngineClient()
        client.execute("RPUSH", "l", *(["x"] * 100), *(["y" * 1000] * 100))
        whole = client.execute("MEMORY", "USAGE", "l", "SAMPLES", 0)
        assert whole > 100 * 1000
        assert client.execute("MEMORY", "USAGE", "l") < whole / 5
        assert client.execute("MEMORY", "USAGE", "l", "SAMPLES", 1000) == whole

    @pytest.mark.parametrize(
        "command",
        [
            *(("SET", "k", "x" * 1000), ("HSET", "k", "f", "x" * 1000), ("SADD", "k", "x" * 1000)),
            *(
                ("ZADD", "k", "1", "x" * 1000),
                ("RPUSH", "k", "x" * 1000),
                ("XADD", "k", "*", "f", "x" * 1000),
            ),
            ("PFADD", "k", *map(str, range(2000))),
        ],
    )
    def test_every_type(self, command: tuple[Any, ...]) -> None:
        client = EngineClient()
        client.execute(*command)
        assert 1000 < client.execute("MEMORY", "USAGE", "k", "SAMPLES", 0) < 20_000
        before = client.execute("MEMORY", "USAGE", "k")
        client.execute("EXPIRE", "k", 100)
        assert client.execute("MEMORY", "USAGE", "k") > before

    def test_expiring_fields_groups_and_indexes_count(self) -> None:
        client = EngineClient()
        client.execute("HSET", "h", *(item for number in range(600) for item in (number, "x")))
        sizes = [client.execute("MEMORY", "USAGE", "h", "SAMPLES", 0)]
        client.execute("HSCAN", "h", 0)
        sizes.append(client.execute("MEMORY", "USAGE", "h", "SAMPLES", 0))
        client.execute("HEXPIRE", "h", 100, "FIELDS", 2, "1", "2")
        sizes.append(client.execute("MEMORY", "USAGE", "h", "SAMPLES", 0))
        assert sizes == sorted(set(sizes))
        client.execute("XADD", "s", "*", "f", "v")
        before = client.execute("MEMORY", "USAGE", "s")
        client.execute("XGROUP", "CREATE", "s", "g", "0")
        client.execute("XREADGROUP", "GROUP", "g", "c", "STREAMS", "s", ">")
        assert client.execute("MEMORY", "USAGE", "s") > before

    def test_an_empty_stream(self) -> None:
        client = client_with_account()
        client.execute("XGROUP", "CREATE", "s", "g", "$", "MKSTREAM")
        assert client.execute("MEMORY", "USAGE", "s") > 0
        assert client.engine.keyspace.used > 200
        assert size_of(client.engine.keyspace.databases[0].data[b"s"]) > 0
