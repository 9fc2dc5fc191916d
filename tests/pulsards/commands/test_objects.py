from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from anystore.pulsards.clock import ManualClock
from tests.pulsards.differential import Differential
from tests.pulsards.peers import EngineClient

_LISTPACKS = "7.0 keeps lists and sets in none"
_EMBEDDED = "Valkey embeds longer strings, by the length of the key"
_UNSHARED = "Valkey shares no integers by now"

KNOWN = {
    ("redis", "OBJECT ENCODING list"): _LISTPACKS,
    ("redis", "OBJECT ENCODING set"): _LISTPACKS,
    ("valkey", "OBJECT REFCOUNT number"): _UNSHARED,
    ("valkey", "OBJECT REFCOUNT counter"): _UNSHARED,
}


class TestEncoding:
    @pytest.mark.parametrize(
        ("value", "encoding"),
        [
            *(("0", "int"), ("-1", "int"), ("9223372036854775807", "int"), ("9223372036854775808", "embstr")),
            *(("01", "embstr"), ("1.0", "embstr"), ("", "embstr"), ("x" * 44, "embstr"), ("x" * 200, "raw")),
            *((" 1", "embstr"), ("-0", "embstr"), ("-9223372036854775808", "int"), ("+1", "embstr")),
        ],
    )
    def test_of_strings(self, peers: Differential, value: str, encoding: str) -> None:
        assert peers.check([("SET", "a", value), "OBJECT ENCODING a"])[-1] == encoding.encode()
        peers.check(
            [("APPEND", "b", value), "OBJECT ENCODING b", ("GETSET", "a", value), "OBJECT ENCODING a"]
        )
        peers.check([("MSET", "c", value), "OBJECT ENCODING c", "COPY c d", "OBJECT ENCODING d"])

    def test_of_a_longer_string(self, peers: Differential) -> None:
        assert peers.check([f"SET a {'x' * 45}", "OBJECT ENCODING a"], without=["valkey"])[-1] == b"raw"

    @pytest.mark.parametrize(
        "command",
        [
            *(
                "APPEND a 1",
                "SETRANGE a 0 1",
                "SETBIT a 1 1",
                "BITFIELD a SET u8 0 49",
                "BITOP OR a a",
                "INCR a",
            ),
            *(
                "INCRBYFLOAT a 0.5",
                "GETRANGE a 0 0",
                "GETEX a",
                "EXPIRE a 100",
                "RENAME a a",
                "SETNX a 1",
                "BITOP NOT a a",
            ),
        ],
    )
    def test_after_a_change(self, peers: Differential, command: str) -> None:
        peers.check(["SET a 5", command, "OBJECT ENCODING a", "COPY a b", "OBJECT ENCODING b"])

    def test_of_the_other_types(self, peers: Differential) -> None:
        peers.check(["RPUSH list 1", "SADD set a", "SADD integers 1", "ZADD zset 1 a", "HSET hash f v"])
        peers.check([f"OBJECT ENCODING {key}" for key in ("list", "set", "integers", "zset", "hash", "no")])
        peers.check([f"HSET hash f {'x' * 100}", "OBJECT ENCODING hash"])


_LIMITS = {
    "hash-max-listpack-entries": 512,
    "hash-max-listpack-value": 64,
    "list-max-listpack-size": -2,
    "set-max-intset-entries": 512,
    "set-max-listpack-entries": 128,
    "set-max-listpack-value": 64,
    "zset-max-listpack-entries": 128,
    "zset-max-listpack-value": 64,
}


@pytest.fixture
def limited(peers: Differential) -> Iterator[Differential]:
    """The same servers, whose limits of encodings are those of a new server again in the end."""
    # Redis 7.0 has no listpacks for sets, and other defaults: all of it, for each, as it was.
    before = {
        name: {limit: client.execute("CONFIG", "GET", limit) for limit in _LIMITS}
        for name, client in peers.servers.items()
    }
    peers.engine.execute("CONFIG", "SET", *(word for item in _LIMITS.items() for word in item))
    for client in peers.servers.values():
        for item in _LIMITS.items():
            client.execute("CONFIG", "SET", *item)
    yield peers
    for name, client in peers.servers.items():
        for pair in before[name].values():
            flat = [word for item in pair.items() for word in item] if isinstance(pair, dict) else pair
            if flat:
                client.execute("CONFIG", "SET", *flat)


_SMALL = (
    "HSET hash a 1 b 2 c 3",
    "ZADD zset 1 a 2 b 3 c",
    "SADD ints 1 2 3",
    "SADD set a b c",
    "RPUSH list a b c",
)
_LOWER = (
    "CONFIG SET hash-max-listpack-entries 2",
    "CONFIG SET zset-max-listpack-entries 2",
    "CONFIG SET set-max-intset-entries 2",
    "CONFIG SET set-max-listpack-entries 2",
    "CONFIG SET list-max-listpack-size 2",
)
_NARROW = (
    "CONFIG SET hash-max-listpack-value 2",
    "CONFIG SET zset-max-listpack-value 2",
    "CONFIG SET set-max-listpack-value 2",
)


class TestEncodingUnderOtherLimits:
    """A value goes by the limits when it is written, not when it is asked about."""

    @pytest.mark.parametrize(
        ("key", "writes"),
        [
            *(("hash", "HSET hash a 2"), ("hash", "HDEL hash a"), ("hash", "HSETNX hash a 3")),
            *(("hash", "HINCRBY hash a 1"), ("hash", "HSETNX hash new 3"), ("hash", "HGET hash a")),
            *(("zset", "ZADD zset 4 a"), ("zset", "ZADD zset 4 d"), ("zset", "ZREM zset a")),
            *(("zset", "ZINCRBY zset 1 a"), ("zset", "ZRANGE zset 0 -1"), ("zset", "ZADD zset 1 a")),
            *(("ints", "SADD ints 1"), ("ints", "SADD ints 4"), ("ints", "SREM ints 1")),
            *(("ints", "SADD ints a"), ("ints", "SMOVE set ints a")),
            *(("set", "SADD set a"), ("set", "SADD set d"), ("set", "SADD set a b c"), ("set", "SREM set a")),
            *(("list", "RPUSH list d"), ("list", "LSET list 0 x"), ("list", "LPOP list")),
            *(("list", "LINSERT list BEFORE b x"), ("list", "LRANGE list 0 -1"), ("list", "LTRIM list 0 1")),
            *(("zset", "SORT zset ALPHA"), ("hash", "EXPIRE hash 100"), ("hash", "RENAME hash hash")),
        ],
    )
    def test_a_lowered_limit_counts_at_the_next_write(
        self, limited: Differential, key: str, writes: str
    ) -> None:
        without = ["redis"] if key in ("set", "list", "ints") else []
        limited.check([*_SMALL])
        limited.check([*_LOWER[:3]])
        limited.check([*_LOWER[3:]], without=["redis"])
        kept = limited.check([f"OBJECT ENCODING {key}"], without=without)
        assert kept[0] in (b"listpack", b"intset")
        limited.check([writes, f"OBJECT ENCODING {key}"], without=without)
        limited.check([f"COPY {key} other", "OBJECT ENCODING other"], without=without)

    @pytest.mark.parametrize("key", ["hash", "zset", "ints", "set", "list"])
    def test_a_raised_limit_takes_nothing_back(self, limited: Differential, key: str) -> None:
        without = ["redis"] if key in ("set", "list", "ints") else []
        limited.check([*_LOWER[:3]])
        limited.check([*_LOWER[3:]], without=["redis"])
        limited.check([*_SMALL])
        for name, value in _LIMITS.items():
            limited.check([f"CONFIG SET {name} {value}"], without=["redis"] if "set-" in name[:4] else [])
        large = limited.check([f"OBJECT ENCODING {key}"], without=without)
        assert large[0] in (b"hashtable", b"skiplist", b"quicklist")
        limited.check([f"COPY {key} other", "OBJECT ENCODING other"], without=without)
        limited.check(["HDEL hash c", "ZREM zset c", "SREM ints 3", "SREM set c", "HSET hash a 3"])
        if key != "list":
            limited.check([f"OBJECT ENCODING {key}"], without=without)

    @pytest.mark.parametrize(
        "write",
        [
            *("HSET hash wide 1", "HSET hash a wide", "HSET hash x y", "HDEL hash long", "HSET hash long x"),
            *("ZADD zset 1 wide", "ZADD zset 4 x", "ZREM zset long"),
            *("SADD set wide", "SADD set x", "SADD set long", "SADD set long x"),
        ],
    )
    def test_a_lowered_width_counts_for_what_is_written(self, limited: Differential, write: str) -> None:
        key = write.split()[1]
        without = ["redis"] if key == "set" else []
        limited.check(["HSET hash long long a 1", "ZADD zset 1 long 2 b", "SADD set long b"])
        limited.check([*_NARROW[:2]])
        limited.check([*_NARROW[2:]], without=["redis"])
        limited.check([f"OBJECT ENCODING {key}", write, f"OBJECT ENCODING {key}"], without=without)

    @pytest.mark.parametrize("key", ["hash", "zset"])
    def test_what_is_restored_goes_by_the_number_alone(self, limited: Differential, key: str) -> None:
        limited.check(["HSET hash long long a 1", "ZADD zset 1 long 2 b", *_NARROW[:2]])
        for client in (limited.engine, *limited.servers.values()):
            client.execute("RESTORE", f"{key}-again", 0, client.execute("DUMP", key))
        limited.check([f"OBJECT ENCODING {key}-again", f"DEL {key}", *_LOWER[:2]])
        for client in (limited.engine, *limited.servers.values()):
            client.execute("RESTORE", key, 0, client.execute("DUMP", f"{key}-again"))
        limited.check([f"OBJECT ENCODING {key}"])

    @pytest.mark.parametrize(
        "store",
        [
            *("SUNIONSTORE out set ints", "SUNIONSTORE out ints", "SINTERSTORE out set set"),
            *("ZUNIONSTORE out 1 zset", "ZRANGESTORE out zset 0 -1", "SORT list ALPHA STORE out"),
            *("ZINTERSTORE out 1 ints", "LMOVE list out LEFT RIGHT", "SORT ints STORE out"),
        ],
    )
    @pytest.mark.parametrize("lowered", [True, False])
    def test_what_is_stored_goes_by_the_limits_of_the_moment(
        self, limited: Differential, store: str, lowered: bool
    ) -> None:
        limited.check([*_SMALL])
        if lowered:
            limited.check([*_LOWER[:3]])
            limited.check([*_LOWER[3:]], without=["redis"])
        without = [] if store.startswith("Z") else ["redis"]
        limited.check([store, "OBJECT ENCODING out"], without=without)

    @pytest.mark.parametrize(
        "others", [["ints"], ["one"], ["one", "two"], ["one", "two", "no"], ["one", "one", "one"]]
    )
    @pytest.mark.parametrize("first", ["words", "numbers", "long", "one"])
    def test_what_remains_of_a_larger_set(self, limited: Differential, first: str, others: list[str]) -> None:
        limited.check(
            [
                ("SADD", "words", *(f"w{number}" for number in range(120)), "1", "2"),
                ("SADD", "numbers", *range(500)),
                ("SADD", "long", "x" * 70, *range(20)),
                ("SADD", "ints", *range(400)),
                ("SADD", "one", "1", "w1"),
                ("SADD", "two", "x" * 70, *range(3, 12)),
            ]
        )
        limited.check([("SDIFFSTORE", "out", first, *others), "OBJECT ENCODING out"], without=["redis"])
        limited.check([("SDIFFSTORE", first, first, *others), f"OBJECT ENCODING {first}"], without=["redis"])

    def test_streams_and_strings_have_none(self, limited: Differential) -> None:
        limited.check(["SET s x", "XADD x 1-1 a b", *_LOWER[:3], "OBJECT ENCODING s", "OBJECT ENCODING x"])


class TestRest:
    def test_references(self, peers: Differential) -> None:
        peers.check(
            ["SET number 5", "SET large 10000", "SET str x", "RPUSH list 1", "INCR counter", "SET low -1"]
        )
        peers.check(
            [f"OBJECT REFCOUNT {key}" for key in ("number", "large", "str", "list", "counter", "low", "no")]
        )

    def test_arguments(self, peers: Differential) -> None:
        peers.check(
            ["SET a 1", "OBJECT FREQ a", "OBJECT FREQ no", "OBJECT IDLETIME no", "OBJECT", "OBJECT FOO"]
        )
        peers.check(
            ["OBJECT ENCODING", "OBJECT ENCODING a b", "object idletime", "OBJECT FOO a", "OBJECT HELP a"]
        )

    def test_help(self) -> None:
        lines: list[Any] = EngineClient().execute("OBJECT", "HELP")
        assert {line.split()[0] for line in lines if not line.startswith(b" ")} == {
            *(b"OBJECT", b"ENCODING", b"FREQ", b"IDLETIME", b"REFCOUNT", b"HELP")
        }

    @pytest.mark.parametrize(
        ("command", "idle"),
        [
            *(
                ("GET a", 0),
                ("APPEND a x", 0),
                ("SET a 1", 0),
                ("TOUCH a", 0),
                ("STRLEN a", 0),
                ("COPY a b", 0),
            ),
            *(
                ("TTL a", 10),
                ("TYPE a", 10),
                ("EXISTS a", 10),
                ("OBJECT ENCODING a", 10),
                ("SCAN 0", 10),
                ("KEYS *", 10),
            ),
        ],
    )
    def test_idle_time(self, command: str, idle: int) -> None:
        clock = ManualClock()
        client = EngineClient(clock=clock)
        client.execute("SET", "a", "1")
        clock.advance(10)
        client.execute(*command.split())
        assert client.execute("OBJECT", "IDLETIME", "a") == idle
